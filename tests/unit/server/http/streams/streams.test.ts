/** Streams over fake HTTP responses: the events that a client gets, and their order. */
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Response } from 'express';
import type { Principal } from '../../../../../server/src/auth/auth.js';
import { BrokerError } from '../../../../../server/src/brokers/broker.js';
import type { SharedDestination } from '../../../../../server/src/brokers/broker.js';
import { CatchUpTurns } from '../../../../../server/src/delivery/catch-up-turns.js';
import { subscribingAt } from '../../../../../server/src/delivery/group-subscribe.js';
import { Groups } from '../../../../../server/src/delivery/groups.js';
import { PositionRefresh } from '../../../../../server/src/delivery/position-refresh.js';
import { createSubscriptionPots } from '../../../../../server/src/delivery/subscription-pots.js';
import { EventEncoder } from '../../../../../server/src/http/streams/event-encoder.js';
import type { Stream } from '../../../../../server/src/http/streams/stream.js';
import { Streams } from '../../../../../server/src/http/streams/streams.js';
import { Accounts } from '../../../../../server/src/load/accounts.js';
import { SharedPots } from '../../../../../server/src/load/shared-pots.js';
import { SessionCounters } from '../../../../../server/src/session/session-counters.js';
import { TimerWheel } from '../../../../../server/src/timing/timer-wheel.js';
import { ScriptedBroker } from '../../../../support/scripted-broker.js';
import { ScriptedFeed } from '../../../../support/scripted-feed.js';
import { pass, tick, useFakeTime } from '../../session/harness.js';

const STREAM_MAX_BYTES = 1_000;
const MESSAGE_MAX_BYTES = 500;

const OPTIONS = {
  streamsMax: 10_000,
  sessionLimits: { user: { limit: 'users', max: 0 }, address: { limit: 'addresses', max: 0 } },
  streamMaxBytes: STREAM_MAX_BYTES,
  messageMaxBytes: MESSAGE_MAX_BYTES,
  streamKeepAliveMs: 15_000,
  closeTimeoutMs: 1_000,
};
const ANONYMOUS: Principal = { name: 'anonymous', anonymous: true, claims: {} };
const CALLER = { principal: ANONYMOUS, address: '127.0.0.1', account: undefined };

/** The kernel accepts all bytes until the test sets `isStalled`. */
class FakeResponse extends EventEmitter {
  writableLength = 0;
  isStalled = false;
  isOver = false;
  text = '';
  private readonly taken: (() => void)[] = [];

  writeHead(): void {}
  write(bytes: Buffer, onTaken?: () => void): void {
    this.text += bytes.toString();
    if (this.isStalled) this.writableLength += bytes.length;
    if (onTaken) this.taken.push(onTaken);
  }
  /** The kernel takes all bytes from now on. */
  take(): void {
    this.isStalled = false;
    this.writableLength = 0;
    for (const onTaken of this.taken.splice(0)) onTaken();
  }
  end(bytes: Buffer): void {
    if (this.isOver) throw new Error('A response ends once.');
    this.write(bytes);
    this.isOver = true;
  }
  /** The client disconnects. */
  disconnect(): void {
    this.isOver = true;
    this.emit('close');
  }
  destroy(): void {
    this.disconnect();
  }
  /** In order: `ready`, the body of each message, and the code of an error. */
  get seen(): string[] {
    return [...this.text.matchAll(/^event: (ready)|"body":"(.*?)"|"code":"(.*?)"/gm)].map(
      ([, ready, body, code]) => ready ?? body ?? code!,
    );
  }
}

let broker: ScriptedBroker;
let counters: SessionCounters;
let events: number;
let streams: Streams;
let memory: { isFull: boolean; forget(): void };
beforeEach(() => {
  useFakeTime();
  broker = new ScriptedBroker();
  counters = new SessionCounters();
  events = 0;
  let id = 0;
  const encoder = new EventEncoder(
    () => `m-${++id}`,
    MESSAGE_MAX_BYTES,
    ({ text }) => text,
  );
  const groupCounters = {
    countOut: (count: number) => void (events += count),
    countTooLarge: (members: number) => counters.countTooLarge(members),
  };
  const timers = new TimerWheel();
  const turns = new CatchUpTurns({ catchUpChunkBytes: 1_000, catchUpsMaxBytes: 10_000 });
  const recovery = { turns, positions: new PositionRefresh(30_000, timers) };
  const groups = new Groups(
    subscribingAt(broker),
    encoder,
    groupCounters,
    { of: () => 'disconnect' },
    { restShare: 0, recovery },
  );
  const createDrain = () => ({ start() {}, stop() {} });
  memory = { isFull: false, forget: () => undefined };
  const pots = new SharedPots();
  const accounts = new Accounts({ checksLogins: false, exempt: [], isProxy: () => false });
  const { subscriptions } = createSubscriptionPots(pots, { subscriptionsMax: 10_000, patternsMax: 1_000 });
  const downloads = { turns: recovery.turns, events: encoder };
  const shared = { pots, accounts, subscriptions, sessionCounters: counters, timers, memory, createDrain };
  const historyOf = (destination: SharedDestination) => broker.historyOf(destination);
  streams = new Streams(OPTIONS, { ...shared, groups, downloads, historyOf });
});
afterEach(() => void jest.useRealTimers());

function opened(...keys: string[]): Promise<{ stream: Stream; response: FakeResponse }> {
  return openedBy(ANONYMOUS, ...keys);
}

async function openedBy(principal: Principal, ...keys: string[]) {
  const response = new FakeResponse();
  const stream = streams.admit(response as unknown as Response, { ...CALLER, principal });
  const destinations = keys.map((key): SharedDestination => {
    return { kind: 'topic', text: `/topic/${key}`, key, spelling: 'dots' };
  });
  await streams.open(stream, destinations);
  return { stream, response };
}

async function publish(key: string, ...bodies: string[]): Promise<void> {
  for (const body of bodies) broker.emit(key, body);
  await tick();
}

test('a stream begins with `ready`, and gets the messages of all its destinations in order', async () => {
  const { response } = await opened('a', 'b');
  broker.emit('a', '1');
  await publish('b', '2');
  expect(response.seen).toEqual(['ready', '1', '2']);
  expect(events).toBe(2);
});

describe('the end of a stream', () => {
  test('comes after all earlier messages', async () => {
    const { stream, response } = await opened('a', 'b');
    broker.emit('a', '1');
    broker.emit('b', '2');
    stream.end('revoked');
    broker.emit('a', '3');
    await tick();
    expect(response.seen).toEqual(['ready', '1', '2', 'revoked']);
    expect(broker.openSubscriptions).toEqual([]);
  });

  test('keeps its reason even if too many bytes wait for the earlier messages to be written', async () => {
    const { stream, response } = await opened('a', 'b');
    response.isStalled = true;
    await publish('a', ...Array.from({ length: 10 }, () => 'x'.repeat(200)));
    broker.emit('a', '1');
    broker.emit('b', '2');
    stream.end('revoked');
    await tick();
    expect(response.seen.slice(11)).toEqual(['revoked']);
    expect(counters.slowConsumers).toBe(0);
    expect(broker.openSubscriptions).toEqual([]);
  });

  test('comes with the end of its token by the wall clock, at most a minute late if that is set ahead', async () => {
    const MINUTE_MS = 60_000;
    const expiring: Principal = { ...ANONYMOUS, expiresAtMs: Date.now() + 60 * MINUTE_MS };
    const { response } = await openedBy(expiring, 'a');
    await pass(30 * MINUTE_MS);
    expect(response.isOver).toBe(false);
    jest.setSystemTime(Date.now() + 30 * MINUTE_MS);
    await pass(MINUTE_MS + 100);
    expect(response.seen).toEqual(['ready', 'token-expired']);
  });

  test('by its client ends the subscriptions at the broker, and stops all writes', async () => {
    const { response } = await opened('a');
    broker.emit('a', '1');
    response.disconnect();
    await tick();
    expect(response.seen).toEqual(['ready']);
    expect([broker.openSubscriptions, streams.size]).toEqual([[], 0]);
  });

  test('before it is open writes nothing, and leaves no subscription', async () => {
    broker.holds.add('subscribe');
    const response = new FakeResponse();
    const stream = streams.admit(response as unknown as Response, CALLER);
    const opening = streams.open(stream, [{ kind: 'topic', text: '/topic/a', key: 'a', spelling: 'dots' }]);
    response.disconnect();
    broker.release();
    await opening;
    await publish('a', '1');
    expect(response.text).toBe('');
    expect(broker.openSubscriptions).toEqual([]);
  });
});

describe('a stream that does not read', () => {
  const body = 'x'.repeat(200);

  test('gets the messages within its limit, then an error, and no other stream waits', async () => {
    const [slow, quick] = [await opened('a'), await opened('a')];
    slow.response.isStalled = true;
    let sent = 0;
    for (; counters.slowConsumers === 0; sent++) await publish('a', body);
    await publish('a', 'afterwards');
    const received = slow.response.seen;
    expect(received.slice(1, -1)).toEqual(Array.from({ length: sent - 1 }, () => body));
    expect(received.at(-1)).toBe('slow-consumer');
    expect(slow.response.isOver).toBe(true);
    expect(quick.response.seen.slice(1)).toEqual([...Array.from({ length: sent }, () => body), 'afterwards']);
  });

  test('has room for four of its largest events', async () => {
    const { response } = await opened('a');
    const large = 'x'.repeat(400);
    response.isStalled = true;
    await publish('a', large);
    const size = response.writableLength;
    for (let i = 0; i < 4; i++) await publish('a', large);
    expect(counters.slowConsumers).toBe(0);
    expect(response.writableLength).toBe(5 * size);
    await publish('a', large);
    expect(response.seen.at(-1)).toBe('slow-consumer');
  });

  test('ends once, even if a thousand streams are too slow in the same turn', async () => {
    const all = await Promise.all(Array.from({ length: 1_000 }, (_, index) => opened('all', `own-${index % 300}`)));
    for (const { response } of all) response.isStalled = true;
    const burst = Array.from({ length: 10 }, () => body);
    await publish('all', ...burst);
    for (let index = 0; index < 300; index++) broker.emit(`own-${index}`, body);
    await publish('all', body);
    expect(counters.slowConsumers).toBe(1_000);
    expect(new Set(all.map(({ response }) => response.seen.at(-1)))).toEqual(new Set(['slow-consumer']));
    expect(new Set(all.map(({ response }) => response.seen.length))).toEqual(new Set([burst.length + 2]));
    expect(broker.openSubscriptions).toEqual([]);
  });
});

test('the error event of a subscription that ended asks the client to come back', async () => {
  const { response } = await opened('x');
  broker.subscriptions[0]!.ended?.(new BrokerError('subscription-ended', 'The exchange is gone.'));
  await tick();
  expect(response.seen).toEqual(['ready', 'subscription-ended']);
  expect(response.text).toContain('"mayReconnect":true');
});

describe('a stream with a history', () => {
  const TOPIC_A = { kind: 'topic', text: '/topic/a', key: 'a', spelling: 'dots' } as const;
  let feed: ScriptedFeed;
  beforeEach(() => {
    feed = new ScriptedFeed();
    broker.historyOf = () => feed;
  });

  const append = async (...bodies: string[]): Promise<void> => {
    for (const body of bodies) feed.append('a', body);
    await tick();
  };
  const idsOf = ({ text }: FakeResponse): string[] => [...text.matchAll(/^id: (.*)$/gm)].map(([, id]) => id!);

  test('gets gaps in order, and positions while it is quiet', async () => {
    const { response } = await opened('a');
    await append('1');
    feed.gap('p1', 'p3', 'too-old');
    await append('2');
    expect(response.text).toMatch(
      /"body":"1".*event: gap\ndata: {"destination":"\/topic\/a","from":"p1","to":"p3","reason":"too-old"}\n\n.*"body":"2"/s,
    );
    await pass(31_000);
    feed.append('other', 'x');
    await pass(31_000);
    await tick();
    expect(idsOf(response)).toEqual(['p0', 'p1', 'p3', 'p2', 'p3']);
    response.disconnect();
    await tick();
    expect(feed.listening.size).toBe(0);
  });

  test('that cannot complete its replay ends with an error', async () => {
    await append('1', '2');
    feed.from = 'reader';
    const response = new FakeResponse();
    const stream = streams.admit(response as unknown as Response, CALLER);
    await streams.open(stream, [TOPIC_A], { since: 'p0' });
    await tick();
    for (const replay of [...feed.openReplays]) replay.ready('too-old');
    await tick();
    expect(response.seen).toEqual(['ready', 'replay-interrupted']);
    expect(response.text).toContain('"mayReconnect":true');
  });

  test('a download of a topic has the messages in which a back end has set `session`', async () => {
    feed.append('a', '1', { toSession: 'of the back end' });
    const response = new FakeResponse();
    await streams.download(streams.admit(response as unknown as Response, CALLER), TOPIC_A, 'p0');
    await tick();
    expect(response.seen).toEqual(['1']);
  });

  test('a download goes on at the pace of its client, and ends with it', async () => {
    await append('1', '2', '3', '4', '5');
    const [response, gone] = [new FakeResponse(), new FakeResponse()];
    for (const each of [response, gone]) {
      each.isStalled = true;
      await streams.download(streams.admit(each as unknown as Response, CALLER), TOPIC_A, 'p0');
    }
    for (let i = 0; i < 4; i++) await tick();
    expect(response.seen).toEqual(['1', '2', '3']);
    expect(feed.openReplays.size).toBe(2);
    gone.disconnect();
    expect(feed.openReplays.size).toBe(1);
    response.take();
    for (let i = 0; i < 4; i++) await tick();
    expect(response.seen).toEqual(['1', '2', '3', '4', '5']);
    expect(response.text.endsWith('{"position":"p5"}\n')).toBe(true);
    expect(response.isOver).toBe(true);
  });
});
