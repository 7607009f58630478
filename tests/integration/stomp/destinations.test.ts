/** Every kind of destination for SEND and SUBSCRIBE: spellings, escapes, wildcards, and refusals. */
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

  describe('spellings of the same destination', () => {
    test.each([
      // subscribed, sent, destination of the MESSAGE
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
    ])('a subscription to %s gets a SEND to %s with the destination %s', async (subscribed, sent, received) => {
      const name = (text: string) => text.replace('N', n);
      await subscribe(name(subscribed));
      await client.receipt('SEND', { destination: name(sent) }, 'x');
      expect(await nextBody(client, { destination: name(received), subscription: 's' })).toBe('x');
    });
  });

  describe('destinations that do not match', () => {
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
    ])('a subscription to %s does not get a SEND to %s', async (subscribed, sent) => {
      await subscribe(subscribed.replace('N', n));
      client.sendFrame('SEND', { destination: sent.replace('N', n) }, 'x');
      expect(await bodiesUntilNow(client)).toEqual([]);
    });
  });

  test('overlapping subscriptions each get one copy of a message', async () => {
    await client.receipt('SUBSCRIBE', { id: 'exact', destination: `/topic/${n}.a` });
    await client.receipt('SUBSCRIBE', { id: 'star', destination: `/topic/${n}.*` });
    await client.receipt('SUBSCRIBE', { id: 'hash', destination: `/topic/${n}.#` });
    client.sendFrame('SEND', { destination: `/topic/${n}.a` }, 'x');
    const ids: (string | undefined)[] = [];
    for (let i = 0; i < 3; i++) ids.push((await client.expectFrame('MESSAGE')).headers['subscription']);
    expect(ids.sort()).toEqual(['exact', 'hash', 'star']);
    expect(await bodiesUntilNow(client)).toEqual([]);
  });

  test('a SEND to a fanout exchange reaches every subscriber, regardless of the key', async () => {
    const other = await stage.connect(transport);
    await subscribe('/exchange/amq.fanout');
    await other.receipt('SUBSCRIBE', { id: 's', destination: '/exchange/amq.fanout/some.key' });
    client.sendFrame('SEND', { destination: '/exchange/amq.fanout/another' }, n);
    for (const each of [client, other]) await each.take((f) => f.body.toString() === n, 'the message');
  });

  test.each([
    ['all', { 'arg-kind': 'a', 'arg-size': '1' }, { kind: 'a', size: '1' }, { kind: 'a', size: '2' }],
    ['any', { 'arg-kind': 'a', 'arg-size': '1' }, { kind: 'b', size: '1' }, { kind: 'b', size: '2' }],
  ])('a headers exchange with x-match:%s delivers only messages that match', async (match, args, fits, fitsNot) => {
    const own = { 'arg-n': n };
    const id = match === 'all' ? { n } : {};
    await subscribe('/exchange/amq.headers', { 'x-match': match, ...(match === 'all' ? own : {}), ...args });
    const destination = '/exchange/amq.headers';
    client.sendFrame('SEND', { destination, ...fitsNot, ...id }, `${n} no`);
    client.sendFrame('SEND', { destination, ...fits, ...id }, `${n} yes`);
    const message = await client.take((f) => f.body.toString().startsWith(n), 'the message');
    expect(message.body.toString()).toBe(`${n} yes`);
  });

  test('a subscription to /amq/queue consumes a queue that another client has created', async () => {
    await client.receipt('SEND', { destination: `/queue/${n}` }, 'x');
    await subscribe(`/amq/queue/${n}`);
    expect(await nextBody(client, { subscription: 's' })).toBe('x');
  });

  test('a SEND to /reply-queue/N creates no queue, and the message is lost', async () => {
    await client.receipt('SEND', { destination: `/reply-queue/${n}` }, 'gone');
    await refuses(client, 'SUBSCRIBE', { id: 's', destination: `/amq/queue/${n}` }, 'queue-not-found');
  });

  test('a SEND to a missing /amq/queue is refused, and creates no queue', async () => {
    const error = await refuses(client, 'SEND', { destination: `/amq/queue/${n}` }, 'queue-not-found', 'x');
    expect(error.body.toString()).toContain(`"${n}"`);
    const other = await stage.connect(transport);
    await refuses(other, 'SUBSCRIBE', { id: 's', destination: `/amq/queue/${n}` }, 'queue-not-found');
  });

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

    test.each(cases)('%s to the invalid destination %.60s is refused', async (verb, destination, code) => {
      const id: Record<string, string> = verb === 'SUBSCRIBE' ? { id: 's' } : {};
      await refuses(client, verb, { ...id, destination }, code);
    });

    test.each([
      ['no destination', {}],
      ['an empty destination', { destination: '' }],
      ['a header name in capitals', { DESTINATION: '/topic/x' }],
    ])('a SEND with %s is refused', async (_fault, headers) => {
      await refuses(client, 'SEND', headers, 'missing-header');
    });
  });

  describe('mandatory:true', () => {
    test.each(['/topic/N', '/exchange/amq.direct/N', '/reply-queue/N', '/user/N/queue/x'])(
      'with mandatory:true an unroutable SEND to %s is refused',
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
      'with mandatory:true a SEND to %s with a subscriber is confirmed',
      async (destination) => {
        const to = destination.replace('N', n);
        await subscribe(to);
        await client.receipt('SEND', { destination: to, mandatory: 'true' }, 'x');
        expect(await nextBody(client)).toBe('x');
      },
    );

    test('without mandatory:true an unroutable SEND is confirmed', async () => {
      await client.receipt('SEND', { destination: `/topic/${n}` }, 'x');
      await client.receipt('SEND', { destination: `/topic/${n}`, mandatory: 'false' }, 'x');
    });
  });
});
