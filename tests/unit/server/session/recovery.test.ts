/** Subscriptions with a history: verdicts, replays, gaps, positions and counts. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Decision } from '../../../support/decision.js';
import type { MemoryConnection, MemoryConnectionOptions } from '../../../support/memory-connection.js';
import { ScriptedFeed } from '../../../support/scripted-feed.js';
import { Harness, pass, tick, useFakeTime } from './harness.js';
import type { HarnessOptions } from './harness.js';

let harness: Harness;
let feed: ScriptedFeed;
beforeEach(() => {
  useFakeTime();
  stage();
});
afterEach(async () => {
  expect(await harness.leftovers()).toEqual([]);
  expect([feed.listening.size, feed.openReplays.size, harness.catchUps.heldBytes]).toEqual([0, 0, 0]);
  jest.useRealTimers();
});

function stage(options?: HarnessOptions): void {
  harness = new Harness(options);
  feed = new ScriptedFeed();
  harness.broker.historyOf = ({ kind, text }) =>
    kind === 'exchange' || text.startsWith('/topic/plain') ? undefined : feed;
}

const SDK = { 'relay-extensions': 'recovery,soft-errors' };

async function subscribe(
  client: MemoryConnection,
  since?: string,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const headers = since === undefined ? more : { 'relay-since': since, ...more };
  client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a', receipt: 'r', ...headers });
  await ticks();
}

/** Replays take a turn for each chunk. */
async function ticks(count = 12): Promise<void> {
  for (let i = 0; i < count; i++) await tick();
}

const append = (...bodies: string[]): void => bodies.forEach((body) => void feed.append('a', body));

/** Each new frame: its body or command, with its headers about the history. */
function fresh(client: MemoryConnection): string[] {
  return client.fresh().map(({ command, headers, body }) => {
    const marks = Object.entries(headers)
      .filter(([name]) => name.startsWith('relay-') || name === 'from-position' || name === 'for-subscription')
      .map(([name, value]) => `${name.replace('relay-', '')}:${value}`);
    const isNotice = headers['subscription'] === 'relay';
    const name = command === 'MESSAGE' ? (isNotice ? headers['destination'] : body.toString()) : command;
    return [name, ...(headers['code'] === undefined ? [] : [headers['code']]), ...marks].join(' ');
  });
}

async function connected(headers = {}, options?: MemoryConnectionOptions): Promise<MemoryConnection> {
  return harness.connect(headers, options);
}

describe('RECEIPT of SUBSCRIBE', () => {
  test.each([
    ['without a position', undefined],
    ['with now', 'now'],
  ])('%s has the position at which deliveries begin', async (_, since) => {
    const client = await connected();
    append('1');
    await subscribe(client, since);
    append('2');
    await tick();
    expect(fresh(client)).toEqual(['RECEIPT position:p1', '2 position:p2']);
    expect(client.frames.at(-1)?.headers['message-id']).toBe('htest-2');
    expect(feed.asked).toEqual([]);
  });

  test('promises what was missed, and comes before it', async () => {
    const client = await connected();
    append('1', '2', '3', '4', '5');
    await subscribe(client, 'p1');
    append('6');
    await tick();
    expect(fresh(client)).toEqual([
      'RECEIPT position:p1 recovered:true replayed:4',
      '2 position:p2 replayed:true',
      '3 position:p3 replayed:true',
      '4 position:p4 replayed:true',
      '5 position:p5 replayed:true',
      '6 position:p6',
    ]);
    expect(client.frames.map(({ headers }) => headers['message-id'])).toContain('htest-3');
  });

  test('with nothing to replay has the newest position', async () => {
    const client = await connected();
    append('1');
    feed.append('other', 'x');
    await subscribe(client, 'p1');
    append('3');
    await tick();
    expect(fresh(client)).toEqual(['RECEIPT position:p2 recovered:true replayed:0', '3 position:p3']);
  });

  test.each([
    ['too-old', 'p0'],
    ['other-history', 'p0'],
    ['busy', 'p0'],
  ] as const)('has the reason %s, and nothing is replayed', async (reason, since) => {
    const client = await connected();
    append('1', '2');
    feed.refusal = reason;
    await subscribe(client, since);
    append('3');
    await tick();
    expect(fresh(client)).toEqual([`RECEIPT position:p2 recovered:false reason:${reason}`, '3 position:p3']);
  });

  test.each(['', 'x', 'p1x', '0.0.0.0', 'NOW', 'ü'])('refuses the position %j without an error', async (since) => {
    const client = await connected();
    await subscribe(client, since);
    expect(fresh(client)).toEqual(['RECEIPT position:p0 recovered:false reason:unknown-position']);
  });

  test.each([
    ['acks', { ack: 'client' }],
    ['a durable queue', { durable: 'true', 'auto-delete': 'false' }],
    ['no rule', { destination: '/topic/plain' }],
    ['an exchange', { destination: '/exchange/amq.topic/a' }],
  ])('of a subscription with %s is not recoverable, if a position was given', async (_, headers) => {
    const client = await connected({ login: 'ann' });
    await subscribe(client, 'p0', headers);
    await subscribe(client, 'now', { ...headers, id: 't' });
    await subscribe(client, undefined, { ...headers, id: 'u' });
    expect(fresh(client)).toEqual(['RECEIPT recovered:false reason:not-recoverable', 'RECEIPT', 'RECEIPT']);
  });

  test('frames behind SUBSCRIBE wait for the verdict, and not for the replay', async () => {
    const client = await connected();
    feed.from = 'reader';
    feed.hold = new Decision();
    append('1', '2');
    await subscribe(client, 'p1');
    client.sendFrame('SEND', { destination: '/topic/x', receipt: 'sent' }, 'x');
    await tick();
    expect(fresh(client)).toEqual([]);
    feed.hold.grant();
    await ticks();
    expect(fresh(client)).toEqual(['RECEIPT position:p1 recovered:true', 'RECEIPT']);
    feed.read();
    await ticks();
    expect(fresh(client)).toEqual(['2 position:p2 replayed:true']);
  });

  test('relay-history is refused', async () => {
    const client = await connected(SDK);
    await subscribe(client, undefined, { 'relay-history': '5' });
    expect(fresh(client)).toEqual(['/relay/errors not-supported']);
    await subscribe(client, 'now');
    expect(fresh(client)).toEqual(['RECEIPT position:p0']);
  });
});

describe('a replay', () => {
  test('by a reader ends with its count, for clients with the extension', async () => {
    const [client, plain] = [await connected(SDK), await connected()];
    feed.from = 'reader';
    append('1', '2', '3');
    await subscribe(client, 'p1');
    await subscribe(plain, 'p1');
    feed.read();
    await ticks();
    const messages = ['2 position:p2 replayed:true', '3 position:p3 replayed:true'];
    expect(fresh(client)).toEqual([
      'RECEIPT position:p1 recovered:true',
      ...messages,
      '/relay/caught-up for-subscription:s position:p3 replayed:2',
    ]);
    expect(fresh(plain)).toEqual(['RECEIPT position:p1 recovered:true', ...messages]);
  });

  test('has the same bytes for all clients at the same place', async () => {
    append('1', '2', '3', '4', '5');
    const clients = [await connected(), await connected(), await connected()];
    for (const client of clients)
      client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a', 'relay-since': 'p1' });
    await ticks();
    const [first, ...others] = clients.map(({ writes }) => writes.slice(-2));
    for (const other of others) expect(other.every((bytes, index) => bytes === first![index])).toBe(true);
    expect(first).toHaveLength(2);
  });

  test('goes on when the client has taken the last chunk', async () => {
    const client = await connected();
    append('1', '2', '3', '4', '5');
    client.stall();
    await subscribe(client, 'p0');
    append('6');
    expect(fresh(client)).toEqual(['RECEIPT position:p0 recovered:true replayed:5']);
    client.take();
    client.stall();
    await ticks();
    expect(fresh(client).map((each) => each[0])).toEqual(['1', '2', '3']);
    expect(harness.catchUps.heldBytes).toBeGreaterThan(0);
    append('7');
    client.take();
    await ticks();
    append('8');
    await ticks();
    expect(fresh(client).map((each) => each[0])).toEqual(['4', '5', '6', '7', '8']);
  });

  test('waits for room when the others have been sent too much', async () => {
    stage({ recovery: { chunksMaxBytes: 1 } });
    append('1', '2', '3', '4', '5');
    const [one, other] = [await connected(), await connected()];
    await subscribe(one, 'now', { id: 'x' });
    one.stall();
    await subscribe(one, 'p0');
    one.take();
    one.stall();
    await ticks();
    await subscribe(other, 'p0');
    expect(fresh(other)).toEqual(['RECEIPT position:p0 recovered:true replayed:5']);
    one.take();
    await ticks();
    expect(fresh(other).map((each) => each[0])).toEqual(['1', '2', '3', '4', '5']);
  });

  test.each<[string, (client: MemoryConnection) => void]>([
    ['UNSUBSCRIBE', (client) => client.sendFrame('UNSUBSCRIBE', { id: 's', receipt: 'left' })],
    ['DISCONNECT', (client) => client.sendFrame('DISCONNECT', { receipt: 'left' })],
  ])('ends with %s, whose RECEIPT follows what was written', async (_, leave) => {
    const client = await connected();
    append('1', '2', '3', '4');
    client.stall();
    await subscribe(client, 'p0');
    client.take();
    client.stall();
    await ticks(1);
    leave(client);
    await ticks();
    client.take();
    append('5');
    await ticks();
    expect(fresh(client).map((each) => each.split(' ')[0])).toEqual(['RECEIPT', '1', '2', '3', 'RECEIPT']);
    expect(feed.openReplays.size).toBe(0);
  });

  test('ends with the connection, also while the verdict is pending', async () => {
    feed.hold = new Decision();
    append('1');
    const [pending, reading] = [await connected(), await connected()];
    pending.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a', 'relay-since': 'p0' });
    await tick();
    pending.vanish();
    feed.hold.grant();
    await ticks();
    feed.hold = undefined;
    feed.from = 'reader';
    await subscribe(reading, 'p0');
    expect(feed.openReplays.size).toBe(1);
    reading.vanish();
    expect(feed.openReplays.size).toBe(0);
  });

  test('that cannot be completed ends the subscription', async () => {
    const [soft, plain] = [await connected(SDK), await connected()];
    feed.from = 'reader';
    append('1', '2');
    await subscribe(soft, 'p0');
    await subscribe(plain, 'p0');
    for (const replay of [...feed.openReplays]) replay.ready('too-old');
    await ticks();
    expect(fresh(soft).at(-1)).toBe('/relay/errors replay-interrupted');
    expect(fresh(plain).at(-1)).toBe('ERROR replay-interrupted');
    expect(plain.closed?.code).toBe(4412);
    feed.from = 'ring';
    await subscribe(soft, 'p1');
    expect(fresh(soft)).toEqual(['RECEIPT position:p1 recovered:true replayed:1', '2 position:p2 replayed:true']);
  });

  test('ends with the subscription at the broker', async () => {
    const client = await connected(SDK);
    feed.from = 'reader';
    append('1');
    await subscribe(client, 'p0');
    feed.end();
    await ticks();
    expect(fresh(client).at(-1)).toBe('/relay/errors subscription-ended');
  });

  test('leaves out messages for other sessions', async () => {
    const client = await connected({ login: 'ann', ...SDK });
    feed.append('ann.in', '1');
    feed.append('ann.in', '2', { toSession: client.id });
    feed.append('ann.in', '3', { toSession: 'other' });
    feed.append('ann.in', '4');
    await subscribe(client, 'p0', { destination: '/user/queue/in' });
    expect(fresh(client)).toEqual([
      'RECEIPT position:p0 recovered:true',
      '1 position:p1 replayed:true',
      '2 position:p2 replayed:true',
      '4 position:p4 replayed:true',
      '/relay/caught-up for-subscription:s position:p4 replayed:3',
    ]);
  });

  test('reports messages that are too large with the next one', async () => {
    const client = await connected();
    append('1', 'x'.repeat(60_000), '3', 'y'.repeat(60_000));
    await subscribe(client, 'p0');
    append('5');
    await tick();
    expect(fresh(client).slice(1)).toEqual([
      '1 position:p1 replayed:true',
      '3 dropped:1 position:p3 replayed:true',
      '5 dropped:1 position:p5',
    ]);
    expect(harness.counters.messagesTooLarge).toBe(2);
  });
});

describe('a slow client', () => {
  const BODY = 'x'.repeat(3_000);

  async function stalled(headers = {}): Promise<MemoryConnection> {
    const client = await connected(headers);
    await subscribe(client);
    client.fresh();
    client.stall();
    return client;
  }

  async function appendMany(from: number, to: number): Promise<void> {
    for (let number = from; number <= to; number++) {
      append(`${number} ${BODY}`);
      await tick();
    }
  }

  const numbers = (client: MemoryConnection): number[] =>
    client
      .fresh()
      .filter(({ headers }) => headers['subscription'] === 's')
      .map(({ body }) => parseInt(body.toString(), 10));

  test('goes on from the history when it reads again, and nothing is kept for it', async () => {
    const client = await stalled(SDK);
    const reading = await connected();
    await subscribe(reading);
    await appendMany(1, 30);
    expect(client.bufferedBytes).toBeLessThan(10_000);
    expect(numbers(client)).toEqual([1, 2]);
    client.take();
    await ticks(40);
    await appendMany(31, 32);
    expect(numbers(client)).toEqual(Array.from({ length: 30 }, (_, index) => index + 3));
    expect(numbers(reading)).toHaveLength(32);
    client.sendFrame('SEND', { destination: '/relay/check', 'for-subscription': 's' });
    await tick();
    expect(fresh(client)).toEqual(['/relay/check for-subscription:s delivered:32 position:p32']);
  });

  test('is ended if the history has moved past it', async () => {
    const client = await stalled();
    await appendMany(1, 5);
    feed.refusal = 'too-old';
    client.take();
    await ticks();
    expect(fresh(client).at(-1)).toBe('ERROR slow-consumer');
    expect(client.closed?.code).toBe(4409);
  });

  test('may leave before it reads', async () => {
    const client = await stalled();
    await appendMany(1, 5);
    client.sendFrame('UNSUBSCRIBE', { id: 's', receipt: 'left' });
    await tick();
    client.take();
    await ticks();
    expect(fresh(client).at(-1)).toBe('RECEIPT');
    expect(feed.asked).toEqual([]);
  });
});

describe('a gap', () => {
  test('is reported in order: at once with the extension, otherwise with the next message', async () => {
    const [sdk, plain] = [await connected(SDK), await connected()];
    for (const client of [sdk, plain]) await subscribe(client);
    for (const client of [sdk, plain]) client.fresh();
    append('1');
    feed.gap('p1', 'p9');
    append('2');
    await tick();
    append('3');
    await tick();
    expect(fresh(sdk)).toEqual([
      '1 position:p1',
      '/relay/gap from-position:p1 position:p9 reason:other-history'.replace('from', 'for-subscription:s from'),
      '2 position:p2',
      '3 position:p3',
    ]);
    expect(fresh(plain)).toEqual(['1 position:p1', '2 gap:true position:p2', '3 position:p3']);
  });

  test('is not reported to a client that subscribes behind it', async () => {
    const [before, after] = [await connected(), await connected()];
    await subscribe(before);
    feed.gap('p0', 'p0');
    await subscribe(after);
    append('1');
    await tick();
    expect([fresh(before).at(-1), fresh(after).at(-1)]).toEqual(['1 gap:true position:p1', '1 position:p1']);
  });

  test('interrupts a replay, which never continues past it', async () => {
    const client = await connected(SDK);
    feed.from = 'reader';
    append('1', '2');
    await subscribe(client, 'p0');
    feed.gap('p2', 'p2');
    await ticks();
    expect(fresh(client).at(-1)).toBe('/relay/errors replay-interrupted');
  });

  test.each([
    [
      'the extension',
      SDK,
      ['/relay/gap for-subscription:s from-position:p1 position:p1 reason:other-history', '4 dropped:2 position:p4'],
    ],
    ['none', {}, ['4 dropped:2 gap:true position:p4']],
  ])('reaches a slow client whose messages are left out, with %s', async (_, headers, expected) => {
    stage({ slowConsumers: [{ match: '/topic/a', policy: 'latest' }] });
    const client = await connected(headers);
    await subscribe(client);
    client.stall();
    append('1');
    await tick();
    feed.gap('p1', 'p1');
    append('2', '3', '4');
    await tick();
    client.take();
    await ticks();
    expect(
      fresh(client)
        .slice(2)
        .map((each) => each.replace('gap:true dropped:2', 'dropped:2 gap:true')),
    ).toEqual(expected);
  });
});

describe('/relay/position', () => {
  test('comes on a quiet subscription when the history has moved, as one buffer for all', async () => {
    const clients = [
      await connected({ ...SDK, 'heart-beat': '0,0' }),
      await connected({ ...SDK, 'heart-beat': '0,0' }),
    ];
    const plain = await connected();
    for (const client of [...clients, plain]) await subscribe(client);
    for (const client of [...clients, plain]) client.fresh();
    await pass(31_000);
    expect(clients.flatMap(fresh)).toEqual([]);
    feed.append('other', 'x');
    await pass(31_000);
    await tick();
    for (const client of clients) expect(fresh(client)).toEqual(['/relay/position for-subscription:s position:p1']);
    expect(clients[0]!.writes.at(-1)).toBe(clients[1]!.writes.at(-1));
    expect(fresh(plain)).toEqual([]);
    append('2');
    feed.append('other', 'x');
    await pass(31_000);
    await tick();
    expect(fresh(clients[0]!)).toEqual(['2 position:p2']);
  });
});

describe('/relay/check', () => {
  async function check(client: MemoryConnection, id = 's'): Promise<string[]> {
    client.sendFrame('SEND', { destination: '/relay/check', 'for-subscription': id, receipt: 'checked' });
    await tick();
    return fresh(client);
  }

  test('counts replayed and live messages, up to its answer', async () => {
    const [client, older] = [await connected(SDK), await connected(SDK)];
    append('1', '2', '3');
    await subscribe(older);
    await subscribe(client, 'p1');
    append('4');
    client.sendFrame('SEND', { destination: '/relay/check', 'for-subscription': 's' });
    append('5');
    await tick();
    expect(fresh(client).slice(3)).toEqual([
      '4 position:p4',
      '/relay/check for-subscription:s delivered:3 position:p4',
      '5 position:p5',
    ]);
    expect((await check(older)).slice(-2)).toEqual([
      '/relay/check for-subscription:s delivered:2 position:p5',
      'RECEIPT',
    ]);
  });

  test('a second one waits, so that a client cannot keep the group from gathering messages', async () => {
    const client = await connected(SDK);
    await subscribe(client);
    expect((await check(client)).slice(-2)).toEqual([
      '/relay/check for-subscription:s delivered:0 position:p0',
      'RECEIPT',
    ]);
    expect(await check(client)).toEqual([]);
    await pass(150);
    expect(fresh(client)).toEqual(['/relay/check for-subscription:s delivered:0 position:p0', 'RECEIPT']);
  });

  test('counts what a client in a replay, or a slow one, was sent', async () => {
    stage({ slowConsumers: [{ match: '/topic/a', policy: 'latest' }] });
    const client = await connected(SDK);
    feed.from = 'reader';
    append('1', '2');
    await subscribe(client, 'p0');
    expect((await check(client)).slice(-2)).toEqual([
      '/relay/check for-subscription:s delivered:0 position:p0',
      'RECEIPT',
    ]);
    feed.read();
    await ticks();
    await pass(150); // the pace of checks
    client.stall();
    append('3');
    await tick();
    append('4', '5');
    await tick();
    expect((await check(client)).slice(-2)).toEqual([
      '/relay/check for-subscription:s delivered:3 position:p3',
      'RECEIPT',
    ]);
    client.take();
    await ticks();
    await pass(150);
    append('6');
    expect((await check(client)).slice(-2)).toEqual([
      '/relay/check for-subscription:s delivered:5 position:p6',
      'RECEIPT',
    ]);
  });

  test.each([
    ['of an unknown subscription', 'x', 'unknown-subscription'],
    ['of one without a history', 'plain', 'not-supported'],
  ])('%s is refused', async (_, id, code) => {
    const client = await connected(SDK);
    await subscribe(client, undefined, { id: 'plain', destination: '/topic/plain' });
    client.fresh();
    expect(await check(client, id)).toEqual([`/relay/errors ${code}`]);
  });
});
