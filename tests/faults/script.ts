/** Builds histories by hand, to plant violations of rules. */
import type { Effect } from './faults.js';
import { History, nameOf } from './history.js';
import { check } from './rules.js';

export const QUEUE = '/queue/work';
export const TOPIC = '/topic/news';
const RELAY = 'ws://relay';

/** Each step takes one millisecond. */
export class Script {
  private time = 0;
  readonly history = new History(() => this.time++);

  send(number: number, destination = QUEUE, session = 'p#1'): this {
    return this.add({ kind: 'sent', session, message: nameOf(session, destination, number) });
  }
  confirm(number: number, destination = QUEUE, session = 'p#1'): this {
    return this.add({ kind: 'confirmed', session, message: nameOf(session, destination, number) });
  }
  refuse(number: number, code = 'broker-unavailable', isSoft = false, sentence = ''): this {
    const message = nameOf('p#1', QUEUE, number);
    return this.add({ kind: 'error', session: 'p#1', code, isSoft, message, sentence });
  }
  deliver(
    number: number,
    options: { to?: string; destination?: string; redelivered?: true; resent?: true } = {},
  ): this {
    const { to = 's#1', destination = QUEUE, redelivered = false, resent = false } = options;
    const message = nameOf('p#1', destination, number);
    return this.add({ kind: 'delivered', session: to, destination, message, redelivered, resent });
  }
  close(session = 'p#1', intended = false): this {
    return this.add({ kind: 'closed', session, code: 1006, intended });
  }
  /** Starts now. */
  fault(untilMs: number, ...effects: Effect[]): this {
    const fromMs = this.time;
    return this.add({ kind: 'fault', name: 'planted', fromMs, toMs: untilMs, untilMs, effects });
  }
  connect(...sessions: string[]): this {
    for (const session of sessions) this.add({ kind: 'connected', session, url: RELAY });
    return this;
  }
  subscribe(...sessions: string[]): this {
    for (const session of sessions) this.add({ kind: 'subscribed', session, destination: TOPIC });
    return this;
  }
  ready(isReady: boolean): this {
    return this.add({ kind: 'readiness', url: RELAY, isReady });
  }
  crowd(...answers: string[]): this {
    for (const answer of answers) this.add({ kind: 'crowded', answer });
    return this;
  }
  wait(ms: number): this {
    this.time += ms;
    return this;
  }
  add(event: Parameters<History['add']>[0]): this {
    this.history.add(event);
    return this;
  }
  get broken(): string[] {
    return check(this.history).map(({ rule }) => rule);
  }
}

/** Three messages through a queue, without a violation. */
export const clean = (): Script => [1, 2, 3].reduce((script, n) => script.send(n).confirm(n).deliver(n), new Script());
