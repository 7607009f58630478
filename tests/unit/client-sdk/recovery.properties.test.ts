/**
 * A client on a model of relays with one history: random losses, moves, returns and refusals of positions. Each message
 * reaches the application once and in order, or lies in a gap that the application gets to know.
 */
import { expect, jest, test } from '@jest/globals';
import type { Gap } from '../../../client-sdk/src/core/index.js';
import { fc } from '../../support/properties.js';
import type { FakeWebSocket } from './fake-relay.js';
import { open, settled } from './open-client.js';

const TOPIC = '/topic/a';
const OFFERED = { 'relay-extensions': 'soft-errors,drain,recovery' };

type Action =
  | { readonly name: 'publish'; readonly count: number }
  /** The relay of the newest or of the oldest connection brings up to `count` of its next messages. */
  | { readonly name: 'bring'; readonly fromOld: boolean; readonly count: number }
  /** The newest relay answers SUBSCRIBE; the history reaches back `kept` messages. */
  | { readonly name: 'answer'; readonly kept: number }
  | { readonly name: 'lose'; readonly old: boolean }
  | { readonly name: 'drain' }
  /** The old relay has brought all. */
  | { readonly name: 'flush' }
  /** The replay of a relay breaks off. */
  | { readonly name: 'interrupt'; readonly old: boolean }
  /** A relay loses continuity: its next `count` messages are not delivered. */
  | { readonly name: 'skip'; readonly old: boolean; readonly count: number }
  /** A relay reports the position that it has reached. It may be behind another relay. */
  | { readonly name: 'report'; readonly old: boolean };

const actions: fc.Arbitrary<Action> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ name: fc.constant('publish' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      name: fc.constant('bring' as const),
      fromOld: fc.boolean(),
      count: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ name: fc.constant('answer' as const), kept: fc.constantFrom(0, 3, 1_000, 1_000) }),
  },
  { weight: 2, arbitrary: fc.record({ name: fc.constant('lose' as const), old: fc.boolean() }) },
  { weight: 2, arbitrary: fc.constant({ name: 'drain' as const }) },
  { weight: 2, arbitrary: fc.constant({ name: 'flush' as const }) },
  { weight: 1, arbitrary: fc.record({ name: fc.constant('interrupt' as const), old: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      name: fc.constant('skip' as const),
      old: fc.boolean(),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ name: fc.constant('report' as const), old: fc.boolean() }) },
);

/** A relay's side of one connection. `next`: the message that the subscription gets next, once it is set up. */
class RelaySide {
  next: number | undefined;
  answered = 0;
  #flushed = 0;

  constructor(readonly socket: FakeWebSocket) {}

  get isOpen(): boolean {
    return this.socket.readyState === 1;
  }

  /** Answers the newest SUBSCRIBE. `length`: of the history, whose messages begin with 1. */
  answer(length: number, kept: number): void {
    const frames = this.socket.seen('SUBSCRIBE');
    if (frames.length === this.answered) return;
    this.answered = frames.length;
    const { receipt = '', 'relay-since': since = '' } = frames.at(-1)!.headers;
    const from = Number(since.slice(1));
    const verdict =
      since === 'now'
        ? { 'relay-position': `p${length}` }
        : from >= length - kept
          ? { 'relay-recovered': 'true', 'relay-position': since, 'relay-replayed': String(length - from) }
          : { 'relay-recovered': 'false', 'relay-reason': 'too-old', 'relay-position': `p${length}` };
    this.socket.sendFrame('RECEIPT', { 'receipt-id': receipt, ...verdict });
    this.next = (verdict['relay-recovered'] === 'true' ? from : length) + 1;
  }

  bring(length: number, count: number): void {
    for (let n = 0; n < count && this.next !== undefined && this.next <= length; n++, this.next++) {
      const headers = { 'message-id': `h0-${this.next}`, 'relay-position': `p${this.next}` };
      if (this.#isSubscribed) this.socket.deliver(TOPIC, String(this.next), headers);
    }
  }

  skip(length: number, count: number): void {
    if (this.next === undefined || this.next > length || !this.#isSubscribed) return;
    const to = Math.min(length, this.next + count - 1);
    const ends = { 'from-position': `p${this.next - 1}`, 'relay-position': `p${to}`, 'relay-reason': 'other-history' };
    this.socket.notice('gap', { 'for-subscription': TOPIC, ...ends });
    this.next = to + 1;
  }

  report(): void {
    if (this.next === undefined || !this.#isSubscribed) return;
    this.socket.notice('position', { 'for-subscription': TOPIC, 'relay-position': `p${this.next - 1}` });
  }

  interrupt(): void {
    if (this.next === undefined || !this.#isSubscribed) return;
    const about = { code: 'replay-interrupted', 'refused-command': 'SUBSCRIBE', 'refused-id': TOPIC };
    this.socket.notice('errors', about, 'The rest cannot be read.');
    this.next = undefined;
  }

  /** The relay brings everything before the RECEIPT. */
  flush(length: number): void {
    const asked = this.socket.seen('SEND').filter(({ headers }) => headers['destination'] === '/relay/flush');
    for (const { headers } of asked.slice(this.#flushed)) {
      this.bring(length, Infinity);
      this.socket.sendFrame('RECEIPT', { 'receipt-id': headers['receipt'] ?? '' });
    }
    this.#flushed = asked.length;
    for (const { headers } of this.socket.seen('DISCONNECT')) {
      this.socket.sendFrame('RECEIPT', { 'receipt-id': headers['receipt'] ?? '' });
    }
  }

  get #isSubscribed(): boolean {
    return this.isOpen && this.socket.seen('UNSUBSCRIBE').length < this.answered;
  }
}

async function play(script: readonly Action[]) {
  const { client, relay } = open();
  const sides = new Map<FakeWebSocket, RelaySide>();
  const [seen, gaps]: [number[], Gap[]] = [[], []];
  let length = 0;
  const subscription = client.subscribe(TOPIC, ({ body }) => seen.push(Number(body)), {
    onGap: (gap) => gaps.push(gap),
  });
  /** Accepts new connections, and lets the client do all that needs no time. */
  const rest = async (): Promise<void> => {
    await jest.advanceTimersByTimeAsync(3);
    await settled();
    for (const socket of relay.sockets) {
      if (sides.has(socket)) continue;
      sides.set(socket, new RelaySide(socket));
      await socket.connect(OFFERED);
    }
    await settled();
  };
  const connections = () => [...sides.values()].filter(({ isOpen }) => isOpen);
  await rest();
  connections()[0]!.answer(length, 0);
  await subscription.ready;
  for (const action of script) {
    const [oldest, newest] = [connections()[0], connections().at(-1)];
    if (action.name === 'publish') length += action.count;
    if (action.name === 'bring') (action.fromOld ? oldest : newest)?.bring(length, action.count);
    if (action.name === 'answer') newest?.answer(length, action.kept);
    if (action.name === 'lose') (action.old ? oldest : newest)?.socket.end(1006);
    if (action.name === 'drain') newest?.socket.notice('drain', { 'move-in-ms': '0', 'close-in-ms': '5000' });
    if (action.name === 'flush') oldest?.flush(length);
    if (action.name === 'skip') (action.old ? oldest : newest)?.skip(length, action.count);
    if (action.name === 'interrupt') (action.old ? oldest : newest)?.interrupt();
    if (action.name === 'report') (action.old ? oldest : newest)?.report();
    await rest();
  }
  // everything comes to rest: the client is connected and subscribed, and all messages have come
  for (let round = 0; round < 6; round++) {
    await jest.advanceTimersByTimeAsync(20_000);
    await rest();
    for (const side of connections()) side.flush(length);
    connections().at(-1)!.answer(length, 1_000);
    for (const side of connections()) side.bring(length, Infinity);
    await rest();
  }
  return { seen, gaps, length, state: subscription.state };
}

test('each message comes once and in order, or lies in a reported gap', async () => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(actions, { maxLength: 40 }), async (script) => {
        const { seen, gaps, length, state } = await play(script);
        expect(state.name).toBe('subscribed');
        const numberOf = (position = ''): number => Number(position.slice(1));
        const missing = gaps.flatMap(({ from, to }) =>
          Array.from({ length: numberOf(to) - numberOf(from) }, (_, index) => numberOf(from) + 1 + index),
        );
        expect(new Set(missing).size).toBe(missing.length); // no gap overlaps another one
        const expected = Array.from({ length }, (_, index) => index + 1).filter((n) => !missing.includes(n));
        expect(seen).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  } finally {
    jest.useRealTimers();
  }
});
