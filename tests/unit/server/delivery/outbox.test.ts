import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Outbox } from '../../../../server/src/delivery/outbox.js';
import { SessionCounters } from '../../../../server/src/session/session-counters.js';
import { TimerWheel } from '../../../../server/src/timing/timer-wheel.js';
import { MemoryConnection } from '../../../support/memory-connection.js';
import { tick, useFakeTime } from '../session/harness.js';

const OPTIONS = { outboxMaxBytes: 1_000, outboxStallMs: 5_000, messageMaxBytes: 2_000 };

let connection: MemoryConnection;
let timers: TimerWheel;
let outbox: Outbox;
let verdicts: string[];
beforeEach(() => {
  useFakeTime();
  connection = new MemoryConnection();
  timers = new TimerWheel();
  verdicts = [];
  outbox = new Outbox(connection, OPTIONS, timers, new SessionCounters(), {
    onTooSlow: (error) => verdicts.push(error.message),
  });
  connection.listener = { onData() {}, onAlive() {}, onClose() {}, onDrain: () => outbox.onDrain() };
  connection.stall();
});
afterEach(() => {
  jest.useRealTimers();
});

function write(bytes: number): void {
  if (!connection.write(Buffer.alloc(bytes, '\n'))) outbox.onBackPressure(bytes);
}

describe('Outbox', () => {
  test('ends the session when more than outboxMaxBytes wait: once, and not from inside the write', async () => {
    for (let i = 0; i < 11; i++) write(100);
    await tick();
    expect(verdicts).toEqual([]);
    write(1);
    write(1);
    expect(verdicts).toEqual([]);
    await tick();
    expect(verdicts).toHaveLength(1);
    expect(verdicts[0]).toContain('1100 bytes wait for this client, more than session.outboxMaxBytes (1000)');
  });

  test('one message above the limit ends no session, nor do a few in a row', async () => {
    write(900);
    for (let i = 0; i < 3; i++) {
      write(1_900);
      write(10);
    }
    write(1_900);
    await tick();
    expect(verdicts).toEqual([]);
    write(1_900);
    await tick();
    expect(verdicts).toHaveLength(1);
  });

  test('bytes of one write count with the next write, as one message', async () => {
    write(8_000);
    await tick();
    write(1);
    await tick();
    expect(verdicts).toEqual([]);
    write(1);
    await tick();
    expect(verdicts[0]).toContain('8001 bytes');
  });

  test('a large message only raises the limit while bytes wait', async () => {
    write(1_900);
    connection.take();
    connection.stall();
    for (let i = 0; i < 12; i++) write(100);
    await tick();
    expect(verdicts[0]).toContain('1100 bytes');
  });

  test('large messages from other writers raise the limit too', async () => {
    connection.write(Buffer.alloc(1_900, '\n'));
    outbox.watch(1_900);
    write(10);
    write(10);
    await tick();
    expect(verdicts).toEqual([]);
  });

  test('ends the session when the client takes nothing for outboxStallMs', async () => {
    write(10);
    jest.advanceTimersByTime(4_999);
    expect(verdicts).toEqual([]);
    jest.advanceTimersByTime(101);
    await tick();
    expect(verdicts).toHaveLength(1);
    expect(verdicts[0]).toContain('nothing for session.outboxStallMs (5000 ms) while 10 bytes');
    expect(timers.size).toBe(0);
  });

  test('a client that takes some bytes stays', async () => {
    write(500);
    for (let i = 0; i < 10; i++) {
      jest.advanceTimersByTime(4_000);
      connection.take(10);
    }
    expect(verdicts).toEqual([]);
    jest.advanceTimersByTime(10_300);
    await tick();
    expect(verdicts).toHaveLength(1);
  });

  test('runs a timer only while bytes wait', () => {
    write(10);
    expect(timers.size).toBe(1);
    connection.take();
    expect(timers.size).toBe(0);
  });

  test('is congested above half the limit', () => {
    write(500);
    expect(outbox.isCongested).toBe(false);
    write(1);
    expect(outbox.isCongested).toBe(true);
  });

  test('runs waiting actions at the drain, in order, and actions that they add at the next drain', () => {
    const ran: string[] = [];
    write(10);
    outbox.whenDrained(() => {
      ran.push('a');
      outbox.whenDrained(() => ran.push('c'));
    });
    outbox.whenDrained(() => ran.push('b'));
    connection.take(5);
    expect(ran).toEqual([]);
    connection.take();
    expect(ran).toEqual(['a', 'b']);
    outbox.onDrain();
    expect(ran).toEqual(['a', 'b', 'c']);
  });

  test('a drain without an event is noticed', () => {
    const ran: string[] = [];
    write(10);
    outbox.whenDrained(() => ran.push('a'));
    connection.bufferedBytes = 0;
    jest.advanceTimersByTime(5_100);
    expect(ran).toEqual(['a']);
    expect(timers.size).toBe(0);
  });

  test('after stop nothing is watched, kept or reported', async () => {
    const ran: string[] = [];
    write(10);
    outbox.whenDrained(() => ran.push('a'));
    outbox.stop();
    outbox.whenDrained(() => ran.push('b'));
    write(2_000);
    outbox.watch(10);
    outbox.onDrain();
    await tick();
    expect(timers.size).toBe(0);
    expect(ran).toEqual([]);
    expect(verdicts).toEqual([]);
  });
});
