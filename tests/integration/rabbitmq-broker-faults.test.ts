/**
 * All faults of the network between a relay and RabbitMQ that the proxy can cause, and the rules that must hold
 * afterwards: no confirmed message is lost, order is kept, and RabbitMQ has exactly the objects that the relay's
 * sessions want.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, jest, test } from '@jest/globals';
import amqp from 'amqplib';
import type { BrokerError, BrokerSubscription, RoutedMessage } from '../../server/src/brokers/broker.js';
import { AmqpConnection } from '../../server/src/brokers/rabbitmq/amqp/amqp-connection.js';
import type { RabbitMqBroker } from '../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import type { RabbitMqOptions } from '../../server/src/brokers/rabbitmq/rabbitmq-options.js';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { eventually } from '../support/deadline.js';
import {
  Brokers,
  codeOf,
  Consuming,
  DEADLINE_MS,
  message,
  next,
  NO_HEADERS,
  own,
  rabbitOptions,
  send,
  shared,
  uniqueName,
} from '../support/rabbitmq-brokers.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { TcpProxy } from '../support/tcp-proxy.js';

/** A silent peer is detected after two of these heart-beats. */
const QUICK = { heartbeatSeconds: 1, connectTimeoutMs: 1_000, publishTimeoutMs: 30_000 };
const FAULT_MS = 30_000;
const owner = { sessionId: 's', user: 'alice', clientId: undefined };
const acked = (headers: Record<string, string> = {}) => ({
  ack: 'client-individual' as const,
  headers: new Map(Object.entries(headers)),
  subscriptionId: 'sub-0',
});

let vhost: Vhost;
let backend: amqp.ChannelModel;
let proxy: TcpProxy;
let brokers: Brokers;
beforeAll(async () => {
  vhost = await createVhost();
  backend = await amqp.connect(vhost.amqpUrl);
}, 60_000);
afterAll(async () => {
  await backend.close();
  await vhost.delete();
});
beforeEach(async () => {
  proxy = await TcpProxy.start(vhost.amqpUrl);
  brokers = new Brokers(proxy.url(vhost.amqpUrl));
});
afterEach(async () => {
  jest.restoreAllMocks();
  proxy.restore();
  await brokers.closeAll();
  await proxy.close();
}, 60_000);

function start(overrides: Partial<RabbitMqOptions> = {}): Promise<RabbitMqBroker> {
  return brokers.start({ ...QUICK, ...overrides });
}

/** Each body once, in the order of its first arrival. */
const firsts = (all: readonly string[]): string[] => [...new Set(all)];
const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => String(i));

test('the queue of a relay that does not read keeps the newest messages', async () => {
  const BYTES = 4_096;
  const COUNT = 16_384;
  const broker = await start({ instanceQueueMaxBytes: 1024 * 1024, heartbeatSeconds: 60 });
  const key = uniqueName();
  const seen = new Inbox<RoutedMessage>();
  await broker.subscribe(shared(`/topic/${key}`), NO_HEADERS, seen.add);
  proxy.hold('answers');
  const channel = await backend.createConfirmChannel();
  const body = Buffer.alloc(BYTES);
  for (let i = 0; i < COUNT; i++) {
    body.writeUInt32BE(i);
    channel.publish('amq.topic', key, Buffer.from(body));
  }
  await channel.waitForConfirms();
  proxy.restore();
  const orders = (): number[] => seen.all.map((arrived) => arrived.body.readUInt32BE());
  await seen.until((all) => all.at(-1)?.body.readUInt32BE() === COUNT - 1, FAULT_MS, 'the newest');
  expect(orders()).toEqual([...orders()].sort((a, b) => a - b));
  // The amount that TCP buffers on both sides of the proxy, and that RabbitMQ sends before it notices: less than the 64
  // MiB that were published
  expect(seen.all.length * BYTES).toBeLessThan(32 * 1024 * 1024);
  await channel.close();
}, 60_000);

describe('traffic continues, complete and in order, after', () => {
  /** For some seconds RabbitMQ delivers half of a queue's messages to the dead consumer. They come again later. */
  const GHOST = 'an end that RabbitMQ does not notice (complete, in no order)';
  /** After each of these the network works again. */
  const FAULTS: Record<string, (broker: RabbitMqBroker) => Promise<void>> = {
    'a reset': async (broker) => {
      const down = next(broker, 'down');
      proxy.reset();
      await down;
    },
    'a partition that drops everything': async (broker) => {
      const down = next(broker, 'down');
      proxy.hold();
      await down;
      proxy.restore();
    },
    'answers that are lost': async (broker) => {
      const down = next(broker, 'down');
      proxy.hold('answers');
      await down;
      proxy.drop();
      proxy.restore();
    },
    'an end that the relay does not notice': async (broker) => {
      const down = next(broker, 'down');
      proxy.halfOpen('server');
      await down;
    },
    [GHOST]: async (broker) => {
      const down = next(broker, 'down');
      proxy.halfOpen('client');
      await down;
    },
    'a partition that ends unnoticed': async () => {
      proxy.hold();
      await pause(proxy);
      proxy.restore();
    },
    delay: () => {
      proxy.delay(50);
      return Promise.resolve();
    },
  };
  /** Waits until another connection to the proxy has failed: long for a network, but short for heart-beats. */
  async function pause(through: TcpProxy): Promise<void> {
    const probe = new AmqpConnection('probe', rabbitOptions(through.url(vhost.amqpUrl), { connectTimeoutMs: 300 }));
    probe.start();
    await expect(probe.whenUp(300)).rejects.toMatchObject({ code: 'broker-unavailable' });
    await probe.close();
  }

  test.each(Object.keys(FAULTS))(
    '%s',
    async (name) => {
      const broker = await start();
      const [topic, queue, exclusive] = [`/topic/${uniqueName()}`, `/queue/${uniqueName()}`, `/topic/${uniqueName()}`];
      const seen = new Inbox<RoutedMessage>();
      await broker.subscribe(shared(topic), NO_HEADERS, seen.add);
      const channel = broker.openChannel(owner);
      const [consumer, holder] = [new Consuming('ack'), new Consuming('ack')];
      await channel.consume(own(queue), acked(), consumer);
      await channel.consume(own(exclusive), acked({ durable: 'true' }), holder);
      const sent: Promise<void>[] = [];
      const sendMore = (): void => {
        for (let i = 0; i < 100; i++) {
          sent.push(send(broker, queue, message(String(sent.length), { persistent: 'true' })));
        }
      };
      // The relay knows the queue from now on. Until then each message asks for it, and only sessions wait in order
      const first = send(broker, queue, message('0', { persistent: 'true' }));
      sent.push(first);
      await first;
      sendMore();
      const faulted = FAULTS[name]?.(broker);
      sendMore();
      await faulted;
      sendMore();
      await Promise.all(sent);
      await consumer.deliveries.until(
        (all) => new Set(all.map((each) => each.message.body.toString())).size === 301,
        FAULT_MS,
      );
      if (name !== GHOST) expect(firsts(consumer.bodies)).toEqual(numbers(301));
      for (const { message: twice, redelivered } of consumer.deliveries.all.filter(isRepeated())) {
        expect(twice.resent || redelivered).toBe(true);
      }
      // No event reports when a shared subscription and an exclusive holder are back: send until both receive
      await eventually(
        async () => {
          for (const destination of [topic, exclusive]) await send(broker, destination, message('back'));
          return seen.all.length > 0 && holder.deliveries.all.length > 0 ? true : undefined;
        },
        FAULT_MS,
        () => `${seen.all.length} on the topic, ${holder.deliveries.all.length} for the holder`,
      );
      expect([...consumer.endings.all, ...holder.endings.all]).toEqual([]);
    },
    90_000,
  );

  /** True for a delivery whose body came before. */
  function isRepeated(): (delivery: { readonly message: RoutedMessage }) => boolean {
    const before = new Set<string>();
    return ({ message: { body } }) => {
      const text = body.toString();
      return before.has(text) || (before.add(text), false);
    };
  }
});

describe('several addresses, one of which', () => {
  let dead: TcpProxy;
  beforeEach(async () => {
    // With this value the addresses keep their order
    jest.spyOn(Math, 'random').mockReturnValue(0.5);
    dead = await TcpProxy.start(vhost.amqpUrl);
  });
  afterEach(() => dead.close());
  const addresses = () => ({ urls: [dead.url(vhost.amqpUrl), proxy.url(vhost.amqpUrl)] });

  test('refuses', async () => {
    dead.cut();
    const broker = await start(addresses());
    expect(await codeOf(() => send(broker, `/topic/${uniqueName()}`, message('x')))).toBe('no error');
  });

  test.each(['answers nothing', 'stops answering during the handshake'])(
    '%s',
    async (fault) => {
      if (fault === 'answers nothing') dead.ignore();
      else dead.hold('answers');
      const broker = await start(addresses());
      expect(await codeOf(() => send(broker, `/topic/${uniqueName()}`, message('x')))).toBe('no error');
      await eventually(
        () => (dead.connections === 0 ? true : undefined),
        DEADLINE_MS,
        () => `${dead.connections} connections are left to the silent address`,
      );
    },
    30_000,
  );

  test('fails during use: the relay moves to the other', async () => {
    const broker = await start(addresses());
    expect(proxy.accepted).toBe(0);
    const [down, up] = [next(broker, 'down'), next(broker, 'up')];
    dead.ignore();
    dead.drop();
    await down;
    await up;
    expect(proxy.connections).toBeGreaterThan(0);
  }, 30_000);
});

describe('an exchange that is deleted under its subscribers', () => {
  async function subscribe(broker: RabbitMqBroker, exchange: string) {
    const seen = new Inbox<RoutedMessage>();
    const ended = new Inbox<BrokerError>();
    await broker.subscribe(shared(`/exchange/${exchange}/k`), NO_HEADERS, seen.add, ended.add);
    return { seen, ended };
  }

  test('ends their subscriptions if it is not declared again', async () => {
    const broker = await start({ publishTimeoutMs: 1_500 });
    const [exchange, channel] = [uniqueName(), await backend.createChannel()];
    await channel.assertExchange(exchange, 'direct', { durable: true });
    const { ended } = await subscribe(broker, exchange);
    await channel.deleteExchange(exchange);
    const [down, up] = [next(broker, 'down'), next(broker, 'up')];
    proxy.drop();
    await down;
    await up;
    const [error] = await ended.atLeast(1);
    expect(error?.code).toBe('subscription-ended');
    expect(error?.message).toContain(exchange);
    // The queue is gone, and new subscribers get the reason at once
    expect(broker.gauges.exchangeQueues).toBe(0);
    expect(await codeOf(() => subscribe(broker, exchange))).toBe('exchange-not-found');
    await channel.close();
  }, 60_000);

  test('ends no subscription if it is declared again, and messages arrive', async () => {
    const broker = await start();
    const [exchange, channel] = [uniqueName(), await backend.createChannel()];
    await channel.assertExchange(exchange, 'direct', { durable: true });
    const { seen, ended } = await subscribe(broker, exchange);
    await channel.deleteExchange(exchange);
    await channel.assertExchange(exchange, 'direct', { durable: true });
    await eventually(
      () => (seen.all.length > 0 ? true : (channel.publish(exchange, 'k', Buffer.from('x')), undefined)),
      DEADLINE_MS,
      () => 'the subscription is not bound again',
    );
    expect(ended.all).toEqual([]);
    await channel.close();
  }, 30_000);
});

describe('many cuts while sessions start and end', () => {
  /** A simple random number generator, so that a run can be repeated. */
  function randomFrom(seed: number): (below: number) => number {
    let state = seed;
    return (below) => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
  }

  const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 32));
  test(`the bindings and consumers at the end match the subscriptions (SEED=${seed})`, async () => {
    const random = randomFrom(seed);
    const broker = await start({ reconnectMinMs: 10, reconnectMaxMs: 100 });
    const prefix = uniqueName('chaos');
    const exchange = uniqueName('chaos-exchange');
    const channel = await backend.createChannel();
    await channel.assertExchange(exchange, 'direct', { durable: true });
    const desired = new Map<string, BrokerSubscription>();
    const errors: string[] = [];
    const toggle = async (kind: number, n: number): Promise<void> => {
      const key = `${prefix}.${n}`;
      const name = [`/topic/${key}`, `/exchange/${exchange}/${key}`, `/queue/${key}`][kind]!;
      const known = desired.get(name);
      desired.delete(name);
      if (known) return known.close();
      const made =
        kind === 2
          ? broker.openChannel({ ...owner, sessionId: name }).consume(own(name), acked(), new Consuming('ack'))
          : broker.subscribe(shared(name), NO_HEADERS, () => undefined);
      desired.set(name, await made);
    };
    const session = async (kind: number, n: number): Promise<void> => {
      for (let i = 0; i < 30; i++) {
        await toggle(kind, n).catch((error: BrokerError) => errors.push(error.code));
        if (random(4) === 0) await new Promise((resolve) => setTimeout(resolve, random(30)));
      }
      if (random(2) === 0) await toggle(kind, n).catch((error: BrokerError) => errors.push(error.code));
    };
    let isOver = false;
    const cuts = (async (): Promise<void> => {
      const faults = [() => proxy.drop(), () => proxy.reset(), () => proxy.cut(), () => proxy.delay(random(20))];
      // Bounded, because on a busy machine the sessions could not finish between cuts
      for (let cut = 0; cut < 40 && !isOver; cut++) {
        faults[random(faults.length)]?.();
        await new Promise((resolve) => setTimeout(resolve, random(150)));
        proxy.restore();
        await new Promise((resolve) => setTimeout(resolve, random(100)));
      }
    })();
    await Promise.all(numbers(60).map((n) => session(Number(n) % 3, Number(n))));
    isOver = true;
    await cuts;
    expect(errors).toEqual([]);
    const expected = [...desired.keys()].sort();
    await eventually(
      async () => {
        const found = await present(prefix, exchange);
        return JSON.stringify(found) === JSON.stringify(expected) ? true : undefined;
      },
      FAULT_MS,
      () => `expected: ${expected.join(' ')}`,
    ).catch(async () => expect(await present(prefix, exchange)).toEqual(expected));
    await channel.deleteExchange(exchange);
    await channel.close();
  }, 120_000);

  /** The bindings and the consumed queues at RabbitMQ, as destinations. */
  async function present(prefix: string, exchange: string): Promise<string[]> {
    const bindings = (await vhost.api('GET', 'bindings')) as { source: string; routing_key: string }[];
    const queues = (await vhost.api('GET', 'queues')) as { name: string; consumers: number }[];
    const bound = bindings
      .filter(({ source, routing_key }) => source !== '' && routing_key.startsWith(`${prefix}.`))
      .map(({ source, routing_key }) => `${source === exchange ? `/exchange/${exchange}` : '/topic'}/${routing_key}`);
    const consumed = queues.filter(({ name, consumers }) => name.startsWith(`${prefix}.`) && consumers > 0);
    return [...bound, ...consumed.map(({ name }) => `/queue/${name}`)].sort();
  }
});

test('repeated losses of the connection leave no listener behind', async () => {
  const broker = await start();
  const warnings: string[] = [];
  const warned = (warning: Error): void => void warnings.push(warning.message);
  process.on('warning', warned);
  const channel = broker.openChannel(owner);
  await channel.consume(own(`/queue/${uniqueName()}`), acked(), new Consuming('ack'));
  for (let i = 0; i < 15; i++) {
    const [down, up] = [next(broker, 'down'), next(broker, 'up')];
    if (i % 2 === 0) proxy.reset();
    else proxy.drop();
    await down;
    await up;
  }
  await send(broker, `/topic/${uniqueName()}`, message('x'));
  process.off('warning', warned);
  // Node warns if an emitter has more than ten listeners for one event
  expect(warnings).toEqual([]);
}, 60_000);
