/** Private queues: temporary queues for replies, durable subscriptions, and the queues of users. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { StompClient } from '../../support/stomp-client.js';
import {
  bodiesUntilNow,
  EVERYWHERE,
  nextBodies,
  nextBody,
  refuses,
  stageRelays,
  unique,
  VERSIONS,
} from './relay-stage.js';

describe.each(EVERYWHERE)('on $broker over $transport', ({ broker, transport }) => {
  const stage = stageRelays(broker, { config: { session: { ackGraceMs: 0 } } });
  let client: StompClient;
  let queue: string;
  beforeEach(async () => {
    client = await stage.connect(transport);
    queue = `/queue/${unique()}`;
  });

  describe('/temp-queue', () => {
    test.each(VERSIONS)('a reply to a temporary queue reaches the requesting session in %s', async (version) => {
      const requester = await stage.connect(transport, { 'accept-version': version });
      await client.receipt('SUBSCRIBE', { id: 's', destination: queue });
      const more = { 'reply-to': '/temp-queue/answers', 'correlation-id': '7' };
      requester.sendFrame('SEND', { destination: queue, ...more }, 'question');
      const { headers } = await client.expectFrame('MESSAGE', { 'correlation-id': '7' });
      expect(headers['reply-to']).toMatch(/^\/reply-queue\/.{20,}$/);
      client.sendFrame('SEND', { destination: headers['reply-to'] ?? '', 'correlation-id': '7' }, 'answer');
      const named = { subscription: '/temp-queue/answers', destination: '/temp-queue/answers', 'correlation-id': '7' };
      const answer = await requester.expectFrame('MESSAGE', named);
      expect(answer.body.toString()).toBe('answer');
      expect(answer.headers).not.toHaveProperty('ack');
    });

    test('the same /temp-queue name is one queue per session', async () => {
      const requester = await Promise.all([stage.connect(transport), stage.connect(transport)]);
      await client.receipt('SUBSCRIBE', { id: 's', destination: queue });
      const addresses: string[] = [];
      for (const each of [requester[0], requester[0], requester[1]]) {
        each?.sendFrame('SEND', { destination: queue, 'reply-to': '/temp-queue/x' }, 'q');
        addresses.push((await client.expectFrame('MESSAGE')).headers['reply-to'] ?? '');
      }
      expect(addresses[1]).toBe(addresses[0]);
      expect(addresses[2]).not.toBe(addresses[0]);
      client.sendFrame('SEND', { destination: addresses[2] ?? '' }, 'for the second');
      expect(await nextBody(requester[1], { subscription: '/temp-queue/x' })).toBe('for the second');
      expect(await bodiesUntilNow(requester[0])).toEqual([]);
    });

    test('several /temp-queue names of a session are several queues', async () => {
      await client.receipt('SUBSCRIBE', { id: 's', destination: queue });
      for (const name of ['a', 'b']) {
        client.sendFrame('SEND', { destination: queue, 'reply-to': `/temp-queue/${name}` }, 'q');
        const { headers } = await client.expectFrame('MESSAGE', { subscription: 's' });
        client.sendFrame('SEND', { destination: headers['reply-to'] ?? '' }, name);
        expect(await nextBody(client, { subscription: `/temp-queue/${name}` })).toBe(name);
      }
    });

    test('a reply to the temporary queue of an ended session is unroutable', async () => {
      const requester = await stage.connect(transport);
      await client.receipt('SUBSCRIBE', { id: 's', destination: queue });
      requester.sendFrame('SEND', { destination: queue, 'reply-to': '/temp-queue/x' }, 'q');
      const destination = (await client.expectFrame('MESSAGE')).headers['reply-to'] ?? '';
      await requester.disconnect();
      // The broker deletes the queue some time after the end of the session.
      for (let refused = false; !refused;) {
        const replying = await stage.connect(transport);
        const answer = await replying
          .receipt('SEND', { destination, mandatory: 'true' })
          .catch((e: Error) => e.message);
        refused = typeof answer === 'string';
        if (refused) expect(answer).toContain('unroutable');
      }
      await client.receipt('SEND', { destination }, 'lost');
    });

    test('a subscription id that begins with /temp-queue/ is refused', async () => {
      await refuses(client, 'SUBSCRIBE', { id: '/temp-queue/x', destination: queue }, 'invalid-header');
    });
  });

  describe('durable subscriptions', () => {
    const as = (login: string, clientId?: string) =>
      stage.connect(transport, { login, ...(clientId !== undefined && { 'client-id': clientId }) });

    test.each(['durable', 'persistent'])(
      'a subscription with %s:true keeps messages without a subscriber, until it is deleted',
      async (word) => {
        const login = unique('user');
        const destination = `/topic/${unique()}`;
        const durable = { id: 'news', destination, [word]: 'true', 'auto-delete': 'false' };
        const first = await as(login);
        await first.receipt('SUBSCRIBE', durable);
        await first.receipt('SEND', { destination }, 'one');
        expect(await nextBody(first, { subscription: 'news', destination })).toBe('one');
        await first.receipt('UNSUBSCRIBE', { id: 'news' });
        await client.receipt('SEND', { destination }, 'two');
        await first.disconnect();
        await client.receipt('SEND', { destination }, 'three');

        const second = await as(login);
        await second.receipt('SUBSCRIBE', durable);
        expect(await nextBodies(second, 2)).toEqual(['two', 'three']);
        await second.receipt('UNSUBSCRIBE', { id: 'news', [word]: 'true' });
        await client.receipt('SEND', { destination }, 'four');
        await second.receipt('SUBSCRIBE', durable);
        expect(await bodiesUntilNow(second)).toEqual([]);
        await second.receipt('UNSUBSCRIBE', { id: 'news', [word]: 'true' });
      },
    );

    test('a client without a login cannot have a durable subscription', async () => {
      const guest = await stage.connect(transport);
      guest.sendFrame('SUBSCRIBE', { id: 'news', destination: `/topic/${unique()}`, durable: 'true', receipt: 'r' });
      const error = await guest.expectError({ code: 'access-denied', 'receipt-id': 'r' });
      expect(error.body.toString()).toMatch(/^A durable subscription needs a login/);
    });

    test('a durable subscription refuses a second holder of the same user and client-id, and only that', async () => {
      const login = unique('user');
      const durable = { id: 'sub-0', destination: `/topic/${unique()}`, durable: 'true' };
      const first = await as(login, 'tab-1');
      await first.receipt('SUBSCRIBE', durable);
      for (const other of [await as(login, 'tab-2'), await as(unique('user'), 'tab-1')]) {
        await other.receipt('SUBSCRIBE', durable);
        await other.receipt('UNSUBSCRIBE', { id: 'sub-0', durable: 'true' });
      }
      await refuses(await as(login, 'tab-1'), 'SUBSCRIBE', durable, 'queue-in-use');
      await first.receipt('UNSUBSCRIBE', { id: 'sub-0', durable: 'true' });
    });

    test('with ack:client, a durable subscription redelivers unacknowledged messages to the next session', async () => {
      const login = unique('user');
      const destination = `/topic/${unique()}`;
      const durable = { id: 'news', destination, durable: 'true', ack: 'client' };
      const first = await as(login);
      await first.receipt('SUBSCRIBE', durable);
      await client.receipt('SEND', { destination }, 'x');
      await first.expectFrame('MESSAGE', { redelivered: 'false' });
      await first.disconnect();
      const second = await as(login);
      // The broker frees the queue some time after the end of the session.
      await second.receipt('SUBSCRIBE', durable);
      const message = await second.expectFrame('MESSAGE', { redelivered: 'true', destination });
      await second.receipt('ACK', { id: message.headers['ack'] ?? '' });
      await second.receipt('UNSUBSCRIBE', { id: 'news', durable: 'true' });
    });
  });

  describe('/user', () => {
    test('a message to a user reaches every session of that user and no other', async () => {
      const [alice, bob] = [unique('alice'), unique('bob')];
      const tabs = [await stage.connect(transport, { login: alice }), await stage.connect(transport, { login: alice })];
      const other = await stage.connect(transport, { login: bob });
      for (const each of [...tabs, other])
        await each.receipt('SUBSCRIBE', { id: 's', destination: '/user/queue/news' });
      await client.receipt('SEND', { destination: `/user/${alice}/queue/news` }, 'for alice');
      for (const tab of tabs) {
        expect(await nextBody(tab, { subscription: 's', destination: '/user/queue/news' })).toBe('for alice');
      }
      expect(await bodiesUntilNow(other)).toEqual([]);
    });

    test.each(['a b', 'a/b', 'ü 漢', 'a.b', '#', '*', '100%', 'queue', 'a:b'])(
      'a message reaches a user whose login contains %s',
      async (name) => {
        const login = `${name}${unique()}`;
        const own = await stage.connect(transport, { login });
        await own.receipt('SUBSCRIBE', { id: 's', destination: '/user/queue/x' });
        await client.receipt('SEND', { destination: `/user/${encodeURIComponent(login)}/queue/x` }, 'x');
        expect(await nextBody(own)).toBe('x');
      },
    );

    test('a message reaches a session without a login by its session id', async () => {
      const session = client.connected?.headers['session'] ?? '';
      const stranger = await stage.connect(transport);
      for (const each of [client, stranger]) await each.receipt('SUBSCRIBE', { id: 's', destination: '/user/queue/x' });
      await stranger.receipt('SEND', { destination: `/user/${encodeURIComponent(session)}/queue/x` }, 'private');
      expect(await nextBody(client)).toBe('private');
      expect(await bodiesUntilNow(stranger)).toEqual([]);
    });

    test('a user queue may have slashes in its name and supports acks', async () => {
      const login = unique('user');
      const own = await stage.connect(transport, { login });
      await own.receipt('SUBSCRIBE', { id: 's', destination: '/user/queue/a/b', ack: 'client' });
      await client.receipt('SEND', { destination: `/user/${login}/queue/a/b` }, 'x');
      const { headers } = await own.expectFrame('MESSAGE', { destination: '/user/queue/a/b' });
      await own.receipt('ACK', { id: headers['ack'] ?? '' });
    });
  });
});
