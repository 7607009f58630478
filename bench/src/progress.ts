/** Estimates the remaining time from connection rates of the peers, corrected by the runs so far. */
import type { PeerName } from './peers.js';
import type { Scenario } from './scenarios.js';

const START_SECONDS = 15;
const EACH_SECONDS = 2;
export const WARM_UP_SECONDS = 1;
const CONNECTS_PER_SECOND = 2_000;
/** RabbitMQ opens and ends sessions much more slowly. */
const WEB_STOMP_CONNECTS_PER_SECOND = 120;

export interface PlannedRun {
  readonly scenario: Scenario;
  readonly peer: PeerName;
  readonly round: number;
}

export class Progress {
  private readonly startedAt = performance.now();
  private planned = 0;
  private done = 0;

  constructor(runs: readonly PlannedRun[]) {
    for (const run of runs) this.planned += seconds(run);
  }

  /** The estimate for the whole benchmark. */
  get minutes(): string {
    return minutes(this.planned + START_SECONDS);
  }

  finished(run: PlannedRun): void {
    this.done += seconds(run);
  }

  get left(): string {
    const spent = (performance.now() - this.startedAt) / 1_000;
    return minutes((this.planned - this.done) * (spent / Math.max(1, this.done)));
  }
}

function seconds({ scenario: { load }, peer }: PlannedRun): number {
  const sessions = load.subscribers + load.publishers;
  const opening = sessions / (peer === 'web-stomp' ? WEB_STOMP_CONNECTS_PER_SECOND : CONNECTS_PER_SECOND);
  return EACH_SECONDS + opening + load.settleSeconds + WARM_UP_SECONDS + load.seconds;
}

function minutes(value: number): string {
  return value < 90 ? `${Math.ceil(value / 10) * 10} s` : `${Math.round(value / 60)} min`;
}
