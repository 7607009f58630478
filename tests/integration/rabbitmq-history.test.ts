/** The log of a history rule on a real RabbitMQ: one order for all relays, and what happens to the stream. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import { eventually } from '../support/deadline.js';
import { DEADLINE_MS } from '../support/rabbitmq-brokers.js';
import { makeHistory, uniqueRule } from '../support/rabbitmq-histories.js';
import type { TestHistory } from '../support/rabbitmq-histories.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const MIB = 1024 * 1024;

let vhost: Vhost;
let proxy: TcpProxy;
let backend: amqp.ChannelModel;
let publisher: amqp.ConfirmChannel;
const open: TestHistory[] = [];

beforeAll(async () => {
  vhost = await createVhost();
  proxy = await TcpProxy.start(vhost.amqpUrl);
  backend = await amqp.connect(vhost.amqpUrl);
  publisher = await backend.createConfirmChannel();
}, 60_000);
afterEach(async () => {
  proxy.restore();
  await Promise.all(open.splice(0).map((history) => history.close()));
}, 60_000);
afterAll(async () => {
  await backend.close();
  await proxy.close();
  await vhost.delete();
});

type Rest = Parameters<typeof makeHistory> extends [string, ...infer R] ? R : never;

function history(...args: Rest): TestHistory {
  return kept(makeHistory(vhost.amqpUrl, ...args));
}

/** Behind the proxy. */
function cuttable(...args: Rest): TestHistory {
  return kept(makeHistory(proxy.url(vhost.amqpUrl), ...args));
}

function kept(made: TestHistory): TestHistory {
  open.push(made);
  return made;
}

async function publish(key: string, ...bodies: string[]): Promise<void> {
  for (const body of bodies) publisher.publish('amq.topic', key, Buffer.from(body));
  await publisher.waitForConfirms();
}

/** Publishes 10 MB, in parts. */
async function fill(published: (last: string) => Promise<void> = () => Promise.resolve()): Promise<void> {
  for (let part = 0; part < 20; part++) {
    const bodies = numbered('x'.repeat(50_000) + `${part}-`, 10);
    await publish('prices.eur', ...bodies);
    await published(bodies.at(-1)!);
  }
}

const numbered = (prefix: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${prefix}${n}`);

test('two relays get all entries with the same offsets, from the warm-up on', async () => {
  const rule = uniqueRule();
  const [one, two] = [history(rule), history(rule)];
  await one.open();
  await publish('prices.eur', ...numbered('a', 300));
  await two.open();
  expect(two.sink.events).toEqual(numbered('a', 300));
  await publish('prices.usd', ...numbered('b', 300));
  await publish('other', 'no');
  await two.log.mark('end');
  await Promise.all([one.sink.hasMarker('end'), two.sink.hasMarker('end')]);
  expect(one.sink.events).toEqual([...numbered('a', 300), ...numbered('b', 300)]);
  expect(two.sink.events).toEqual(one.sink.events);
  const places = ({ sink }: TestHistory) => sink.entries.map(({ offset, key, marker }) => [offset, key, marker]);
  expect(places(two)).toEqual(places(one));
  expect(one.sink.entries.find(({ message }) => message)?.message?.headers.has('x-stream-offset')).toBe(false);
});

test('a cut connection: the log continues behind its last entry, without loss or copy', async () => {
  const rule = uniqueRule();
  const one = cuttable(rule);
  await one.open();
  await publish('prices.eur', ...numbered('a', 50));
  await one.sink.has('a49');
  for (const round of [0, 1, 2]) {
    if (round === 1) proxy.reset();
    else proxy.cut();
    await publish('prices.eur', ...numbered(`b${round}-`, 50));
    proxy.restore();
    await publish('prices.eur', ...numbered(`c${round}-`, 50));
    await one.sink.has(`c${round}-49`);
  }
  const rounds = [0, 1, 2].flatMap((round) => [...numbered(`b${round}-`, 50), ...numbered(`c${round}-`, 50)]);
  expect(one.sink.events).toEqual([...numbered('a', 50), ...rounds]);
});

test('reopen: the same', async () => {
  const one = history(uniqueRule());
  await one.open();
  await publish('prices.eur', ...numbered('a', 50));
  one.log.reopen();
  await publish('prices.eur', ...numbered('b', 50));
  await one.sink.has('b49');
  expect(one.sink.events).toEqual([...numbered('a', 50), ...numbered('b', 50)]);
});

test('a stream that is deleted while it is used is made again, after a reset', async () => {
  const rule = uniqueRule();
  const one = history(rule);
  await one.open();
  await publish('prices.eur', 'before');
  await one.sink.has('before');
  const channel = await backend.createChannel();
  await channel.deleteQueue(`stomp-relay.history.${rule.name}`);
  await one.sink.has('reset other-history');
  await publish('prices.eur', 'after');
  await one.sink.has('after');
  expect(one.sink.events).toEqual(['before', 'reset other-history', 'after']);
  await channel.close();
});

test.each(['shorter', 'as long'])(
  'a stream that was made again during a cut, and is %s now, is another history',
  async (how) => {
    const rule = uniqueRule();
    const one = cuttable(rule);
    await one.open();
    await publish('prices.eur', ...numbered('a', 20));
    await one.sink.has('a19');
    proxy.cut();
    const name = `stomp-relay.history.${rule.name}`;
    const channel = await backend.createChannel();
    await channel.deleteQueue(name);
    await channel.assertQueue(name, { arguments: { 'x-queue-type': 'stream' } });
    await channel.bindQueue(name, 'amq.topic', 'prices.#');
    await publish('prices.eur', ...numbered('b', how === 'shorter' ? 3 : 100));
    proxy.restore();
    await one.sink.has('reset other-history', 20_000);
    await publish('prices.eur', 'c');
    await one.sink.has('c');
    const after = one.sink.events.slice(one.sink.events.indexOf('reset other-history'));
    expect(after).toEqual(['reset other-history', ...numbered('b', how === 'shorter' ? 3 : 100), 'c']);
    expect(one.lines.lines.some((line) => line.includes('exists with other limits'))).toBe(true);
    await channel.close();
  },
  60_000,
);

test('a binding that disappears without notice comes back', async () => {
  const rule = uniqueRule({ match: '/topic/rebound.#' });
  const one = history(rule);
  await one.open();
  const channel = await backend.createChannel();
  await channel.unbindQueue(`stomp-relay.history.${rule.name}`, 'amq.topic', 'rebound.#');
  await eventually(
    async () => {
      await publish('rebound.x', 'again');
      return one.sink.events.includes('again') ? true : undefined;
    },
    DEADLINE_MS,
    () => 'nothing arrives',
  );
  await channel.close();
}, 30_000);

test('only relays can write markers', async () => {
  const rule = uniqueRule();
  const one = history(rule);
  await one.open();
  publisher.publish('amq.topic', 'prices.eur', Buffer.from('forged'), { headers: { 'relay-history-marker': 'm1' } });
  await publisher.waitForConfirms();
  await one.log.mark('m2');
  await one.sink.hasMarker('m2');
  expect(one.sink.entries.some(({ marker }) => marker === 'm1')).toBe(false);
  expect(one.sink.events).toEqual(['forged']);
});

test('a message for all users of a name', async () => {
  const rule = uniqueRule({ match: '/user/queue/inbox' });
  const one = history(rule);
  await one.open();
  publisher.publish('stomp-relay.user', 'inbox.ada', Buffer.from('1'));
  publisher.publish('stomp-relay.user', 'inbox.ada.lovelace', Buffer.from('2'));
  publisher.publish('stomp-relay.user', 'other.ada', Buffer.from('3'));
  await publisher.waitForConfirms();
  await one.log.mark('end');
  await one.sink.hasMarker('end');
  expect(one.sink.events).toEqual(['1', '2']);
});

test('a read gets everything from its offset on, and ends as the caller asks', async () => {
  const one = history(uniqueRule());
  await one.open();
  await publish('prices.eur', ...numbered('a', 2_000));
  await one.sink.has('a1999');
  const { offset } = one.sink.entries.find(({ message }) => message?.body.toString() === 'a100')!;
  const isLast = (body: string) => (entry: { message: { body: Buffer } | undefined }) =>
    entry.message?.body.toString() === body;
  const all = await Promise.all([
    one.read(offset, isLast('a1999')),
    one.read(offset + 10, isLast('a500')),
    one.read(offset + 900, isLast('a1000')),
  ]);
  expect(all.map(({ end }) => end)).toEqual(['stopped', 'stopped', 'stopped']);
  const bodiesOf = (index: number) => all[index]!.entries.map(({ message }) => message?.body.toString());
  expect(bodiesOf(0)).toEqual(numbered('a', 2_000).slice(100));
  expect(bodiesOf(1)).toEqual(numbered('a', 2_000).slice(110, 501));
  expect(bodiesOf(2)).toEqual(['a1000']);
  expect(one.readers.count).toBe(0);
  const abort = new AbortController();
  const waiting = one.read(offset + 5_000, () => true, abort.signal);
  abort.abort();
  expect(await waiting).toEqual({ entries: [], end: 'stopped' });
});

test('a read of what retention has removed is too old, and one of a missing stream gone', async () => {
  const rule = uniqueRule({ maxBytes: 2 * MIB });
  const one = history(rule);
  await one.open();
  const first = one.sink.entries[0]!.offset;
  await fill(async (last) => void (await one.sink.has(last)));
  const isRemoved = async (): Promise<true | undefined> => {
    const { end } = await one.read(first, () => true);
    return end === 'too-old' ? true : undefined;
  };
  await eventually(isRemoved, DEADLINE_MS, () => 'the first entry is still there');
  expect((await one.read(one.sink.entries.at(-1)!.offset, () => true)).end).toBe('stopped');
  // Nothing is missing in the live entries, although offsets jump
  expect(one.sink.resets).toEqual([]);
  const { signal } = new AbortController();
  expect(await one.readers.read(`${rule.name}-missing`, { offset: 1, entry: () => true }, signal)).toBe('gone');
}, 60_000);

test('retention overtakes a relay that is cut off: the log starts again', async () => {
  const one = cuttable(uniqueRule({ maxBytes: 2 * MIB }));
  await one.open();
  await publish('prices.eur', 'seen');
  await one.sink.has('seen');
  proxy.cut();
  await fill();
  proxy.restore();
  await one.sink.has('reset too-old');
  await publish('prices.eur', 'after');
  await one.sink.has('after');
  expect(one.sink.resets).toEqual(['too-old']);
  const after = one.sink.entries.slice(
    one.sink.entries.findIndex(({ message }) => message?.body.toString() === 'seen') + 1,
  );
  // Everything that is left follows, in order
  expect(after.length).toBeGreaterThan(10);
  expect(after.every(({ offset }, index) => index === 0 || offset > after[index - 1]!.offset)).toBe(true);
}, 60_000);
