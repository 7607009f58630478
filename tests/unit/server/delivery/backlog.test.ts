import { beforeEach, describe, expect, test } from '@jest/globals';
import { Backlog } from '../../../../server/src/delivery/backlog.js';
import type { BackloggedGroup, BackloggedMessage } from '../../../../server/src/delivery/backlog.js';
import { withDroppedHeader } from '../../../../server/src/delivery/single-frame.js';
import { SessionCounters } from '../../../../server/src/session/session-counters.js';
import { NO_LISTENER } from '../../../../server/src/transports/connection.js';
import { frameBytes, MemoryConnection } from '../../../support/memory-connection.js';
import { tick } from '../session/harness.js';

const MAX_BYTES = 10_000;

let connection: MemoryConnection;
let counters: SessionCounters;
let backlog: Backlog;
/** Calls of the owner, and groups that were rejoined. */
let events: string[];
beforeEach(() => {
  connection = new MemoryConnection();
  counters = new SessionCounters();
  events = [];
  const owner = { watch: () => void events.push('watch'), caughtUp: () => void events.push('caught up') };
  backlog = new Backlog(connection, MAX_BYTES, counters, owner);
  connection.listener = { ...NO_LISTENER, onDrain: () => backlog.onDrain() };
});

function group(policy: BackloggedGroup['policy'], key = 'g'): BackloggedGroup {
  return { key, policy };
}

/** A client that reads nothing leaves the group. */
function enter(left: BackloggedGroup): void {
  connection.stall();
  connection.write(frameBytes('MESSAGE', { subscription: 'before' }, 'shared'));
  backlog.enter(left, { rejoin: () => void events.push(`back in ${left.key}`) });
}

function late(body: string, key = 'a'): BackloggedMessage {
  const frame = frameBytes('MESSAGE', { subscription: key }, body);
  const toBytes = (dropped: number): Buffer => (dropped === 0 ? frame : withDroppedHeader(frame, dropped));
  return { key, byteLength: frame.length, toBytes };
}

/** The written bodies of the backlog, with `relay-dropped`. */
function written(): string[] {
  return connection.frames.slice(1).map(({ body, headers }) => {
    const dropped = headers['relay-dropped'];
    return dropped === undefined ? body.toString() : `${body.toString()} after ${dropped}`;
  });
}

async function drained(): Promise<void> {
  connection.take();
  await tick();
}

describe('drop-oldest', () => {
  test('keeps the order, writes nothing before the drain, then rejoins the group', async () => {
    const left = group('drop-oldest');
    enter(left);
    for (const body of ['1', '2', '3']) backlog.keep(left, late(body));
    await tick();
    expect(written()).toEqual([]);
    await drained();
    expect(written()).toEqual(['1', '2', '3']);
    expect(connection.writes).toHaveLength(2);
    expect(events).toEqual(['back in g', 'caught up']);
    expect(counters.slowMembers).toBe(0);
  });

  test('beyond the limit the oldest are dropped, and the next message reports their number', async () => {
    const left = group('drop-oldest');
    enter(left);
    const body = 'x'.repeat(700);
    for (let i = 0; i < 100; i++) backlog.keep(left, late(`${i} ${body}`));
    await drained();
    const [first = '', ...rest] = written();
    const dropped = counters.dropped['drop-oldest'] ?? 0;
    expect(first).toMatch(new RegExp(`^${dropped} x+ after ${dropped}$`));
    expect(rest.map((each) => Number(each.split(' ')[0]))).toEqual(
      Array.from({ length: 99 - dropped }, (_, i) => dropped + 1 + i),
    );
    expect(rest.some((each) => each.includes('after'))).toBe(false);
    expect(100 - dropped).toBe(Math.floor(MAX_BYTES / (256 + late(`10 ${body}`).byteLength)));
  });

  test('the newest stays, however large it is', async () => {
    const left = group('drop-oldest');
    enter(left);
    backlog.keep(left, late('small'));
    backlog.keep(left, late('x'.repeat(2 * MAX_BYTES)));
    await drained();
    expect(written()).toEqual([`${'x'.repeat(2 * MAX_BYTES)} after 1`]);
  });

  test('continues at the next drain if the kernel has not taken everything', async () => {
    const left = group('drop-oldest');
    enter(left);
    backlog.keep(left, late('1'));
    connection.take();
    connection.stall();
    await tick();
    expect(events).toEqual(['watch']);
    backlog.keep(left, late('2'));
    await tick();
    expect(written()).toEqual(['1']);
    await drained();
    expect(written()).toEqual(['1', '2']);
    expect(events.slice(1)).toEqual(['back in g', 'caught up']);
  });

  test('a large backlog is written in several turns of the event loop', async () => {
    const owner = { watch() {}, caughtUp() {} };
    backlog = new Backlog(connection, 100 * MAX_BYTES, counters, owner);
    const left = group('drop-oldest');
    enter(left);
    for (let i = 0; i < 400; i++) backlog.keep(left, late(`${i} ${'x'.repeat(1_000)}`));
    await drained();
    expect(connection.writes).toHaveLength(2);
    expect(connection.writes[1]!.length).toBeLessThan(70_000);
    while (written().length < 400) await tick();
    expect(written().map((each) => Number(each.split(' ')[0]))).toEqual(Array.from({ length: 400 }, (_, i) => i));
  });
});

describe('latest', () => {
  test('keeps the newest message of each destination, with the number of replaced ones', async () => {
    const left = group('latest');
    enter(left);
    for (const body of ['a1', 'b1', 'a2', 'b2', 'a3', 'c1']) backlog.keep(left, late(body, body[0]));
    await drained();
    expect(written()).toEqual(['b2 after 1', 'a3 after 2', 'c1']);
    expect(counters.dropped).toEqual({ 'drop-oldest': 0, latest: 3 });
  });

  test('is bounded for any number of destinations', async () => {
    const left = group('latest');
    enter(left);
    for (let i = 0; i < 1_000; i++) backlog.keep(left, late(String(i), `key-${i}`));
    await drained();
    const dropped = counters.dropped.latest ?? 0;
    expect(dropped).toBeGreaterThan(900);
    expect(written()[0]).toBe(`${dropped} after ${dropped}`);
    expect(written()).toHaveLength(1_000 - dropped);
  });

  test('equal destinations of two groups are separate', async () => {
    const [one, other] = [group('latest', 'one'), group('latest', 'other')];
    for (const each of [one, other]) enter(each);
    backlog.keep(one, late('1'));
    backlog.keep(other, late('2'));
    await drained();
    expect(written().slice(-2)).toEqual(['1', '2']);
    expect(events).toEqual(['back in one', 'back in other', 'caught up']);
  });
});

test('all groups of a client share the limit; the next message of a group without messages reports the drops', async () => {
  const [one, other] = [group('drop-oldest', 'one'), group('drop-oldest', 'other')];
  for (const each of [one, other]) enter(each);
  backlog.keep(one, late('1'));
  for (let i = 0; i < 100; i++) backlog.keep(other, late('x'.repeat(500)));
  await drained();
  expect(events).toEqual(['back in other']);
  backlog.keep(one, late('2'));
  await tick();
  expect(written().at(-1)).toBe('2 after 1');
  expect(events).toEqual(['back in other', 'back in one', 'caught up']);
  expect(counters.slowMembers).toBe(0);
});

test('a client that leaves a group gets the waiting messages of that group only', async () => {
  const [one, other] = [group('drop-oldest', 'one'), group('drop-oldest', 'other')];
  for (const each of [one, other]) enter(each);
  backlog.keep(one, late('1'));
  backlog.keep(other, late('2'));
  backlog.keep(one, late('3'));
  backlog.leave(one);
  expect(written().slice(1)).toEqual(['1', '3']);
  await drained();
  expect(written().slice(1)).toEqual(['1', '3', '2']);
  expect(events.slice(1)).toEqual(['back in other', 'caught up']);
});

test('after stop nothing is kept, written or reported', async () => {
  const left = group('drop-oldest');
  enter(left);
  backlog.keep(left, late('1'));
  backlog.stop();
  backlog.keep(left, late('2'));
  await drained();
  expect(written()).toEqual([]);
  expect(events).toEqual([]);
  expect(counters.slowMembers).toBe(0);
});
