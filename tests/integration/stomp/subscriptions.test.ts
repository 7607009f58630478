/** SUBSCRIBE and UNSUBSCRIBE: ids, versions, duplicates, and several subscriptions at once. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { StompClient } from '../../support/stomp-client.js';
import { bodiesUntilNow, EVERYWHERE, nextBody, refuses, stageRelays, unique, VERSIONS } from './relay-stage.js';

const KINDS = ['/topic/', '/queue/', '/exchange/amq.direct/', '/exchange/amq.topic/', '/user/queue/'] as const;

describe.each(EVERYWHERE)('on $broker over $transport', ({ broker, transport }) => {
  const stage = stageRelays(broker);
  const user = unique('user');
  let client: StompClient;
  beforeEach(async () => {
    client = await stage.connect(transport, { login: user });
  });

  /** The destination of a SEND that reaches a subscription to `destination`. */
  const sendTo = (destination: string) => destination.replace(/^\/user\//, `/user/${user}/`);

  describe.each(KINDS)('%sNAME', (prefix) => {
    const name = () => `${prefix}${unique()}`;

    test('messages arrive from the receipt of SUBSCRIBE to UNSUBSCRIBE', async () => {
      const destination = name();
      await client.receipt('SUBSCRIBE', { id: 's', destination });
      await client.receipt('SEND', { destination: sendTo(destination) }, 'one');
      expect(await nextBody(client, { subscription: 's', destination })).toBe('one');
      await client.receipt('UNSUBSCRIBE', { id: 's' });
      await client.receipt('SEND', { destination: sendTo(destination) }, 'two');
      expect(await bodiesUntilNow(client)).toEqual([]);
    });

    test('a subscription id can be used again after UNSUBSCRIBE', async () => {
      const first = name();
      const second = name();
      await client.receipt('SUBSCRIBE', { id: 's', destination: first });
      await client.receipt('UNSUBSCRIBE', { id: 's' });
      await client.receipt('SUBSCRIBE', { id: 's', destination: second });
      client.sendFrame('SEND', { destination: sendTo(second) }, 'again');
      expect(await nextBody(client, { subscription: 's', destination: second })).toBe('again');
    });

    test('a subscription id in use is refused, also for another destination', async () => {
      await client.receipt('SUBSCRIBE', { id: 's', destination: name() });
      await refuses(client, 'SUBSCRIBE', { id: 's', destination: name() }, 'duplicate-subscription');
    });

    test('in 1.0 a subscription without an id is identified by its destination', async () => {
      const old = await stage.connect(transport, { 'accept-version': '1.0', login: user });
      const destination = name();
      await old.receipt('SUBSCRIBE', { destination });
      old.sendFrame('SEND', { destination: sendTo(destination) }, 'one');
      const message = await old.expectFrame('MESSAGE', { destination });
      expect(message.headers).not.toHaveProperty('subscription');
      await old.receipt('UNSUBSCRIBE', { destination });
      await old.receipt('SEND', { destination: sendTo(destination) }, 'two');
      await old.receipt('UNSUBSCRIBE', { destination });
      expect(old.received()).toEqual([]);
    });

    test.each([
      ['selector', "colour = 'red'"],
      ['selector', ''],
      ['no-local', 'true'],
      ['no-local', ''],
    ])('SUBSCRIBE with %s:%s is refused', async (header, value) => {
      const error = await refuses(
        client,
        'SUBSCRIBE',
        { id: 's', destination: name(), [header]: value },
        'not-supported',
      );
      expect(error.body.toString()).toContain(`The header ${header} is not supported`);
    });

    test('SUBSCRIBE with no-local:false is accepted', async () => {
      const destination = name();
      await client.receipt('SUBSCRIBE', { id: 's', destination, 'no-local': 'false' });
      client.sendFrame('SEND', { destination: sendTo(destination) }, 'own');
      expect(await nextBody(client, { subscription: 's' })).toBe('own');
    });

    test('a client without a subscription gets no message', async () => {
      await client.receipt('SEND', { destination: sendTo(name()) }, 'no subscriber');
      expect(await bodiesUntilNow(client)).toEqual([]);
    });
  });

  describe.each(['/topic/', '/exchange/amq.direct/', '/user/queue/'])('%sNAME reaches every subscriber', (prefix) => {
    test('every subscriber gets every message once', async () => {
      const destination = `${prefix}${unique()}`;
      const others = await Promise.all([1, 2, 3].map(() => stage.connect(transport, { login: user })));
      const all = [client, ...others];
      await Promise.all(all.map((each, i) => each.receipt('SUBSCRIBE', { id: `s${i % 2}`, destination })));
      for (const body of ['one', 'two']) client.sendFrame('SEND', { destination: sendTo(destination) }, body);
      for (const [i, each] of all.entries()) {
        expect(await nextBody(each, { subscription: `s${i % 2}` })).toBe('one');
        expect(await nextBody(each, { subscription: `s${i % 2}` })).toBe('two');
      }
    });

    test('two subscriptions of one session get a copy each', async () => {
      const destination = `${prefix}${unique()}`;
      await client.receipt('SUBSCRIBE', { id: 'a', destination });
      await client.receipt('SUBSCRIBE', { id: 'b', destination });
      client.sendFrame('SEND', { destination: sendTo(destination) }, 'x');
      const got = [await client.expectFrame('MESSAGE'), await client.expectFrame('MESSAGE')];
      expect(got.map((each) => each.headers['subscription']).sort()).toEqual(['a', 'b']);
      await client.receipt('UNSUBSCRIBE', { id: 'a' });
      client.sendFrame('SEND', { destination: sendTo(destination) }, 'y');
      expect(await nextBody(client, { subscription: 'b' })).toBe('y');
      expect(await bodiesUntilNow(client)).toEqual([]);
    });

    test('subscribers of all versions get the same message', async () => {
      const destination = `${prefix}${unique()}`;
      const readers = await Promise.all(
        VERSIONS.map((version) => stage.connect(transport, { 'accept-version': version, login: user })),
      );
      await Promise.all(readers.map((each) => each.receipt('SUBSCRIBE', { id: 's:1', destination })));
      client.sendFrame('SEND', { destination: sendTo(destination) }, 'for all');
      for (const reader of readers)
        expect(await nextBody(reader, { subscription: 's:1', destination })).toBe('for all');
    });
  });

  test.each(VERSIONS)('a subscription id may be any text in %s', async (version) => {
    const reader = await stage.connect(transport, { 'accept-version': version });
    for (const id of ['0', 'a b', 'ü', 'x'.repeat(255), '/topic/x', '{"a"}', '__proto__']) {
      const destination = `/topic/${unique()}`;
      await reader.receipt('SUBSCRIBE', { id, destination });
      reader.sendFrame('SEND', { destination }, 'x');
      await reader.expectFrame('MESSAGE', { subscription: id });
      await reader.receipt('UNSUBSCRIBE', { id });
    }
  });

  test('a SEND in the same packet behind SUBSCRIBE reaches the subscription', async () => {
    const destination = `/topic/${unique()}`;
    client.send(`SUBSCRIBE\nid:s\ndestination:${destination}\n\n\0SEND\ndestination:${destination}\n\nx\0`);
    expect(await nextBody(client)).toBe('x');
  });

  test('a SUBSCRIBE with unknown headers is accepted', async () => {
    const destination = `/topic/${unique()}`;
    await client.receipt('SUBSCRIBE', { id: 's', destination, 'x-unknown': '1', 'activemq.prefetchSize': '1' });
    client.sendFrame('SEND', { destination }, 'x');
    expect(await nextBody(client)).toBe('x');
  });

  describe('refused', () => {
    test.each([
      ['1.1', 'SUBSCRIBE', { destination: '/topic/a' }, 'missing-header'],
      ['1.2', 'SUBSCRIBE', { destination: '/topic/a' }, 'missing-header'],
      ['1.2', 'SUBSCRIBE', { destination: '/topic/a', id: '' }, 'missing-header'],
      ['1.2', 'SUBSCRIBE', { id: '1' }, 'missing-header'],
      ['1.0', 'SUBSCRIBE', { id: '1' }, 'missing-header'],
      ['1.2', 'SUBSCRIBE', { id: '1', destination: '' }, 'missing-header'],
      ['1.2', 'SUBSCRIBE', { id: '1', Destination: '/topic/a' }, 'missing-header'],
      ['1.2', 'SUBSCRIBE', { id: '1', destination: '/topic/a', ack: 'none' }, 'invalid-header'],
      ['1.2', 'SUBSCRIBE', { id: '1', destination: '/topic/a', ack: '' }, 'invalid-header'],
      ['1.2', 'SUBSCRIBE', { id: '1', destination: '/topic/a', ack: 'AUTO' }, 'invalid-header'],
      ['1.2', 'SUBSCRIBE', { id: '1', destination: '/topic/a', ack: 'client ' }, 'invalid-header'],
      ['1.0', 'SUBSCRIBE', { id: '1', destination: '/queue/a', ack: 'client-individual' }, 'invalid-header'],
      ['1.2', 'UNSUBSCRIBE', { id: 'never', durable: 'true' }, 'unknown-subscription'],
      ['1.2', 'UNSUBSCRIBE', {}, 'missing-header'],
      ['1.2', 'UNSUBSCRIBE', { destination: '/topic/a' }, 'missing-header'],
      ['1.1', 'UNSUBSCRIBE', { destination: '/topic/a' }, 'missing-header'],
      ['1.0', 'UNSUBSCRIBE', {}, 'missing-header'],
    ])('in %s, %s with %j is refused', async (version, command, headers, code) => {
      const own = await stage.connect(transport, { 'accept-version': version });
      await refuses(own, command, headers, code);
    });
  });

  describe('UNSUBSCRIBE without a subscription', () => {
    test.each([
      ['1.0', { id: 'never' }],
      ['1.0', { destination: '/topic/never' }],
      ['1.1', { id: 'never' }],
      ['1.2', { id: 'never' }],
      ['1.2', { id: 'never', durable: 'false' }],
    ])('in %s UNSUBSCRIBE with the unknown %j gets its RECEIPT and changes nothing', async (version, headers) => {
      const own = await stage.connect(transport, { 'accept-version': version });
      const destination = `/topic/${unique()}`;
      await own.receipt('SUBSCRIBE', { id: 's', destination });
      await own.receipt('UNSUBSCRIBE', headers);
      own.sendFrame('SEND', { destination }, 'x');
      expect(await nextBody(own, { subscription: 's' })).toBe('x');
    });

    test('a second UNSUBSCRIBE gets its RECEIPT and changes nothing', async () => {
      const [ended, kept] = [`/topic/${unique()}`, `/topic/${unique()}`];
      await client.receipt('SUBSCRIBE', { id: 'kept', destination: kept });
      await client.receipt('SUBSCRIBE', { id: 's', destination: ended });
      await client.receipt('UNSUBSCRIBE', { id: 's' });
      await client.receipt('UNSUBSCRIBE', { id: 's' });
      for (const destination of [ended, kept]) client.sendFrame('SEND', { destination }, 'x');
      expect(await nextBody(client, { subscription: 'kept' })).toBe('x');
      expect(await bodiesUntilNow(client)).toEqual([]);
    });

    test('UNSUBSCRIBE with the id of another session’s subscription gets its RECEIPT and changes nothing', async () => {
      const destination = `/topic/${unique()}`;
      await client.receipt('SUBSCRIBE', { id: 'mine', destination });
      await (await stage.connect(transport)).receipt('UNSUBSCRIBE', { id: 'mine' });
      client.sendFrame('SEND', { destination }, 'x');
      expect(await nextBody(client, { subscription: 'mine' })).toBe('x');
    });
  });
});
