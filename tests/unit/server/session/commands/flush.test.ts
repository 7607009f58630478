/** SEND to /relay/flush. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { MemoryConnection } from '../../../../support/memory-connection.js';
import { ScriptedFeed } from '../../../../support/scripted-feed.js';
import { Harness, tick, useFakeTime } from '../harness.js';

let harness: Harness;
let client: MemoryConnection;
beforeEach(() => {
  useFakeTime();
  harness = new Harness();
});
afterEach(async () => {
  harness.broker.release();
  await tick();
  expect(await harness.leftovers()).toEqual([]);
  jest.useRealTimers();
});

async function connect(extensions = 'soft-errors'): Promise<void> {
  client = await harness.connect({ 'relay-extensions': extensions });
  for (const topic of ['a', 'b']) client.sendFrame('SUBSCRIBE', { id: topic, destination: `/topic/${topic}` });
  await tick();
  client.fresh();
}

async function flush(headers: Record<string, string> = {}): Promise<void> {
  client.sendFrame('SEND', { destination: '/relay/flush', receipt: 'flushed', ...headers });
  await tick();
}

const flushes = () => harness.broker.subscriptions.flatMap((subscription) => subscription.flushes);
const received = () =>
  client.fresh().map(({ command, headers, body }) => headers['code'] ?? (body.toString() || command));

test('the RECEIPT follows the messages that have arrived by the time that all subscriptions are flushed', async () => {
  await connect();
  await flush();
  expect([flushes().length, received()]).toEqual([2, []]);
  flushes()[0]!.grant(true);
  await tick();
  harness.broker.emit('b', 'last');
  flushes()[1]!.grant(true);
  await tick();
  expect(received()).toEqual(['last', 'RECEIPT']);
});

test('a message that waits for the end of the tick is written before the RECEIPT', async () => {
  await connect();
  await flush();
  for (const each of flushes()) each.grant(true);
  harness.broker.emit('a', 'in this tick');
  await tick();
  expect(received()).toEqual(['in this tick', 'RECEIPT']);
});

test('frames behind it wait', async () => {
  await connect();
  await flush();
  client.sendFrame('UNSUBSCRIBE', { id: 'a', receipt: 'left' });
  await tick();
  expect(received()).toEqual([]);
  for (const each of flushes()) each.grant(true);
  await tick();
  expect(client.frames.slice(-2).map(({ headers }) => headers['receipt-id'])).toEqual(['flushed', 'left']);
});

test('the next one waits for 10 ms of each subscription', async () => {
  await connect();
  await flush();
  for (const each of flushes()) each.grant(true);
  await flush();
  expect(flushes()).toHaveLength(2);
  await jest.advanceTimersByTimeAsync(2_000);
  expect(flushes()).toHaveLength(4);
  for (const each of flushes()) each.grant(true);
  await tick();
});

test('a session that ends in that time leaves nothing behind', async () => {
  await connect();
  await flush();
  for (const each of flushes()) each.grant(true);
  await flush();
  client.vanish();
  await jest.advanceTimersByTimeAsync(2_000);
  expect(flushes()).toHaveLength(2);
});

test('without subscriptions it is answered at once', async () => {
  client = await harness.connect();
  await flush();
  expect(client.frames.at(-1)).toMatchObject({ command: 'RECEIPT', headers: { 'receipt-id': 'flushed' } });
});

test('a broker that does not answer in time makes it an error of the frame, and the session lives on', async () => {
  await connect();
  await flush();
  flushes()[0]!.grant(true);
  flushes()[1]!.grant(false);
  await tick();
  const report = client.frames.at(-1);
  expect(report).toMatchObject({
    command: 'MESSAGE',
    headers: { code: 'broker-unavailable', 'receipt-id': 'flushed', 'refused-destination': '/relay/flush' },
  });
  client.sendFrame('UNSUBSCRIBE', { id: 'a', receipt: 'left' });
  await tick();
  expect(client.frames.at(-1)).toMatchObject({ command: 'RECEIPT' });
});

test('it is refused in a transaction', async () => {
  await connect();
  client.sendFrame('BEGIN', { transaction: 't' });
  await flush({ transaction: 't' });
  expect(client.frames.at(-1)).toMatchObject({ headers: { code: 'invalid-header', 'receipt-id': 'flushed' } });
  expect(client.frames.at(-1)?.body.toString()).toMatch(/^\/relay\/flush takes effect at once/);
});

describe('with a replay in progress', () => {
  let feed: ScriptedFeed;
  beforeEach(async () => {
    feed = new ScriptedFeed();
    feed.from = 'reader';
    harness.broker.historyOf = () => feed;
    client = await harness.connect({ 'relay-extensions': 'soft-errors' });
    for (const body of ['1', '2']) feed.append('a', body);
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a', 'relay-since': 'p0' });
    await tick();
    await flush();
    expect(received()).toEqual([]);
  });
  const ticks = async (): Promise<void> => {
    for (let i = 0; i < 5; i++) await tick();
  };

  test('the RECEIPT follows its messages', async () => {
    feed.read();
    await ticks();
    expect(received()).toEqual(['1', '2', 'RECEIPT']);
  });

  test('a replay that is interrupted is not waited for', async () => {
    for (const replay of feed.openReplays) replay.ready('too-old');
    await ticks();
    expect(received()).toEqual(['replay-interrupted', 'RECEIPT']);
  });

  test('a replay that takes long makes it an error of the frame', async () => {
    await jest.advanceTimersByTimeAsync(10_000);
    await ticks();
    expect(received()).toEqual(['broker-unavailable']);
  });

  test('a session that ends in that time leaves nothing behind', async () => {
    client.vanish();
    await ticks();
    expect([await harness.leftovers(), feed.openReplays.size]).toEqual([[], 0]);
  });
});
