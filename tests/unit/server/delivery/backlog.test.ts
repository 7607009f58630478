import { beforeEach, describe, expect, test } from '@jest/globals';
import { Backlog, type BackloggedGroup, type BackloggedMessage } from '../../../../server/src/delivery/backlog.js';
import { SessionCounters } from '../../../../server/src/session/session-counters.js';
import { withDroppedHeader } from '../../../../server/src/delivery/message-encoder.js';
import { NO_LISTENER } from '../../../../server/src/transports/connection.js';
import { frameBytes, MemoryConnection } from '../../../support/memory-connection.js';
import { tick } from '../session/harness.js';

const MAX_BYTES = 10_000;

let connection: MemoryConnection;
let counters: SessionCounters;
let backlog: Backlog;
/** What the owner was told, and who came back. */
let told: string[];
beforeEach(() => {
  connection = new MemoryConnection();
  counters = new SessionCounters();
  told = [];
  const owner = { watch: () => void told.push('watch'), caughtUp: () => void told.push('caught up') };
  backlog = new Backlog(connection, MAX_BYTES, counters, owner);
  connection.listener = { ...NO_LISTENER, onDrain: () => backlog.onDrain() };
});

function group(policy: BackloggedGroup['policy'], key = 'g'): BackloggedGroup {
  return { key, policy };
}

/** A client that takes nothing has left the group. */
function enter(left: BackloggedGroup): void {
  connection.stall();
  connection.write(frameBytes('MESSAGE', { subscription: 'before' }, 'shared'));
  backlog.enter(left, () => void told.push(`back in ${left.key}`));
}

function late(body: string, key = 'a'): BackloggedMessage {
  const frame = frameBytes('MESSAGE', { subscription: key }, body);
  const toBytes = (dropped: number): Buffer => (dropped === 0 ? frame : withDroppedHeader(frame, dropped));
  return { key, byteLength: frame.length, toBytes };
}

/** What it was sent from the backlog: body, and what it was told. */
function seen(): string[] {
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
  test('keeps the order, writes nothing before the drain, then comes back', async () => {
    const left = group('drop-oldest');
    enter(left);
    for (const body of ['1', '2', '3']) backlog.keep(left, late(body));
    await tick();
    expect(seen()).toEqual([]);
    await drained();
    expect(seen()).toEqual(['1', '2', '3']);
    expect(connection.writes).toHaveLength(2);
    expect(told).toEqual(['back in g', 'caught up']);
    expect(counters.slowMembers).toBe(0);
  });

  test('beyond the bound the oldest go, and the next message says how many', async () => {
    const left = group('drop-oldest');
    enter(left);
    const body = 'x'.repeat(700);
    for (let i = 0; i < 100; i++) backlog.keep(left, late(`${i} ${body}`));
    await drained();
    const [first = '', ...rest] = seen();
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
    expect(seen()).toEqual([`${'x'.repeat(2 * MAX_BYTES)} after 1`]);
  });

  test('goes on at the next drain where the kernel has not taken all', async () => {
    const left = group('drop-oldest');
    enter(left);
    backlog.keep(left, late('1'));
    connection.take();
    connection.stall();
    await tick();
    expect(told).toEqual(['watch']);
    backlog.keep(left, late('2'));
    await tick();
    expect(seen()).toEqual(['1']);
    await drained();
    expect(seen()).toEqual(['1', '2']);
    expect(told.slice(1)).toEqual(['back in g', 'caught up']);
  });

  test('much is written in several turns, so that others have theirs', async () => {
    const owner = { watch() {}, caughtUp() {} };
    backlog = new Backlog(connection, 100 * MAX_BYTES, counters, owner);
    const left = group('drop-oldest');
    enter(left);
    for (let i = 0; i < 400; i++) backlog.keep(left, late(`${i} ${'x'.repeat(1_000)}`));
    await drained();
    expect(connection.writes).toHaveLength(2);
    expect(connection.writes[1]!.length).toBeLessThan(70_000);
    while (seen().length < 400) await tick();
    expect(seen().map((each) => Number(each.split(' ')[0]))).toEqual(Array.from({ length: 400 }, (_, i) => i));
  });
});

describe('latest', () => {
  test('keeps the newest of each destination, which says how many it stands for', async () => {
    const left = group('latest');
    enter(left);
    for (const body of ['a1', 'b1', 'a2', 'b2', 'a3', 'c1']) backlog.keep(left, late(body, body[0]));
    await drained();
    expect(seen()).toEqual(['b2 after 1', 'a3 after 2', 'c1']);
    expect(counters.dropped).toEqual({ 'drop-oldest': 0, latest: 3 });
  });

  test('is bounded, whatever the number of destinations', async () => {
    const left = group('latest');
    enter(left);
    for (let i = 0; i < 1_000; i++) backlog.keep(left, late(String(i), `key-${i}`));
    await drained();
    const dropped = counters.dropped.latest ?? 0;
    expect(dropped).toBeGreaterThan(900);
    expect(seen()[0]).toBe(`${dropped} after ${dropped}`);
    expect(seen()).toHaveLength(1_000 - dropped);
  });

  test('destinations of two groups are not one', async () => {
    const [one, other] = [group('latest', 'one'), group('latest', 'other')];
    for (const each of [one, other]) enter(each);
    backlog.keep(one, late('1'));
    backlog.keep(other, late('2'));
    await drained();
    expect(seen().slice(-2)).toEqual(['1', '2']);
    expect(told).toEqual(['back in one', 'back in other', 'caught up']);
  });
});

test('all groups of a client share the bound; one whose messages all went is told by its next message', async () => {
  const [one, other] = [group('drop-oldest', 'one'), group('drop-oldest', 'other')];
  for (const each of [one, other]) enter(each);
  backlog.keep(one, late('1'));
  for (let i = 0; i < 100; i++) backlog.keep(other, late('x'.repeat(500)));
  await drained();
  expect(told).toEqual(['back in other']);
  backlog.keep(one, late('2'));
  await tick();
  expect(seen().at(-1)).toBe('2 after 1');
  expect(told).toEqual(['back in other', 'back in one', 'caught up']);
  expect(counters.slowMembers).toBe(0);
});

test('who leaves a group has what waited for it, and what waits for others stays', async () => {
  const [one, other] = [group('drop-oldest', 'one'), group('drop-oldest', 'other')];
  for (const each of [one, other]) enter(each);
  backlog.keep(one, late('1'));
  backlog.keep(other, late('2'));
  backlog.keep(one, late('3'));
  backlog.leave(one);
  expect(seen().slice(1)).toEqual(['1', '3']);
  await drained();
  expect(seen().slice(1)).toEqual(['1', '3', '2']);
  expect(told.slice(1)).toEqual(['back in other', 'caught up']);
});

test('after stop nothing is kept, written or told', async () => {
  const left = group('drop-oldest');
  enter(left);
  backlog.keep(left, late('1'));
  backlog.stop();
  backlog.keep(left, late('2'));
  await drained();
  expect(seen()).toEqual([]);
  expect(told).toEqual([]);
  expect(counters.slowMembers).toBe(0);
});
