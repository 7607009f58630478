/** Publishing to a real node: the shared channel, and messages that cannot be routed. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import type { RoutedMessage } from '../../server/src/brokers/broker.js';
import type { RabbitMqBroker } from '../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import { publishNow, publishTo } from '../../server/src/contract/publish-to.js';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { parseDestination } from '../../server/src/destinations/destination.js';
import { bodies, Brokers, codeOf, message, NO_HEADERS, send, shared, uniqueName } from '../support/rabbitmq-brokers.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';

let vhost: Vhost;
let brokers: Brokers;
let broker: RabbitMqBroker;
let backend: amqp.ChannelModel;
let channel: amqp.ConfirmChannel;

beforeAll(async () => {
  vhost = await createVhost();
  brokers = new Brokers(vhost.amqpUrl);
  broker = await brokers.start();
  backend = await amqp.connect(vhost.amqpUrl);
  channel = await backend.createConfirmChannel();
}, 60_000);
afterAll(async () => {
  await backend.close();
  await brokers.closeAll();
  await vhost.delete();
});

/** Listens on a new topic, so that a test can show that other publishers are not affected. */
async function listen(): Promise<{ topic: string; inbox: Inbox<RoutedMessage> }> {
  const topic = `/topic/${uniqueName('t')}`;
  const inbox = new Inbox<RoutedMessage>();
  await broker.subscribe(shared(topic), NO_HEADERS, inbox.add);
  return { topic, inbox };
}

async function takeAll(queue: string): Promise<string[]> {
  const taken: string[] = [];
  for (let got = await channel.get(queue, { noAck: true }); got; got = await channel.get(queue, { noAck: true })) {
    taken.push(got.content.toString());
  }
  return taken;
}

/** Publishes without waiting for readiness, like a session whose checks have passed. */
function publish(destination: string, body: string, mandatory = false): Promise<void> {
  return publishNow(broker, parseDestination(destination, 'send'), message(body), { mandatory });
}

describe('the shared channel', () => {
  test('is not closed by a missing exchange, because a check comes first', async () => {
    const { topic, inbox } = await listen();
    const sends = Array.from({ length: 20 }, () =>
      codeOf(() => send(broker, `/exchange/${uniqueName()}/k`, message('x'))),
    );
    await send(broker, topic, message('y'));
    expect(new Set(await Promise.all(sends))).toEqual(new Set(['exchange-not-found']));
    expect((await inbox.atLeast(1))[0]!.resent).toBe(false);
  });

  test('costs only the offending publisher if an exchange is deleted after its check', async () => {
    const { topic, inbox } = await listen();
    const exchange = uniqueName('gone');
    await channel.assertExchange(exchange, 'direct', { durable: false });
    await send(broker, `/exchange/${exchange}/k`, message('x'));
    await channel.deleteExchange(exchange);
    const before = Array.from({ length: 50 }, (_, i) => publish(topic, `before ${i}`));
    const bad = codeOf(() => publish(`/exchange/${exchange}/k`, 'bad'));
    const after = Array.from({ length: 50 }, (_, i) => publish(topic, `after ${i}`));
    expect(await bad).toBe('exchange-not-found');
    await Promise.all([...before, ...after]);
    const expected = [
      ...Array.from({ length: 50 }, (_, i) => `before ${i}`),
      ...Array.from({ length: 50 }, (_, i) => `after ${i}`),
    ];
    const received = await inbox.until((items) => new Set(bodies(items)).size === 100);
    // Some may come twice, marked; the first arrivals are in order
    const firsts = bodies(received).filter((body, i, all) => all.indexOf(body) === i);
    expect(firsts).toEqual(expected);
    const seen = new Set<string>();
    for (const { body, resent } of received) {
      expect(seen.has(body.toString()) && !resent).toBe(false);
      seen.add(body.toString());
    }
    expect(await codeOf(() => send(broker, `/exchange/${exchange}/k`, message('x')))).toBe('exchange-not-found');
  });

  test('costs only the offending publisher if an internal exchange closes it, and refuses that exchange afterwards', async () => {
    const { topic, inbox } = await listen();
    const exchange = uniqueName('internal');
    await channel.assertExchange(exchange, 'direct', { durable: false, internal: true });
    const bad = codeOf(() => send(broker, `/exchange/${exchange}/k`, message('x')));
    const good = Promise.all(Array.from({ length: 20 }, (_, i) => send(broker, topic, message(String(i)))));
    expect(await bad).toBe('access-refused');
    await good;
    await inbox.until((items) => new Set(bodies(items)).size === 20);
    await expect(
      publishTo(broker, parseDestination(`/exchange/${exchange}/k`, 'send'), message('x')),
    ).rejects.toMatchObject({ code: 'access-refused' });
    await channel.deleteExchange(exchange);
  });

  test('gets no message with invalid headers', async () => {
    const { topic, inbox } = await listen();
    const refused = (headers: Record<string, string>) => codeOf(() => send(broker, topic, message('x', headers)));
    expect(await refused({ 'user-id': 'guest' })).toBe('invalid-header');
    expect(await refused({ CC: 'k' })).toBe('invalid-header');
    expect(await refused({ expiration: 'soon' })).toBe('invalid-header');
    expect(await refused({ 'reply-to': 'amq.rabbitmq.reply-to' })).toBe('invalid-header');
    const many = Object.fromEntries(Array.from({ length: 9_000 }, (_, i) => [`h${i}`, '']));
    expect(await refused(many)).toBe('invalid-header');
    expect(await codeOf(() => send(broker, '/queue/q', message('x', { 'x-message-ttl': 'soon' })))).toBe(
      'invalid-header',
    );
    await send(broker, topic, message('y'));
    expect(bodies(await inbox.atLeast(1))).toEqual(['y']);
  });
});

describe('routing', () => {
  test('a mandatory message without a queue is refused, and no other', async () => {
    const { topic } = await listen();
    const unrouted = `/topic/${uniqueName('unrouted')}`;
    const results = await Promise.all([
      codeOf(() => send(broker, topic, message('a'), true)),
      codeOf(() => send(broker, unrouted, message('b'), true)),
      codeOf(() => send(broker, unrouted, message('c'))),
      codeOf(() => send(broker, topic, message('d'), true)),
      codeOf(() => send(broker, `/amq/queue/${uniqueName('none')}`, message('e'))),
      codeOf(() => send(broker, `/reply-queue/${uniqueName('none')}`, message('f'), true)),
    ]);
    const codes = ['no error', 'unroutable', 'no error', 'no error', 'queue-not-found', 'unroutable'];
    expect(results).toEqual(codes);
  });

  test('a vanished queue is declared again, and its messages arrive in order', async () => {
    const queue = uniqueName('q');
    await send(broker, `/queue/${queue}`, message('first'));
    await channel.deleteQueue(queue);
    // The queue is known, so there is no check
    const destination = parseDestination(`/queue/${queue}`, 'send');
    expect(broker.publication(destination, message('x'), { mandatory: false }).ready).toBeUndefined();
    await Promise.all(['a', 'b', 'c'].map((body) => publish(`/queue/${queue}`, body)));
    expect(await takeAll(queue)).toEqual(['a', 'b', 'c']);
  });

  test('a user cannot declare a long chain of queues with dead letters, and other users can still declare theirs', async () => {
    const chain = uniqueName('chain');
    const sendAs = (account: string, index: number) => {
      const headers = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': `${chain}.${index + 1}` };
      const destination = parseDestination(`/queue/${chain}.${index}`, 'send');
      return publishTo(broker, destination, message('x', headers), { mandatory: false, account });
    };
    const mallory = uniqueName('mallory');
    for (let i = 0; i < 16; i++) await sendAs(mallory, i);
    await expect(sendAs(mallory, 16)).rejects.toThrow(/queues\.arguments\.deadLetterQueuesMax \(16\)/);
    await sendAs(uniqueName('ann'), 16);
    await sendAs(mallory, 15);
  });

  test('a full queue with reject-publish causes publish-refused', async () => {
    const queue = `/queue/${uniqueName('full')}`;
    const headers = { 'x-max-length': '1', 'x-overflow': 'reject-publish' };
    await send(broker, queue, message('fits', headers));
    expect(await codeOf(() => send(broker, queue, message('does not', headers)))).toBe('publish-refused');
  });

  test('headers become properties for a back end, and arrive unchanged at a subscriber', async () => {
    const { topic, inbox } = await listen();
    const queue = uniqueName('q');
    const headers = {
      'content-type': 'text/plain',
      persistent: 'true',
      priority: '3',
      'correlation-id': 'c',
      'reply-to': '/queue/answers',
      expiration: '60000',
      'amqp-message-id': 'm',
      timestamp: '1700000000',
      type: 't',
      'app-id': 'app',
      own: 'value',
      __proto__x: 'y',
    };
    await send(broker, `/queue/${queue}`, message('x', headers));
    const got = await channel.get(queue, { noAck: true });
    if (!got) throw new Error('no message');
    expect(got.properties).toMatchObject({
      contentType: 'text/plain',
      deliveryMode: 2,
      priority: 3,
      correlationId: 'c',
      replyTo: '/queue/answers',
      expiration: '60000',
      messageId: 'm',
      timestamp: 1700000000,
      type: 't',
      appId: 'app',
    });
    expect(Object.keys(got.properties.headers ?? {}).sort()).toEqual(['__proto__x', 'own', 'relay-id']);
    await send(broker, topic, message('x', headers));
    expect(Object.fromEntries((await inbox.atLeast(1))[0]!.headers)).toEqual(headers);
  });
});

describe('limits', () => {
  test('beyond the unconfirmed limit publishers wait, and all messages arrive in order', async () => {
    const narrow = await brokers.start({ unconfirmedMax: 4 });
    const queue = uniqueName('q');
    await send(narrow, `/queue/${queue}`, message('first'));
    const sends: Promise<void>[] = [];
    let most = 0;
    for (let i = 0; i < 200; i++) {
      sends.push(
        send(narrow, `/queue/${queue}`, message(String(i))).then(
          () => void (most = Math.max(most, narrow.gauges.unconfirmed)),
        ),
      );
    }
    await Promise.all(sends);
    expect(most).toBeLessThanOrEqual(4);
    expect(await takeAll(queue)).toEqual(['first', ...Array.from({ length: 200 }, (_, i) => String(i))]);
  });

  test('closing waits for confirms', async () => {
    const closing = await brokers.start();
    const queue = uniqueName('q');
    await send(closing, `/queue/${queue}`, message('first', { persistent: 'true' }));
    const destination = parseDestination(`/queue/${queue}`, 'send');
    const sends = Array.from({ length: 100 }, () =>
      publishNow(closing, destination, message('x', { persistent: 'true' })),
    );
    await closing.close();
    await Promise.all(sends);
    expect(await takeAll(queue)).toHaveLength(101);
    expect(await codeOf(() => publishNow(closing, destination, message('x')))).toBe('broker-unavailable');
  });

  test('large messages arrive whole and in order', async () => {
    const { topic, inbox } = await listen();
    const body = 'x'.repeat(3 * 1024 * 1024);
    for (let i = 0; i < 12; i++) await send(broker, topic, message(body + i));
    const received = await inbox.atLeast(12);
    expect(received.map(({ body: bytes }) => bytes.length - body.length)).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2]);
    expect(bodies(received).map((text) => text.slice(body.length))).toEqual(
      Array.from({ length: 12 }, (_, i) => String(i)),
    );
  });
});
