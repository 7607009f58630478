/** AMQP back ends behind RabbitMQ: their messages as STOMP frames, and SENDs as AMQP messages. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { connect } from 'amqplib';
import type { Channel, ChannelModel, GetMessage } from 'amqplib';
import { eventually } from '../../support/deadline.js';
import { TRANSPORTS } from '../../support/relay.js';
import { nextBody, refuses, stageRelays, unique } from './relay-stage.js';

describe.each(TRANSPORTS)('over %s', (transport) => {
  let connection: ChannelModel;
  let amqp: Channel;
  afterAll(() => connection.close()); // before the stage deletes its vhost
  const stage = stageRelays('rabbitmq');
  beforeAll(async () => {
    connection = await connect(stage.broker.url);
    amqp = await connection.createChannel();
  });

  /** The next message of a queue, fetched over AMQP. */
  const fetched = (queue: string): Promise<GetMessage> =>
    eventually(
      async () => (await amqp.get(queue, { noAck: true })) || undefined,
      10_000,
      () => 'no message arrived',
    );

  const properties = {
    contentType: 'application/json',
    contentEncoding: 'gzip',
    deliveryMode: 2,
    priority: 4,
    correlationId: 'c-1',
    expiration: '60000',
    messageId: 'm-1',
    timestamp: 1_700_000_000,
    type: 'a-type',
    appId: 'an-app',
  };
  const headers = {
    'content-type': 'application/json',
    'content-encoding': 'gzip',
    persistent: 'true',
    priority: '4',
    'correlation-id': 'c-1',
    expiration: '60000',
    'amqp-message-id': 'm-1',
    timestamp: '1700000000',
    type: 'a-type',
    'app-id': 'an-app',
  };

  test.each(['topic', 'queue', 'exchange'])(
    'AMQP properties and typed headers arrive as text headers, by %s',
    async (kind) => {
      const name = unique();
      const client = await stage.connect(transport);
      const destination = kind === 'exchange' ? `/exchange/amq.direct/${name}` : `/${kind}/${name}`;
      await client.receipt('SUBSCRIBE', { id: 's', destination });
      const typed = { text: 'a:b\nc', int: 42, negative: -1, float: 1.5, yes: true, no: false, nothing: null };
      const nested = { table: { a: 1 }, list: [1, 'two'], date: { '!': 'timestamp', value: 1_700_000_000 } };
      const exchange = { topic: 'amq.topic', queue: '', exchange: 'amq.direct' }[kind] ?? '';
      amqp.publish(exchange, name, Buffer.from('{}'), { ...properties, headers: { ...typed, ...nested } });
      const message = await client.expectFrame('MESSAGE', { destination, subscription: 's', ...headers });
      expect(message.headers).toMatchObject({
        text: 'a:b\nc',
        int: '42',
        negative: '-1',
        float: '1.5',
        yes: 'true',
        no: 'false',
      });
      expect(message.headers['table']).toContain('1');
      expect(message.headers['list']).toContain('two');
      expect(message.body.toString()).toBe('{}');
    },
  );

  describe.each(['topic', 'exchange', 'queue'])('a %s', (kind) => {
    const nested = (depth: number): object => (depth === 1 ? {} : { a: nested(depth - 1) });

    async function subscribe() {
      const name = unique();
      const client = await stage.connect(transport);
      const destination = kind === 'exchange' ? `/exchange/amq.direct/${name}` : `/${kind}/${name}`;
      await client.receipt('SUBSCRIBE', { id: 's', destination });
      const exchange = { topic: 'amq.topic', queue: '', exchange: 'amq.direct' }[kind] ?? '';
      const publish = (body: string, table: object) => {
        amqp.publish(exchange, name, Buffer.from(body), { headers: table as Record<string, unknown> });
      };
      return { client, publish };
    }

    test('keeps the digits of large integers, and a header named __proto__', async () => {
      const { client, publish } = await subscribe();
      const long = (value: bigint) => ({ '!': 'long', value });
      const table = { large: long(9_007_199_254_740_993n), least: long(-(2n ** 63n)), list: [long(2n ** 63n - 1n)] };
      const named: object = Object.fromEntries([['__proto__', 'kept']]);
      publish('x', { ...table, ...named });
      const message = await client.expectFrame('MESSAGE', {
        large: '9007199254740993',
        least: '-9223372036854775808',
        list: '[9223372036854775807]',
      });
      expect(Object.entries(message.headers)).toContainEqual(['__proto__', 'kept']);
    });

    test('loses only the message whose table is nested too deeply', async () => {
      const { client, publish } = await subscribe();
      publish('fits', nested(60));
      publish('too deep', nested(65));
      publish('far too deep', nested(2_000));
      publish('after it', {});
      expect([await nextBody(client), await nextBody(client)]).toEqual(['fits', 'after it']);
    });
  });

  test('AMQP headers cannot replace the headers of a MESSAGE', async () => {
    const name = unique();
    const client = await stage.connect(transport);
    await client.receipt('SUBSCRIBE', { id: 's', destination: `/topic/${name}` });
    const forged = { destination: '/queue/x', subscription: 'x', 'message-id': 'x', 'content-length': '1', ack: 'x' };
    amqp.publish('amq.topic', name, Buffer.from('body'), { headers: { ...forged, redelivered: 'true' } });
    const message = await client.expectFrame('MESSAGE', { subscription: 's', destination: `/topic/${name}` });
    expect(message.body.toString()).toBe('body');
    expect(message.headers).not.toHaveProperty('ack');
    expect(message.headers['redelivered']).toBe('false');
  });

  test('the headers of a SEND become AMQP properties and text headers', async () => {
    const queue = unique();
    const client = await stage.connect(transport);
    await client.receipt('SEND', { destination: `/queue/${queue}`, ...headers, 'x-mine': '1', receipt: 'r' }, '{}');
    const message = await fetched(queue);
    expect(message.properties).toMatchObject(properties);
    expect(message.properties.headers).toMatchObject({ 'x-mine': '1' });
    for (const name of ['destination', 'receipt', 'content-length', 'content-type', 'transaction']) {
      expect(message.properties.headers).not.toHaveProperty(name);
    }
    expect(message.content.toString()).toBe('{}');
  });

  test('a message without persistent is transient, and the queue behind /queue is durable', async () => {
    const queue = unique();
    const client = await stage.connect(transport);
    await client.receipt('SEND', { destination: `/queue/${queue}` }, 'x');
    expect((await fetched(queue)).properties.deliveryMode).not.toBe(2);
    await amqp.assertQueue(queue, { durable: true });
  });

  test('a back end can answer one session of a user or all sessions', async () => {
    const [queue, x, user] = [unique(), unique(), unique('ann')];
    const [one, other] = [
      await stage.connect(transport, { login: user }),
      await stage.connect(transport, { login: user }),
    ];
    for (const each of [one, other]) await each.receipt('SUBSCRIBE', { id: 's', destination: `/user/queue/${x}` });
    await one.receipt('SEND', { destination: `/queue/${queue}`, user: 'admin', session: 'another' }, 'question');
    const { user: asker, session } = (await fetched(queue)).properties.headers as Record<string, string>;
    expect([asker, session]).toEqual([user, one.session]);
    const answer = (body: string, headers: object) =>
      amqp.publish('stomp-relay.user', `${x}.${user}`, Buffer.from(body), { headers });
    answer('for one', { session });
    answer('for all', {});
    expect([await nextBody(one), await nextBody(one)]).toEqual(['for one', 'for all']);
    expect(await nextBody(other)).toBe('for all');
  });

  test('a client receives the reply of a back end to a request with reply-to:/temp-queue', async () => {
    const queue = unique();
    await amqp.assertQueue(queue);
    await amqp.consume(queue, (message) => {
      if (message === null) return; // at the end of the tests
      const { replyTo, correlationId } = message.properties as { replyTo: string; correlationId: string };
      amqp.sendToQueue(replyTo, Buffer.from('answer'), { correlationId });
    });
    const client = await stage.connect(transport);
    const request = { destination: `/amq/queue/${queue}`, 'reply-to': '/temp-queue/a', 'correlation-id': '9' };
    client.sendFrame('SEND', request, 'question');
    const reply = await client.expectFrame('MESSAGE', { subscription: '/temp-queue/a', 'correlation-id': '9' });
    expect(reply.body.toString()).toBe('answer');
  });

  test('a client exchanges messages with a back end over the back end’s own exchange', async () => {
    const exchange = unique('exchange');
    await amqp.assertExchange(exchange, 'topic', { durable: false });
    const client = await stage.connect(transport);
    await client.receipt('SUBSCRIBE', { id: 's', destination: `/exchange/${exchange}/a.*` });
    amqp.publish(exchange, 'a.b', Buffer.from('from AMQP'));
    expect(await nextBody(client, { destination: `/exchange/${exchange}/a.b` })).toBe('from AMQP');
    client.sendFrame('SEND', { destination: `/exchange/${exchange}/a.c` }, 'from STOMP');
    expect(await nextBody(client, { destination: `/exchange/${exchange}/a.c` })).toBe('from STOMP');
  });

  test('a SEND to an internal exchange is refused, without an effect on other clients', async () => {
    const exchange = unique('internal');
    await amqp.assertExchange(exchange, 'topic', { durable: false, internal: true });
    const other = await stage.connect(transport);
    const topic = `/topic/${unique()}`;
    await other.receipt('SUBSCRIBE', { id: 's', destination: topic });
    await refuses(await stage.connect(transport), 'SEND', { destination: `/exchange/${exchange}/a` }, 'access-refused');
    await other.receipt('SEND', { destination: topic }, 'x');
    expect(await nextBody(other)).toBe('x');
  });

  test('a SEND to an exchange deleted after an earlier SEND is refused, without an effect on other clients', async () => {
    const exchange = unique('gone');
    await amqp.assertExchange(exchange, 'direct', { durable: false });
    const [client, other] = [await stage.connect(transport), await stage.connect(transport)];
    await client.receipt('SEND', { destination: `/exchange/${exchange}/a` }, 'x');
    await amqp.deleteExchange(exchange);
    await refuses(client, 'SEND', { destination: `/exchange/${exchange}/a` }, 'exchange-not-found');
    await other.receipt('SEND', { destination: `/topic/${unique()}` }, 'x');
  });

  test('a queue deleted under its consumer is declared again, or the session ends', async () => {
    const queue = unique();
    const client = await stage.connect(transport);
    await client.receipt('SUBSCRIBE', { id: 's', destination: `/queue/${queue}` });
    await amqp.deleteQueue(queue);
    const sender = await stage.connect(transport);
    const outcome = await eventually(
      async () => {
        if (client.isClosed) return 'ended';
        await sender.receipt('SEND', { destination: `/queue/${queue}` }, 'x');
        return client.received().some((each) => each.command === 'MESSAGE') ? 'declared again' : undefined;
      },
      10_000,
      () => 'the queue was not declared again, and the session goes on',
    );
    expect(outcome).toMatch(/ended|declared again/);
  });

  test('a message with CC from a back end reaches the topic of the copy', async () => {
    const [to, copy] = [unique(), unique()];
    const client = await stage.connect(transport);
    await client.receipt('SUBSCRIBE', { id: 'cc', destination: `/topic/${copy}` });
    amqp.publish('amq.topic', to, Buffer.from('x'), { CC: copy });
    expect(await nextBody(client, { subscription: 'cc' })).toBe('x');
  });
});
