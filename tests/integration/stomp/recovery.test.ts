/** Clients that return with a position: the verdict, and exactly what they missed. */
import { describe, expect, test } from '@jest/globals';
import type { RelayHooks } from '../../../server/src/index.js';
import type { ReceivedFrame, StompClient } from '../../support/stomp-client.js';
import { bodiesUntilNow, EVERYWHERE, nextBodies, stageRelays, unique } from './relay-stage.js';

const RULES = [
  { name: 'topics', match: '/topic/kept.#' },
  { name: 'inbox', match: '/user/queue/inbox' },
];
/** A token is a name, or a name with `denied`, which may not subscribe to the topics. */
const hooks: RelayHooks = {
  authenticator: {
    authenticate: ({ login = 'guest', passcode = login }) => {
      const [name = '', right] = passcode.split(' ');
      return Promise.resolve({ name, anonymous: false, claims: { isDenied: right === 'denied' } });
    },
  },
  policy: { allows: ({ claims }, _, { text }) => claims['isDenied'] !== true || !text.startsWith('/topic/kept.') },
};

describe.each(EVERYWHERE)('recovery, $broker over $transport', ({ broker, transport }) => {
  const instances = broker === 'memory' ? 1 : 2;
  const stage = stageRelays(broker, { instances, config: { history: { rules: RULES } }, hooks });
  /** The relay that a client returns to. */
  const elsewhere = { instance: instances - 1 };
  const topic = () => `/topic/kept.${unique()}`;

  async function publish(destination: string, ...bodies: string[]): Promise<void> {
    const publisher = await stage.connect(transport);
    for (const body of bodies) await publisher.receipt('SEND', { destination }, body);
  }

  /** Resolves when the first relay has the message. */
  async function publishAndSee(body: string): Promise<void> {
    const destination = topic();
    const watcher = await stage.connect(transport);
    await subscribe(watcher, destination);
    await publish(destination, body);
    expect(await nextBodies(watcher, 1)).toEqual([body]);
  }

  function subscribe(client: StompClient, destination: string, since = 'now'): Promise<ReceivedFrame> {
    return client.receipt('SUBSCRIBE', { id: 's', destination, 'relay-since': since });
  }

  const numbers = (from: number, to: number): string[] =>
    Array.from({ length: to - from + 1 }, (_, index) => String(from + index));

  test('a client that returns gets what it missed, once, in order, and before anything newer', async () => {
    const destination = topic();
    const before = await stage.connect(transport);
    const { headers } = await subscribe(before, destination);
    expect(headers).toMatchObject({ 'relay-position': expect.stringMatching(/^[\w.]+$/) });
    expect(headers).not.toHaveProperty('relay-recovered');
    await publish(destination, ...numbers(1, 3));
    const seen: ReceivedFrame[] = [];
    while (seen.length < 3) seen.push(await before.expectFrame('MESSAGE'));
    before.destroy();
    await publish(destination, ...numbers(4, 60));
    await publish(topic(), 'other');

    const client = await stage.connect(transport, {}, elsewhere);
    const [, second] = seen;
    client.sendFrame('SUBSCRIBE', {
      id: 's',
      destination,
      receipt: 'r',
      'relay-since': second!.headers['relay-position']!,
    });
    const verdict = await client.expectFrame('RECEIPT', { 'relay-recovered': 'true', 'relay-replayed': '58' });
    expect(verdict.headers['relay-position']).toBe(second!.headers['relay-position']);
    const third = await client.expectFrame('MESSAGE', { 'relay-replayed': 'true' });
    expect(third.body.toString()).toBe('3');
    expect(third.headers['message-id']).toBe(seen[2]!.headers['message-id']);
    expect(third.headers['relay-position']).toBe(seen[2]!.headers['relay-position']);
    await publish(destination, '61');
    expect(await nextBodies(client, 58)).toEqual(numbers(4, 61));
    expect(await bodiesUntilNow(client)).toEqual([]);
  });

  test('the order is the same on all relays, live and replayed', async () => {
    const word = unique();
    const [one, other] = [await stage.connect(transport), await stage.connect(transport, {}, elsewhere)];
    const { headers } = await subscribe(one, `/topic/kept.${word}.*`);
    await subscribe(other, `/topic/kept.${word}.*`);
    const publishers = ['a', 'b', 'c', 'd'].map((name) => publish(`/topic/kept.${word}.${name}`, ...numbers(1, 25)));
    await Promise.all(publishers);
    const framesOf = async (client: StompClient): Promise<string[]> => {
      const ids: string[] = [];
      while (ids.length < 100) ids.push((await client.expectFrame('MESSAGE')).headers['message-id']!);
      return ids;
    };
    const order = await framesOf(one);
    expect(await framesOf(other)).toEqual(order);
    const returned = await stage.connect(transport, {}, elsewhere);
    await subscribe(returned, `/topic/kept.${word}.*`, headers['relay-position']);
    expect(await framesOf(returned)).toEqual(order);
  });

  test('positions are those of the rule: a wider pattern may use one of a narrower, and the other way round', async () => {
    const word = unique();
    const client = await stage.connect(transport);
    const { headers } = await subscribe(client, `/topic/kept.${word}.a`);
    await publish(`/topic/kept.${word}.a`, '1');
    await publish(`/topic/kept.${word}.b`, '2');
    const wide = await stage.connect(transport, {}, elsewhere);
    await subscribe(wide, `/topic/kept.${word}.*`, headers['relay-position']);
    const first = await wide.expectFrame('MESSAGE');
    expect([first.body.toString(), ...(await nextBodies(wide, 1))]).toEqual(['1', '2']);
    const narrow = await stage.connect(transport, {}, elsewhere);
    await subscribe(narrow, `/topic/kept.${word}.b`, first.headers['relay-position']);
    expect(await nextBodies(narrow, 1)).toEqual(['2']);
  });

  test('with nothing missed the newest position comes at once', async () => {
    const destination = topic();
    const client = await stage.connect(transport);
    const { headers } = await subscribe(client, destination);
    await client.receipt('UNSUBSCRIBE', { id: 's' });
    await publishAndSee('other');
    const again = await subscribe(client, destination, headers['relay-position']);
    expect(again.headers).toMatchObject({ 'relay-recovered': 'true', 'relay-replayed': '0' });
    expect(again.headers['relay-position']).not.toBe(headers['relay-position']);
  });

  test.each([
    ['an empty text', ''],
    ['a word', 'x'],
    ['too few digits', '0.0.0.0'],
    ['too many parts', '1.2.3.4.5'],
    ['a number beyond all', 'zzzzzzzzzzzzzzz.1.1.abcdefghij'],
    ['a negative number', '-1.1.1.a'],
    ['no ASCII', 'ü'],
    ['a long text', 'a'.repeat(900)],
  ])('%s is no position, and no error either', async (_, since) => {
    const client = await stage.connect(transport);
    const { headers } = await subscribe(client, topic(), since);
    expect(headers).toMatchObject({ 'relay-recovered': 'false', 'relay-reason': expect.any(String) });
  });

  /** Misses 40 large messages, and asks for them. Returns the position before them. */
  async function beginLargeReplay(client: StompClient, destination: string): Promise<string> {
    const { headers } = await subscribe(client, destination);
    await client.receipt('UNSUBSCRIBE', { id: 's' });
    await publish(destination, ...numbers(1, 40).map((each) => each.padEnd(50_000, '.')));
    const position = headers['relay-position']!;
    client.sendFrame('SUBSCRIBE', { id: 's', destination, 'relay-since': position });
    return position;
  }

  test('UNSUBSCRIBE in the middle of a replay ends it', async () => {
    const destination = topic();
    const client = await stage.connect(transport);
    const position = await beginLargeReplay(client, destination);
    await client.receipt('UNSUBSCRIBE', { id: 's' });
    const count = client.received().filter(({ command }) => command === 'MESSAGE').length;
    await publish(destination, 'new');
    expect(await bodiesUntilNow(client)).toHaveLength(count);
    await subscribe(client, destination, position);
    expect(await nextBodies(client, 41)).toHaveLength(41);
  });

  test('the policy can end a subscription in the middle of a replay', async () => {
    const [destination, name] = [topic(), unique('ann')];
    const client = await stage.connect(transport, { passcode: name, 'relay-extensions': 'soft-errors' });
    await beginLargeReplay(client, destination);
    const { headers: renewed } = await client.receipt('SEND', { destination: '/relay/auth' }, `${name} denied`);
    expect(renewed).toMatchObject({ 'relay-ended-subscriptions': 's' });
    await publish(destination, 'new');
    client.sendFrame('SEND', { destination: '/relay/flush', receipt: 'flushed' });
    await client.take(({ headers: { 'receipt-id': id } }) => id === 'flushed', 'the RECEIPT');
    const frames = client
      .received()
      .map(({ headers: { code }, body }) => code ?? String(parseInt(body.toString(), 10)));
    expect(frames.at(-1)).toBe('access-denied');
    expect(frames.slice(0, -1)).toEqual(numbers(1, frames.length - 1));
  });

  test('RECEIPT of a flush follows the messages of a replay', async () => {
    const destination = topic();
    const client = await stage.connect(transport);
    await beginLargeReplay(client, destination);
    await client.receipt('SEND', { destination: '/relay/flush' });
    expect(client.received()).toHaveLength(40);
  });

  test('messages to a user are kept while no device is connected', async () => {
    const login = unique('user');
    const client = await stage.connect(transport, { login });
    const { headers } = await subscribe(client, '/user/queue/inbox');
    client.destroy();
    await publish(`/user/${login}/queue/inbox`, '1', '2');
    const again = await stage.connect(transport, { login }, elsewhere);
    await subscribe(again, '/user/queue/inbox', headers['relay-position']);
    expect(await nextBodies(again, 2)).toEqual(['1', '2']);
  });

  test('the count of the relay equals that of the client', async () => {
    const destination = topic();
    const client = await stage.connect(transport, { 'relay-extensions': 'recovery' });
    const { headers } = await subscribe(client, destination);
    await client.receipt('UNSUBSCRIBE', { id: 's' });
    await publish(destination, '1', '2', '3');
    await subscribe(client, destination, headers['relay-position']);
    await publish(destination, '4');
    const { headers: last } = await client.take(({ body }) => body.toString() === '4', 'the last message');
    expect(await nextBodies(client, 3)).toEqual(['1', '2', '3']);
    await client.receipt('SEND', { destination: '/relay/check', 'for-subscription': 's' });
    expect(client.received().map(({ headers: answer }) => answer)).toMatchObject([
      {
        destination: '/relay/check',
        'for-subscription': 's',
        'relay-delivered': '4',
        'relay-position': last['relay-position'],
      },
    ]);
  });

  test('a subscription that no rule covers has no position', async () => {
    const client = await stage.connect(transport);
    const { headers } = await subscribe(client, `/topic/${unique('plain')}`);
    expect(Object.keys(headers)).toEqual(['receipt-id']);
    await publish(topic(), '1');
    const wide = await client.receipt('SUBSCRIBE', { id: 't', destination: '/topic/#', 'relay-since': 'x' });
    expect(wide.headers).toMatchObject({ 'relay-recovered': 'false', 'relay-reason': 'not-recoverable' });
  });

  test('a wider subscription that no rule covers gets the messages as before', async () => {
    const word = unique();
    const client = await stage.connect(transport);
    await client.receipt('SUBSCRIBE', { id: 's', destination: `/topic/*.${word}` });
    await publish(`/topic/kept.${word}`, '1');
    const { headers } = await client.expectFrame('MESSAGE');
    expect(headers).not.toHaveProperty('relay-position');
  });
});
