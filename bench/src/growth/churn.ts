/**
 * Subscriptions come and go while messages flow to 200 standing subscribers. The generator, a process of its own,
 * publishes and measures losses, order, latency and CPU. This process subscribes and unsubscribes on a fixed schedule;
 * the time to a receipt counts from when its SUBSCRIBE was due. A subscription lasts a moment, so most are alone on
 * their topic, and the relay must bind and unbind at RabbitMQ.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Histogram } from '../generator/histogram.js';
import type { LoadResult } from '../generator/load.js';
import type { Browser } from './browser.js';
import { Crowd } from './crowd.js';
import { HighMark } from './high-mark.js';
import { readMetric } from './stage.js';
import type { OnStage, Stage } from './stage.js';
import { runStandingLoad } from './standing-load.js';
import type { StandingLoad } from './standing-load.js';

export interface ChurnPlan extends StandingLoad {
  readonly sessions: number;
  readonly kinds: readonly ChurnKind[];
}

export interface ChurnKind {
  readonly name: string;
  /** SUBSCRIBEs a second; the rate of UNSUBSCRIBEs is the same. */
  readonly rate: number;
  /** Topics of the churn; the standing subscribers have topic 0. 0: a new topic for each subscription. */
  readonly topics: number;
}

export interface ChurnResult {
  readonly kind: ChurnKind;
  readonly load: LoadResult;
  readonly subscribes: number;
  readonly receiptMs: { readonly p50: number; readonly p99: number; readonly max: number };
  readonly pendingBindingsMax: number;
  /** After all subscriptions of the churn have ended. */
  readonly pendingBindingsLeft: number;
}

const STAY_MS = 100;
const POLL_MS = 200;
const LEAVE_SECONDS = 30;

export async function measureChurn(stage: Stage, plan: ChurnPlan): Promise<ChurnResult[]> {
  return stage.with('relay', async (on) => {
    const crowd = new Crowd(on.target, () => []);
    const results: ChurnResult[] = [];
    try {
      await crowd.growTo(plan.sessions, () => undefined);
      for (const kind of plan.kinds) {
        const result = await runKind(stage, on, crowd, plan, kind);
        if (crowd.ended > 0 || crowd.firstProblem !== '') throw new Error(`${kind.name}: ${crowd.firstProblem}`);
        stage.print(`  ${describe(result)}`);
        results.push(result);
      }
    } finally {
      crowd.close();
    }
    return results;
  });
}

async function runKind(
  stage: Stage,
  on: OnStage,
  crowd: Crowd,
  plan: ChurnPlan,
  kind: ChurnKind,
): Promise<ChurnResult> {
  const churn = new Churn(crowd.browsers, kind);
  const pending = new HighMark(() => readMetric(on, 'broker_bindings_pending'), POLL_MS);
  const churning = churn.run();
  const load = await runStandingLoad(stage, on, plan);
  const subscribes = await churn.stop(churning);
  const pendingBindingsMax = await pending.stop();
  const deadline = Date.now() + LEAVE_SECONDS * 1_000;
  let left = await readMetric(on, 'broker_bindings_pending');
  for (; left > 0 && Date.now() < deadline; left = await readMetric(on, 'broker_bindings_pending'))
    await delay(POLL_MS);
  const millis = (share: number): number => churn.receipts.quantile(share) / 1_000;
  return {
    kind,
    load,
    subscribes,
    receiptMs: { p50: millis(0.5), p99: millis(0.99), max: churn.receipts.max / 1_000 },
    pendingBindingsMax,
    pendingBindingsLeft: left,
  };
}

class Churn {
  readonly receipts = new Histogram();
  private isRunning = true;
  private count = 0;
  private readonly free: Browser[];
  private readonly waiting: ((browser: Browser) => void)[] = [];
  private readonly visits = new Set<Promise<void>>();

  constructor(
    browsers: readonly Browser[],
    private readonly kind: ChurnKind,
  ) {
    this.free = [...browsers];
  }

  async run(): Promise<void> {
    const { rate, topics } = this.kind;
    if (rate === 0) return;
    const start = performance.now();
    while (this.isRunning) {
      for (const due = ((performance.now() - start) * rate) / 1_000; this.count < due; this.count += 1) {
        const topic = topics === 0 ? 1_000 + this.count : this.count % topics;
        const visit = this.visit(topic, start + (this.count * 1_000) / rate);
        this.visits.add(visit);
        void visit.then(() => this.visits.delete(visit));
      }
      await delay(1);
    }
  }

  /** Resolves with the number of SUBSCRIBEs when all of them have been unsubscribed. */
  async stop(churning: Promise<void>): Promise<number> {
    this.isRunning = false;
    await churning;
    await Promise.race([Promise.all(this.visits), delay(LEAVE_SECONDS * 1_000, undefined, { ref: false })]);
    if (this.visits.size > 0) throw new Error(`${this.visits.size} receipts did not come in ${LEAVE_SECONDS} s`);
    return this.count;
  }

  private async visit(topic: number, due: number): Promise<void> {
    const browser = this.free.pop() ?? (await new Promise<Browser>((resolve) => this.waiting.push(resolve)));
    await browser.subscribe(topic, 'sub-0');
    this.receipts.add((performance.now() - due) * 1_000);
    await delay(STAY_MS);
    await browser.unsubscribe('sub-0');
    const next = this.waiting.shift();
    if (next) next(browser);
    else this.free.push(browser);
  }
}

function describe({ kind, load, receiptMs, subscribes, pendingBindingsMax, pendingBindingsLeft }: ChurnResult): string {
  return (
    `${kind.name}: ${load.unique} delivered, lost ${load.lost}, doubled ${load.duplicates}, out of order ${load.outOfOrder}, ` +
    `p50 ${load.latencyMs.p50.toFixed(1)} ms, p99 ${load.latencyMs.p99.toFixed(1)} ms; relay ${load.serverCpuPercent} %, ` +
    `RabbitMQ ${load.brokerCpuPercent} %; ${subscribes} SUBSCRIBEs, receipt p50 ${receiptMs.p50.toFixed(1)} ms, ` +
    `p99 ${receiptMs.p99.toFixed(1)} ms; bindings pending at most ${pendingBindingsMax}, left ${pendingBindingsLeft}`
  );
}
