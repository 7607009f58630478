/**
 * A random test of catching up: clients subscribe with any position, read slowly, leave and return, while messages
 * arrive, groups flush and rest, and readers are slow. Each subscription gets exactly what the log has behind its
 * position, once and in order, and what is for other sessions is left out. Violations that are planted are found.
 */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { ReplayStep } from '../../../../server/src/brokers/history.js';
import { Group } from '../../../../server/src/delivery/group.js';
import { SlowReturn } from '../../../../server/src/delivery/slow-return.js';
import { matches } from '../../../../server/src/destinations/topic-pattern.js';
import type { MemoryConnection } from '../../../support/memory-connection.js';
import { fc } from '../../../support/properties.js';
import { ScriptedFeed, ScriptedReplay } from '../../../support/scripted-feed.js';
import { Harness, tick, useFakeTime } from './harness.js';

const PATTERNS = ['a', '#'];
const KEYS = ['a', 'b'];
const USERS = ['ann', 'bob'];
const CLIENTS = 6;

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('append' as const), key: fc.nat(KEYS.length - 1) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('narrow' as const), client: fc.nat(), other: fc.boolean() }) },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('subscribe' as const),
      client: fc.nat(),
      pattern: fc.nat(PATTERNS.length),
      back: fc.nat(20),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('leave' as const), client: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('vanish' as const), client: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('stall' as const), client: fc.nat() }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('take' as const), client: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const), reader: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('tick' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('microtask' as const) }) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A subscription, and what its client knows. */
interface Following {
  readonly id: string;
  /** A pattern of topics, or the destination of the user. */
  readonly pattern: string | undefined;
  readonly since: number;
  /** The number of the last message of the log when UNSUBSCRIBE was sent. */
  left: number | undefined;
}

async function ticks(count: number): Promise<void> {
  for (let i = 0; i <= count; i++) await tick();
}

class Client {
  readonly following: Following[] = [];
  isGone = false;
  constructor(
    readonly connection: MemoryConnection,
    readonly user: string,
  ) {}
}

class Model {
  readonly harness = new Harness({ session: { outboxMaxBytes: 600 }, recovery: { chunksMaxBytes: 2_000 } });
  readonly feed = new ScriptedFeed();
  readonly clients: Client[] = [];
  private count = 0;

  constructor() {
    this.harness.broker.historyOf = () => this.feed;
    // Groups rest for some turns, as under load
    this.harness.groups.flushLater = (group) => void ticks(this.feed.log.length % 4).then(() => group.flush());
  }

  async run(steps: readonly Step[]): Promise<string[]> {
    for (let i = 0; i < CLIENTS; i++) await this.join();
    for (const each of steps) await this.take(each);
    for (let i = 0; i < 60; i++) {
      this.feed.read();
      for (const { connection } of this.clients) connection.take();
      await tick();
    }
    return this.clients.flatMap((client) => this.faultsOf(client));
  }

  private async join(): Promise<void> {
    const user = USERS[this.clients.length % USERS.length]!;
    this.clients.push(new Client(await this.harness.connect({ login: user }), user));
  }

  private async take(each: Step): Promise<void> {
    if (each.kind === 'append') return void this.feed.append(KEYS[each.key]!, `x${this.feed.log.length + 1}`);
    if (each.kind === 'tick') return tick();
    if (each.kind === 'microtask') return Promise.resolve();
    if (each.kind === 'read') {
      this.feed.from = each.reader ? 'reader' : 'ring';
      return this.feed.read();
    }
    const client = this.clients[each.client % this.clients.length]!;
    const { connection, user } = client;
    if (each.kind === 'narrow') {
      const toSession = each.other ? 'another' : connection.id;
      return void this.feed.append(`${user}.in`, `x${this.feed.log.length + 1}`, { toSession });
    }
    if (each.kind === 'stall') return connection.stall();
    if (each.kind === 'take') return connection.take();
    if (client.isGone || connection.closed) return;
    if (each.kind === 'vanish') {
      client.isGone = true;
      connection.vanish();
      return this.join();
    }
    const open = client.following.find(({ left }) => left === undefined);
    if (each.kind === 'leave') {
      if (!open) return;
      open.left = this.feed.log.length;
      return connection.sendFrame('UNSUBSCRIBE', { id: open.id, receipt: open.id });
    }
    if (open) return;
    const pattern = PATTERNS[each.pattern];
    const since = Math.max(0, this.feed.log.length - each.back);
    // Ids of the first subscriptions are equal, so that clients share groups
    const id = `s${client.following.length}`;
    client.following.push({ id, pattern, since, left: undefined });
    const destination = pattern === undefined ? '/user/queue/in' : `/topic/${pattern}`;
    connection.sendFrame('SUBSCRIBE', { id, destination, 'relay-since': `p${since}`, receipt: `r${++this.count}` });
  }

  private faultsOf({ connection, following, user, isGone }: Client): string[] {
    return following.flatMap(({ id, pattern, since, left }) => {
      const got = connection.frames
        .filter(({ command, headers }) => command === 'MESSAGE' && headers['subscription'] === id)
        .map(({ body }) => body.toString());
      const all = this.feed.log
        .slice(since)
        .filter(({ key }) => (pattern === undefined ? key === `${user}.in` : matches(pattern, key)))
        .filter(({ message: { toSession } }) => pattern !== undefined || (toSession ?? connection.id) === connection.id)
        .map(({ message }) => message.body.toString());
      const isWhole = !isGone && !connection.closed && left === undefined;
      const expected = isWhole ? all : all.slice(0, got.length);
      const said = `${connection.id} ${id} since ${since}`;
      return got.join() === expected.join() ? [] : [`${said}: got ${got.join()}, expected ${expected.join()}`];
    });
  }

  async leftovers(): Promise<string[]> {
    const left = await this.harness.leftovers();
    const { listening, openReplays } = this.feed;
    return [...left, ...[...listening].map(() => 'listener'), ...[...openReplays].map(() => 'replay')];
  }
}

const runs = fc.array(step, { minLength: 20, maxLength: 120, size: 'max' });

async function faultsIn(steps: readonly Step[]): Promise<string[]> {
  const model = new Model();
  const faults = await model.run(steps);
  return [...faults, ...(await model.leftovers())];
}

beforeEach(useFakeTime);
afterEach(() => {
  jest.restoreAllMocks();
  jest.useRealTimers();
});

test('each subscription gets what the log has behind its position, once and in order', async () => {
  let steps = 0;
  const { start } = SlowReturn.prototype as unknown as {
    start: (this: SlowReturn<{ readonly account?: string }>, ...args: unknown[]) => void;
  };
  let slowReturns = 0;
  jest.spyOn(SlowReturn.prototype, 'start').mockImplementation(function (
    this: SlowReturn<{ readonly account?: string }>,
    ...args
  ) {
    slowReturns++;
    start.apply(this, args);
  });
  await fc.assert(
    fc.asyncProperty(runs, async (run) => {
      expect(await faultsIn(run)).toEqual([]);
      steps += run.length;
    }),
    { numRuns: 100 },
  );
  expect(steps).toBeGreaterThan(2_000);
  expect(slowReturns).toBeGreaterThan(5);
}, 60_000);

describe('the test finds a planted violation:', () => {
  const prototype = Group.prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
  const original = { ...Object.fromEntries(['add', 'flush'].map((name) => [name, prototype[name]!])) };

  async function expectFound(): Promise<void> {
    const result = await fc.check(
      fc.asyncProperty(runs, async (steps) => (await faultsIn(steps)).length === 0),
      { numRuns: 60, endOnFailure: true, seed: 7 },
    );
    expect(result.failed).toBe(true);
  }

  test('a member joins before the flush', async () => {
    jest.spyOn(prototype, 'add').mockImplementation(function (this: unknown, ...args) {
      (this as { members: Set<unknown> }).members.add(args[0]);
      return original['add']!.apply(this, args);
    });
    await expectFound();
  });

  test('a member joins a turn later', async () => {
    jest.spyOn(prototype, 'add').mockImplementation(function (this: unknown, ...args) {
      setImmediate(() => original['add']!.apply(this, args));
    });
    await expectFound();
  });

  test('a message of a replay is left out', async () => {
    const { next } = ScriptedReplay.prototype as unknown as { next: (this: ScriptedReplay) => ReplayStep };
    jest.spyOn(ScriptedReplay.prototype, 'next').mockImplementation(function (this: ScriptedReplay) {
      const step = next.call(this);
      return step.kind === 'messages' && step.messages.length > 2
        ? { ...step, messages: step.messages.slice(1) }
        : step;
    });
    await expectFound();
  });

  test('a member that catches up is delivered live messages too', async () => {
    const catchUp = prototype['catchUp']!;
    jest.spyOn(prototype, 'catchUp').mockImplementation(function (this: unknown, ...args) {
      (this as { members: Set<unknown> }).members.add(args[0]);
      return catchUp.apply(this, args);
    });
    await expectFound();
  });

  test('messages for other sessions are replayed', async () => {
    jest.spyOn(Group.prototype, 'isUsers', 'get').mockReturnValue(false);
    await expectFound();
  });
});
