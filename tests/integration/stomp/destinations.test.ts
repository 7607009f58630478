/** Every row of the destination table, both verbs, spellings, escapes, wildcards, and what is refused. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { StompClient } from '../../support/stomp-client.js';
import { bodiesUntilNow, EVERYWHERE, nextBody, refuses, stageRelays, unique } from './relay-stage.js';

describe.each(EVERYWHERE)('on $broker over $transport', ({ broker, transport }) => {
  const stage = stageRelays(broker);
  let client: StompClient;
  let n: string;
  beforeEach(async () => {
    client = await stage.connect(transport);
    n = unique();
  });

  const subscribe = (destination: string, more: Record<string, string> = {}) =>
    client.receipt('SUBSCRIBE', { id: 's', destination, ...more });

  describe('what is sent to one spelling is got by another', () => {
    test.each([
      // subscribed, sent, shown
      ['/topic/N', '/topic/N', '/topic/N'],
      ['/topic/N.b.c', '/topic/N/b/c', '/topic/N.b.c'],
      ['/topic/N/b/c', '/topic/N.b.c', '/topic/N/b/c'],
      ['/topic/N/b', '/exchange/amq.topic/N.b', '/topic/N/b'],
      ['/exchange/amq.topic/N.b', '/topic/N/b', '/exchange/amq.topic/N.b'],
      ['/topic/N.*', '/topic/N.x', '/topic/N.x'],
      ['/topic/N/*', '/topic/N/x', '/topic/N/x'],
      ['/topic/N.*.c', '/topic/N.b.c', '/topic/N.b.c'],
      ['/topic/N.#', '/topic/N', '/topic/N'],
      ['/topic/N.#', '/topic/N.x.y.z', '/topic/N.x.y.z'],
      ['/topic/N/#', '/topic/N/x/y', '/topic/N/x/y'],
      ['/topic/#.N', '/topic/a.b.N', '/topic/a.b.N'],
      ['/exchange/amq.topic/N.#', '/topic/N.x', '/exchange/amq.topic/N.x'],
      ['/topic/N%2Fb', '/topic/N%2Fb', '/topic/N%2Fb'],
      ['/topic/N b', '/topic/N%20b', '/topic/N b'],
      ['/topic/N-ü-漢', '/topic/N-ü-漢', '/topic/N-ü-漢'],
      ['/topic/N%25', '/topic/N%25', '/topic/N%25'],
      ['/exchange/amq.direct/N', '/exchange/amq.direct/N', '/exchange/amq.direct/N'],
      ['/exchange/amq.direct/N%2Fa', '/exchange/amq.direct/N%2Fa', '/exchange/amq.direct/N%2Fa'],
      ['/queue/N', '/queue/N', '/queue/N'],
      ['/queue/N.with.dots', '/queue/N.with.dots', '/queue/N.with.dots'],
      ['/queue/N%2Fslash', '/queue/N%2Fslash', '/queue/N%2Fslash'],
      ['/queue/N ü 漢', '/queue/N ü 漢', '/queue/N ü 漢'],
      ['/queue/N', '/reply-queue/N', '/queue/N'],
      ['/queue/N', '/amq/queue/N', '/queue/N'],
      ['/queue/N', 'N', '/queue/N'],
      ['N', '/queue/N', 'N'],
      ['/queue/N%2Fb', '/reply-queue/N/b', '/queue/N%2Fb'],
    ])('SUBSCRIBE %s, SEND %s shows %s', async (subscribed, sent, shown) => {
      const name = (text: string) => text.replace('N', n);
      await subscribe(name(subscribed));
      await client.receipt('SEND', { destination: name(sent) }, 'x');
      expect(await nextBody(client, { destination: name(shown), subscription: 's' })).toBe('x');
    });
  });

  describe('what a pattern does not match does not come', () => {
    test.each([
      ['/topic/N', '/topic/N.x'],
      ['/topic/N.*', '/topic/N'],
      ['/topic/N.*', '/topic/N.x.y'],
      ['/topic/N/*', '/topic/N/x/y'],
      ['/topic/*.N', '/topic/N'],
      ['/topic/N', '/queue/N'],
      ['/topic/N', '/exchange/amq.direct/N'],
      ['/topic/N', `/topic/n`],
      ['/queue/N', '/topic/N'],
      ['/exchange/amq.direct/N', '/exchange/amq.direct/N.x'],
      ['/exchange/amq.direct/#', '/exchange/amq.direct/N'],
    ])('SUBSCRIBE %s, SEND %s', async (subscribed, sent) => {
      await subscribe(subscribed.replace('N', n));
      client.sendFrame('SEND', { destination: sent.replace('N', n) }, 'x');
      expect(await bodiesUntilNow(client)).toEqual([]);
    });
  });

  test('overlapping subscriptions get a copy each, and each pattern once', async () => {
    await client.receipt('SUBSCRIBE', { id: 'exact', destination: `/topic/${n}.a` });
    await client.receipt('SUBSCRIBE', { id: 'star', destination: `/topic/${n}.*` });
    await client.receipt('SUBSCRIBE', { id: 'hash', destination: `/topic/${n}.#` });
    client.sendFrame('SEND', { destination: `/topic/${n}.a` }, 'x');
    const ids: (string | undefined)[] = [];
    for (let i = 0; i < 3; i++) ids.push((await client.expectFrame('MESSAGE')).headers['subscription']);
    expect(ids.sort()).toEqual(['exact', 'hash', 'star']);
    expect(await bodiesUntilNow(client)).toEqual([]);
  });

  test('a fanout exchange reaches all, whatever the key', async () => {
    const other = await stage.connect(transport);
    await subscribe('/exchange/amq.fanout');
    await other.receipt('SUBSCRIBE', { id: 's', destination: '/exchange/amq.fanout/some.key' });
    client.sendFrame('SEND', { destination: '/exchange/amq.fanout/another' }, n);
    for (const each of [client, other]) await each.take((f) => f.body.toString() === n, 'the message');
  });

  test.each([
    ['all', { 'arg-kind': 'a', 'arg-size': '1' }, { kind: 'a', size: '1' }, { kind: 'a', size: '2' }],
    ['any', { 'arg-kind': 'a', 'arg-size': '1' }, { kind: 'b', size: '1' }, { kind: 'b', size: '2' }],
  ])('a headers exchange, x-match:%s', async (match, args, fits, fitsNot) => {
    const own = { 'arg-n': n };
    const id = match === 'all' ? { n } : {};
    await subscribe('/exchange/amq.headers', { 'x-match': match, ...(match === 'all' ? own : {}), ...args });
    const destination = '/exchange/amq.headers';
    client.sendFrame('SEND', { destination, ...fitsNot, ...id }, `${n} no`);
    client.sendFrame('SEND', { destination, ...fits, ...id }, `${n} yes`);
    const message = await client.take((f) => f.body.toString().startsWith(n), 'the message');
    expect(message.body.toString()).toBe(`${n} yes`);
  });

  test('/amq/queue finds a queue that somebody else has made', async () => {
    await client.receipt('SEND', { destination: `/queue/${n}` }, 'x');
    await subscribe(`/amq/queue/${n}`);
    expect(await nextBody(client, { subscription: 's' })).toBe('x');
  });

  test.each(['/amq/queue/N', '/reply-queue/N'])(
    'SEND to %s makes no queue; the message is gone',
    async (destination) => {
      await client.receipt('SEND', { destination: destination.replace('N', n) }, 'gone');
      await refuses(client, 'SUBSCRIBE', { id: 's', destination: `/amq/queue/${n}` }, 'queue-not-found');
    },
  );

  describe('refused', () => {
    const bad: [string, string, string][] = [
      ...[
        '/topic/',
        '/topic',
        '/topic//',
        '/topic/a//b',
        '/topic/a/',
        '/queue',
        '/queue/',
        '/queue/a/b',
        '/queue//',
      ].map((each): [string, string, string] => ['SEND SUBSCRIBE', each, 'invalid-destination']),
      ...['/exchange', '/exchange/', '/exchange//a', '/exchange/amq.topic/a/b', '/amq/queue', '/amq/queue/'].map(
        (each): [string, string, string] => ['SEND SUBSCRIBE', each, 'invalid-destination'],
      ),
      ...['/', '//', '/nowhere/x', '/Topic/x', '/TOPIC/x', 'topic/x', ' /topic/x', '/something/interesting'].map(
        (each): [string, string, string] => ['SEND SUBSCRIBE', each, 'invalid-destination'],
      ),
      ...['/amq/topic/x', '/temp-queue/x', '/temp-topic/x', '/temp-queue', '/user', '/user/', '/user/a'].map(
        (each): [string, string, string] => ['SEND SUBSCRIBE', each, 'invalid-destination'],
      ),
      ...['/topic/%', '/topic/%zz', '/queue/%ff', '/topic/a\\nb', '/queue/%00'].map(
        (each): [string, string, string] => ['SEND SUBSCRIBE', each, 'invalid-destination'],
      ),
      ['SEND SUBSCRIBE', `/topic/${'x'.repeat(256)}`, 'invalid-destination'],
      ['SEND SUBSCRIBE', `/queue/${'x'.repeat(256)}`, 'invalid-destination'],
      ['SEND SUBSCRIBE', `/queue/${'ü'.repeat(128)}`, 'invalid-destination'],
      ['SEND SUBSCRIBE', '/exchange/no-such-exchange', 'exchange-not-found'],
      ['SEND SUBSCRIBE', '/exchange/no-such-exchange/key', 'exchange-not-found'],
      ['SEND SUBSCRIBE', '/exchange/stomp-relay.user/x', 'invalid-destination'],
      ['SEND SUBSCRIBE', '/queue/stomp-relay.x', 'invalid-destination'],
      ['SUBSCRIBE', '/amq/queue/no-such-queue', 'queue-not-found'],
      ['SUBSCRIBE', '/reply-queue/x', 'invalid-destination'],
      ['SUBSCRIBE', '/user/alice/queue/x', 'invalid-destination'],
      ['SUBSCRIBE', '/user/topic/x', 'invalid-destination'],
      ['SEND', '/user/queue/x', 'invalid-destination'],
      ['SEND', '/user/alice/topic/x', 'invalid-destination'],
      ['SEND', '/user/alice/queue', 'invalid-destination'],
      ['SEND', '/reply-queue/', 'invalid-destination'],
    ];
    const cases = bad.flatMap(([verbs, ...rest]) => verbs.split(' ').map((verb) => [verb, ...rest] as const));

    test.each(cases)('%s %.60s', async (verb, destination, code) => {
      const id: Record<string, string> = verb === 'SUBSCRIBE' ? { id: 's' } : {};
      await refuses(client, verb, { ...id, destination }, code);
    });

    test.each([
      ['no destination', {}],
      ['an empty one', { destination: '' }],
      ['one in capitals', { DESTINATION: '/topic/x' }],
    ])('SEND with %s', async (_what, headers) => {
      await refuses(client, 'SEND', headers, 'missing-header');
    });
  });

  describe('mandatory:true', () => {
    test.each(['/topic/N', '/exchange/amq.direct/N', '/amq/queue/N', '/reply-queue/N', '/user/N/queue/x'])(
      'an unroutable SEND to %s is refused',
      async (destination) => {
        await refuses(
          client,
          'SEND',
          { destination: destination.replace('N', n), mandatory: 'true' },
          'unroutable',
          'x',
        );
      },
    );

    test.each(['/topic/N', '/exchange/amq.direct/N', '/queue/N'])(
      'a routable one to %s is not',
      async (destination) => {
        const to = destination.replace('N', n);
        await subscribe(to);
        await client.receipt('SEND', { destination: to, mandatory: 'true' }, 'x');
        expect(await nextBody(client)).toBe('x');
      },
    );

    test('without it, nobody’s message is a message like any other', async () => {
      await client.receipt('SEND', { destination: `/topic/${n}` }, 'x');
      await client.receipt('SEND', { destination: `/topic/${n}`, mandatory: 'false' }, 'x');
    });
  });
});
