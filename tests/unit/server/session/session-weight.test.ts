import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { MemoryConnection } from '../../../support/memory-connection.js';
import { Harness, tick, useFakeTime } from './harness.js';

const KIB = 1024;
let harness: Harness;
let client: MemoryConnection;
let idleBytes: number;
beforeEach(async () => {
  useFakeTime();
  harness = new Harness({ session: { transactionMaxBytes: 60_000, transactionsMaxBytes: 60_000 } });
  client = await harness.connect();
  idleBytes = held();
});
afterEach(async () => {
  harness.broker.release();
  expect(await harness.leftovers()).toEqual([]);
  jest.useRealTimers();
});

const [body, SEND] = ['x'.repeat(20 * KIB), { destination: '/topic/a' }];
function holder() {
  const [first] = harness.sessions.holders();
  return first!;
}
const held = (): number => holder().heldBytes;
const added = (): number => held() - idleBytes;

describe('the weight of a session', () => {
  test('of an idle session is that of its objects', () => {
    expect(idleBytes).toBe(8 * KIB);
    expect(holder().sharedBytes).toBe(0);
  });

  test('has an unfinished frame: its headers and what came of its body', async () => {
    client.send(`SEND\ndestination:/topic/a\n\n${body}`);
    expect(added()).toBeGreaterThan(20 * KIB);
    client.send('\0');
    await tick();
    expect(added()).toBe(0);
  });

  test('has an unfinished WebSocket message', () => {
    client.unfinishedBytes = 5_000;
    expect(added()).toBe(5_000);
  });

  test('has open transactions, until they end', () => {
    client.sendFrame('BEGIN', { transaction: 't' });
    client.sendFrame('SEND', { ...SEND, transaction: 't' }, body);
    expect(added()).toBeGreaterThan(20 * KIB + 512);
    client.sendFrame('ABORT', { transaction: 't' });
    expect(added()).toBe(0);
  });

  test('has a COMMIT with its frames, until the broker has confirmed them', async () => {
    harness.broker.holds.add('publish');
    client.sendFrame('BEGIN', { transaction: 't' });
    client.sendFrame('SEND', { ...SEND, transaction: 't' }, body);
    client.sendFrame('COMMIT', { transaction: 't' });
    expect(added()).toBeGreaterThan(20 * KIB);
    harness.broker.release();
    await tick();
    expect(added()).toBe(0);
  });

  test('has published SENDs until their confirm', async () => {
    harness.broker.holds.add('publish');
    client.sendFrame('SEND', SEND, body);
    client.sendFrame('SEND', SEND, body);
    expect(added()).toBeGreaterThan(40 * KIB);
    harness.broker.release();
    await tick();
    expect(added()).toBe(0);
  });

  test.each(['auto', 'client'])('has deliveries that are not settled (ack:%s)', async (ack) => {
    client = await harness.connect({}, { confirmsReads: true });
    const weights = () => [...harness.sessions.holders()].map(({ heldBytes }) => heldBytes);
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/queue/q', ack });
    await tick();
    for (let i = 0; i < 4; i++) harness.broker.consumer('/queue/q').deliver(body);
    expect(weights()[1]).toBe(idleBytes + 2 * KIB + 4 * 256);
    await tick();
    expect(weights()[1]).toBe(idleBytes + 2 * KIB + 4 * 256);
  });

  test('has subscriptions, and unread messages by the share of those who wait for them', async () => {
    const other = await harness.connect();
    for (const each of [client, other]) each.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a' });
    await tick();
    expect(added()).toBe(2 * KIB);
    client.stall();
    other.stall();
    harness.broker.emit('a', body);
    await tick();
    const bytes = client.bufferedBytes;
    expect(added()).toBe(2 * KIB + bytes);
    expect(holder().sharedBytes).toBe(bytes / 2);
  });
});

describe('a session that is ended for lack of memory', () => {
  test('gets ERROR memory-exhausted, closes with 1013, and holds nothing', () => {
    client.sendFrame('BEGIN', { transaction: 't' });
    client.sendFrame('SEND', { ...SEND, transaction: 't' }, body);
    const session = holder();
    session.exhaust('too much');
    expect(client.summary.at(-1)).toBe('ERROR memory-exhausted');
    expect([client.closed?.code, client.isCutOff]).toEqual([1013, false]);
    expect([session.heldBytes, session.sharedBytes]).toEqual([0, 0]);
  });

  test('is cut off if much waits for it', async () => {
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a' });
    await tick();
    client.stall();
    for (let i = 0; i < 4; i++) harness.broker.emit('a', body);
    await tick();
    holder().exhaust('too much');
    expect(client.isCutOff).toBe(true);
  });
});

test('while the budget is full, new sessions are refused with memory-exhausted', () => {
  harness.memory.isFull = true;
  const late = harness.open();
  expect(late.summary).toEqual(['ERROR memory-exhausted']);
  expect(harness.sessions.size).toBe(1);
});
