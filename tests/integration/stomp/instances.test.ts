/** Two relays on one RabbitMQ: traffic and receipts between them, and the cost of topics at the broker. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/deadline.js';
import { createVhost } from '../../support/rabbitmq.js';
import type { Vhost } from '../../support/rabbitmq.js';
import { startRelay, TRANSPORTS } from '../../support/relay.js';
import { connectStomp, frame } from '../../support/stomp-client.js';
import type { StompClient } from '../../support/stomp-client.js';
import { bodiesUntilNow, nextBodies, nextBody, refuses, stageRelays, unique } from './relay-stage.js';

describe.each(TRANSPORTS)('over %s', (transport) => {
  const stage = stageRelays('rabbitmq', { instances: 2, config: { session: { ackGraceMs: 0 } } });
  const user = unique('user');
  let here: StompClient;
  let there: StompClient;
  beforeEach(async () => {
    here = await stage.connect(transport, { login: user });
    there = await stage.connect(transport, { login: user }, { instance: 1 });
  });

  describe.each([
    ['/topic/N', '/topic/N'],
    ['/topic/N/*', '/topic/N.a'],
    ['/topic/N.#', '/topic/N'],
    ['/exchange/amq.direct/N', '/exchange/amq.direct/N'],
    ['/exchange/amq.fanout', '/exchange/amq.fanout'],
    ['/queue/N', '/queue/N'],
    ['/user/queue/N', '/user/U/queue/N'],
  ])('%s', (subscribed, sent) => {
    const names = () => {
      const n = unique();
      return [subscribed, sent].map((each) => each.replace('N', n).replace('U', user)) as [string, string];
    };

    test.each(['auto', 'client'])(
      'ack:%s: after the receipt of SUBSCRIBE, a message sent at once to the other instance arrives',
      async (ack) => {
        // Repeated, because a race may pass by chance.
        for (let i = 0; i < 10; i++) {
          const [from, to] = names();
          await here.receipt('SUBSCRIBE', { id: `s${i}`, destination: from, ack });
          there.sendFrame('SEND', { destination: to }, `${i}`);
          expect(await nextBody(here, { subscription: `s${i}` })).toBe(`${i}`);
          await here.receipt('UNSUBSCRIBE', { id: `s${i}` });
        }
      },
    );

    test('messages sent to the other instance arrive in order, once each and complete', async () => {
      const [from, to] = names();
      await here.receipt('SUBSCRIBE', { id: 's', destination: from });
      const bodies = Array.from({ length: 500 }, (_, i) => String(i));
      there.send(Buffer.concat(bodies.map((body) => frame('SEND', { destination: to }, body))));
      expect(await nextBodies(here, bodies.length)).toEqual(bodies);
      expect(await bodiesUntilNow(here)).toEqual([]);
    });
  });

  test.each(['auto', 'client'])(
    'ack:%s: a message for one session of a user reaches only that session, in order, on either instance',
    async (ack) => {
      const [x, sender] = [unique(), await stage.connect(transport, { login: 'bob' })];
      const destination = `/user/${user}/queue/${x}`;
      for (const each of [here, there])
        await each.receipt('SUBSCRIBE', { id: 's', destination: `/user/queue/${x}`, ack });
      const sendings: [string, string?][] = [
        ['1'],
        ['2', here.session],
        ['3', there.session],
        ['4', 'unknown'],
        ['5'],
        ['6', there.session],
        ['7'],
      ];
      for (const [body, session] of sendings) {
        await sender.receipt('SEND', { destination, ...(session !== undefined && { session }) }, body);
      }
      expect(await nextBodies(here, 4)).toEqual(['1', '2', '5', '7']);
      expect(await nextBodies(there, 5)).toEqual(['1', '3', '5', '6', '7']);
      for (const each of [here, there]) expect(await bodiesUntilNow(each)).toEqual([]);
    },
  );

  test('subscribers on both instances get each message of a topic once, whichever instance receives the SEND', async () => {
    const destination = `/topic/${unique()}`;
    for (const each of [here, there]) await each.receipt('SUBSCRIBE', { id: 's', destination });
    here.sendFrame('SEND', { destination }, 'from here');
    for (const each of [here, there]) expect(await nextBody(each)).toBe('from here');
    there.sendFrame('SEND', { destination }, 'from there');
    for (const each of [here, there]) expect(await nextBody(each)).toBe('from there');
    for (const each of [here, there]) expect(await bodiesUntilNow(each)).toEqual([]);
  });

  test('consumers of a queue on two instances share its messages', async () => {
    const destination = `/queue/${unique()}`;
    for (const each of [here, there]) {
      await each.receipt('SUBSCRIBE', { id: 's', destination, ack: 'client', 'prefetch-count': '3' });
    }
    for (let i = 0; i < 6; i++) await here.receipt('SEND', { destination }, String(i));
    const held = await nextBodies(here, 3);
    const others = [await there.expectFrame('MESSAGE'), await there.expectFrame('MESSAGE')];
    const last = await there.expectFrame('MESSAGE');
    expect([...held, ...[...others, last].map((each) => each.body.toString())].sort()).toEqual([...'012345']);
    here.destroy();
    await there.receipt('ACK', { id: last.headers['ack'] ?? '' });
    expect(await nextBodies(there, 3)).toEqual(held);
  });

  test('a reply reaches the temporary queue of a session on the other instance', async () => {
    const destination = `/topic/${unique()}`;
    await there.receipt('SUBSCRIBE', { id: 's', destination });
    here.sendFrame('SEND', { destination, 'reply-to': '/temp-queue/r' }, 'question');
    const { headers } = await there.expectFrame('MESSAGE');
    there.sendFrame('SEND', { destination: headers['reply-to'] ?? '' }, 'answer');
    expect(await nextBody(here, { subscription: '/temp-queue/r' })).toBe('answer');
  });

  test('a durable subscription can be taken over from the other instance, but has only one holder at a time', async () => {
    const destination = `/topic/${unique()}`;
    const durable = { id: 'news', destination, durable: 'true' };
    await here.receipt('SUBSCRIBE', durable);
    await refuses(there, 'SUBSCRIBE', durable, 'queue-in-use');
    await here.receipt('UNSUBSCRIBE', { id: 'news' });
    await here.receipt('SEND', { destination }, 'meanwhile');
    const next = await stage.connect(transport, { login: user }, { instance: 1 });
    await next.receipt('SUBSCRIBE', durable);
    expect(await nextBody(next)).toBe('meanwhile');
    await next.receipt('UNSUBSCRIBE', { id: 'news', durable: 'true' });
  });

  test('a message from the other instance reaches an anonymous session by its id', async () => {
    const anonymous = await stage.connect(transport);
    await anonymous.receipt('SUBSCRIBE', { id: 's', destination: '/user/queue/x' });
    there.sendFrame('SEND', { destination: `/user/${anonymous.connected?.headers['session'] ?? ''}/queue/x` }, 'you');
    expect(await nextBody(anonymous)).toBe('you');
  });

  test('a transaction committed on one instance reaches the other complete and in order', async () => {
    const destination = `/topic/${unique()}`;
    await here.receipt('SUBSCRIBE', { id: 's', destination });
    await there.receipt('BEGIN', { transaction: 't' });
    for (const body of ['a', 'b', 'c']) there.sendFrame('SEND', { destination, transaction: 't' }, body);
    await there.receipt('COMMIT', { transaction: 't' });
    expect(await nextBodies(here, 3)).toEqual(['a', 'b', 'c']);
  });
});

test('10,000 subscribers of one topic cost RabbitMQ one queue and one binding', async () => {
  const vhost: Vhost = await createVhost();
  const relay = await startRelay(vhost.amqpUrl);
  const clients: StompClient[] = [];
  try {
    const topic = unique();
    const destination = `/topic/${topic}`;
    for (let i = 0; i < 20; i++) clients.push(await connectStomp(i % 2 === 0 ? relay.webSocketUrl : relay.tcpUrl));
    for (const client of clients) {
      client.send(
        Buffer.concat(Array.from({ length: 500 }, (_, i) => frame('SUBSCRIBE', { id: `s${i}`, destination }))),
      );
    }
    await Promise.all(clients.map((client) => client.receipt('BEGIN', { transaction: 't' })));
    const bindings = async () => {
      const all = (await vhost.api('GET', 'bindings')) as { source: string; routing_key: string }[];
      return all.filter((each) => each.source === 'amq.topic' && each.routing_key === topic).length;
    };
    expect(await bindings()).toBe(1);
    const queues = (await vhost.api('GET', 'queues')) as unknown[];
    expect(queues.length).toBeLessThanOrEqual(2); // one for topics, one for users

    clients[0]?.sendFrame('SEND', { destination }, 'x');
    for (const client of clients) {
      const ids = new Set<string | undefined>();
      for (let i = 0; i < 500; i++) ids.add((await client.expectFrame('MESSAGE')).headers['subscription']);
      expect(ids.size).toBe(500);
    }
    for (const client of clients) client.destroy();
    const isUnbound = async () => ((await bindings()) === 0 ? true : undefined);
    await eventually(isUnbound, 10_000, () => 'the binding stays');
  } finally {
    for (const client of clients) client.destroy();
    await relay.stop();
    await vhost.delete();
  }
}, 60_000);
