/**
 * A random test of the rule of order: sessions subscribe, unsubscribe, fail, stall and vanish while messages arrive. A
 * client gets every message that arrives while its subscription is live, and none from before its SUBSCRIBE or after
 * its UNSUBSCRIBE. It gets no message twice or out of order, and nothing after an ERROR. If a policy allows messages to
 * be left out, a later message counts each missing one.
 */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { SlowConsumerRule } from '../../../../server/src/delivery/slow-policy.js';
import { matches } from '../../../../server/src/destinations/topic-pattern.js';
import { PlainEncoding } from '../../../support/memory-connection.js';
import type { MemoryConnection } from '../../../support/memory-connection.js';
import { Harness, tick, useFakeTime } from './harness.js';

/** Patterns of subscriptions, and keys of messages. */
const PATTERNS = ['a', 'b', 'lossy', 'latest.#'];
const KEYS = ['a', 'b', 'lossy', 'latest.x', 'latest.y'];
const LOSSY = PATTERNS.slice(2);
const IDS = ['sub-0', 'sub-1'];
const SESSIONS = 30;
const STEPS = 3_000;

/** A small generator with a seed, so that a run can be repeated. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

interface Held {
  readonly key: string;
  /** The number of the subscription. Ids are used again, numbers are not. */
  readonly count: number;
  state: 'subscribing' | 'live' | 'unsubscribing';
}

/** A client, and the messages that it may and must get. `sub-0 17` is message number 17 on subscription sub-0. */
class Client {
  readonly subscriptions = new Map<string, Held>();
  readonly must: string[] = [];
  /** The number of the subscription, by message. */
  readonly may = new Map<string, number>();
  /** The numbers of subscriptions from which messages may be left out. */
  private readonly lossy = new Set<number>();
  isOver = false;
  private count = 0;
  constructor(readonly connection: MemoryConnection) {}

  subscribe(id: string, key: string): void {
    this.subscriptions.set(id, { key, count: ++this.count, state: 'subscribing' });
    if (LOSSY.includes(key)) this.lossy.add(this.count);
    this.connection.sendFrame('SUBSCRIBE', { id, destination: `/topic/${key}`, receipt: `subscribed ${id}` });
  }

  unsubscribe(id: string, held: Held): void {
    held.state = 'unsubscribing';
    this.connection.sendFrame('UNSUBSCRIBE', { id, receipt: `unsubscribed ${id} ${held.count}` });
  }

  /** Reads the frames since the last call. */
  readFrames(): void {
    for (const { command, headers } of this.connection.fresh()) {
      if (command === 'ERROR') this.isOver = true;
      if (command !== 'RECEIPT') continue;
      const [action, id = ''] = (headers['receipt-id'] ?? '').split(' ');
      const held = this.subscriptions.get(id);
      if (action === 'unsubscribed') this.subscriptions.delete(id);
      else if (held?.state === 'subscribing') held.state = 'live';
    }
  }

  /** Called before a message arrives. */
  expect(key: string, number: number): void {
    this.readFrames();
    if (this.isOver) return;
    for (const [id, held] of this.subscriptions) {
      if (!matches(held.key, key)) continue;
      this.may.set(`${id} ${number}`, held.count);
      if (held.state === 'live') this.must.push(`${id} ${number}`);
    }
  }

  /** The violations of the rule in the frames of this client. */
  faults(): string[] {
    const faults: string[] = [];
    const seen = new Set<string>();
    const last = new Map<string, number>();
    const ended = new Set<number>();
    /** By the number of the subscription: the last message, and the sum of its `relay-dropped` headers. */
    const lastOf = new Map<number, number>();
    const reported = new Map<number, number>();
    for (const [index, { command, headers, body }] of this.connection.frames.entries()) {
      const [action, , count] = (headers['receipt-id'] ?? '').split(' ');
      if (command === 'RECEIPT' && action === 'unsubscribed') ended.add(Number(count));
      if (command === 'ERROR' && index < this.connection.frames.length - 1) faults.push('something after ERROR');
      if (command !== 'MESSAGE') continue;
      const subscription = headers['subscription'] ?? '';
      const name = `${subscription} ${body.toString()}`;
      const subscribed = this.may.get(name);
      if (subscribed === undefined) faults.push(`${name} was not expected`);
      else if (ended.has(subscribed)) faults.push(`${name} after the RECEIPT of its UNSUBSCRIBE`);
      if (seen.has(name)) faults.push(`${name} twice`);
      if (Number(body) <= (last.get(subscription) ?? 0)) faults.push(`${name} out of order`);
      last.set(subscription, Number(body));
      seen.add(name);
      if (subscribed === undefined) continue;
      lastOf.set(subscribed, Number(body));
      const dropped = Number(headers['relay-dropped'] ?? 0);
      if (dropped > 0) reported.set(subscribed, (reported.get(subscribed) ?? 0) + dropped);
    }
    const missingOf = (names: Iterable<string>): Map<number, number> => {
      const missing = new Map<number, number>();
      for (const name of names) {
        const subscribed = this.may.get(name) ?? 0;
        if (seen.has(name) || Number(name.split(' ')[1]) >= (lastOf.get(subscribed) ?? 0)) continue;
        missing.set(subscribed, (missing.get(subscribed) ?? 0) + 1);
      }
      return missing;
    };
    for (const name of this.must) {
      if (!seen.has(name) && !this.lossy.has(this.may.get(name) ?? 0)) faults.push(`${name} lost`);
    }
    // Messages that arrived while a SUBSCRIBE or UNSUBSCRIBE was pending may be among the reported ones.
    const [least, most] = [missingOf(this.must), missingOf(this.may.keys())];
    for (const count of this.lossy) {
      const [fewest, greatest, sum] = [least, most, reported].map((each) => each.get(count) ?? 0) as [
        number,
        number,
        number,
      ];
      if (sum < fewest || sum > greatest) faults.push(`${fewest} to ${greatest} missing, ${sum} reported in ${count}`);
    }
    return faults;
  }
}

describe('groups under random load', () => {
  beforeEach(useFakeTime);
  afterEach(() => {
    jest.useRealTimers();
  });

  test.each([1, 2, 3, 5])(
    'seed %i',
    async (seed) => {
      const below = random(seed);
      const slowConsumers: SlowConsumerRule[] = [
        { match: '/topic/lossy', policy: 'drop-oldest' },
        { match: '/topic/latest.#', policy: 'latest' },
      ];
      const harness = new Harness({ session: { outboxMaxBytes: 2_000 }, slowConsumers });
      const { broker } = harness;
      const unshared = new PlainEncoding('frame by frame');
      const clients: Client[] = [];
      const join = async (): Promise<void> => {
        const options = below(4) === 0 ? { encoding: unshared, canShare: false } : {};
        clients.push(new Client(await harness.connect({ 'accept-version': `1.${1 + below(2)}` }, options)));
      };
      for (let i = 0; i < SESSIONS; i++) await join();

      let number = 0;
      const publish = (): void => {
        const key = KEYS[below(KEYS.length)]!;
        number++;
        for (const client of clients) client.expect(key, number);
        broker.emit(key, String(number));
      };
      const act = (client: Client): void => {
        const id = IDS[below(IDS.length)]!;
        const held = client.subscriptions.get(id);
        client.readFrames();
        if (client.isOver) return;
        const choice = below(120);
        if (!held) client.subscribe(id, PATTERNS[below(PATTERNS.length)]!);
        else if (held.state === 'live' && choice < 40) client.unsubscribe(id, held);
        else if (choice < 43) client.connection.sendFrame('ACK', { id: 'nothing' });
        else if (choice < 48) client.connection.stall();
        else if (choice < 55) client.connection.take();
        else if (choice === 55) {
          client.isOver = true;
          client.must.length = 0;
          client.connection.vanish();
        }
      };
      for (let step = 0; step < STEPS; step++) {
        const choice = below(20);
        if (choice < 10) publish();
        else if (choice < 16) act(clients[below(clients.length)]!);
        else if (choice === 16) await Promise.resolve();
        else if (choice === 17) await tick();
        else if (choice === 18) broker.holds[below(2) === 0 ? 'add' : 'delete']('subscribe');
        else for (const each of broker.subscriptions) if (!each.live.isSettled && below(2) === 0) each.live.grant(each);
        const over = clients.filter(({ isOver }) => isOver).length;
        if (clients.length - over < SESSIONS) await join();
      }
      for (const each of broker.subscriptions) each.live.grant(each);
      for (const { connection } of clients) connection.take();
      await tick();
      await tick();

      expect(clients.flatMap((client) => client.faults())).toEqual([]);
      expect(clients.reduce((sum, { must }) => sum + must.length, 0)).toBeGreaterThan(5_000);
      expect(harness.counters.errors['unknown-ack']).toBeGreaterThan(0);
      expect(harness.counters.errors['slow-consumer']).toBeGreaterThan(0);
      expect(harness.counters.dropped['drop-oldest']).toBeGreaterThan(0);
      expect(harness.counters.dropped.latest).toBeGreaterThan(0);
      expect(await harness.leftovers()).toEqual([]);
      expect(harness.counters.slowMembers).toBe(0);
    },
    60_000,
  ); // this is CPU time, and other tests share the machine
});
