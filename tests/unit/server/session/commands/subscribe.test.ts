/** The answer to SUBSCRIBE, its further attempts, and the end of a client that has ended its side of the connection. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { BrokerError } from '../../../../../server/src/brokers/broker.js';
import type { BrokerErrorCode } from '../../../../../server/src/brokers/broker.js';
import type { MemoryConnection } from '../../../../support/memory-connection.js';
import { Harness, pass, tick, useFakeTime } from '../harness.js';

let harness: Harness;
let client: MemoryConnection;
beforeEach(async () => {
  useFakeTime();
  harness = new Harness();
  client = await harness.connect();
});
afterEach(async () => {
  expect(await harness.leftovers()).toEqual([]);
  jest.useRealTimers();
});

const consumers = () => harness.broker.channels.flatMap((channel) => channel.consumers);
const received = () =>
  client.fresh().map(({ command, headers, body }) => headers['code'] ?? (body.toString() || command));

async function subscribe(destination = '/queue/q'): Promise<void> {
  client.sendFrame('SUBSCRIBE', { id: 's', destination, receipt: 'r' });
  await tick();
}

test('messages that the broker delivers before its answer wait for the RECEIPT', async () => {
  harness.broker.holds.add('consume');
  await subscribe();
  for (const body of ['a', 'b']) consumers()[0]?.deliver(body);
  expect(received()).toEqual([]);
  consumers()[0]?.live.grant(consumers()[0]!);
  await tick();
  expect(received()).toEqual(['RECEIPT', 'a', 'b']);
});

test.each(['durable', 'persistent'])('%s:true needs a login, for topics and users', async (word) => {
  for (const destination of ['/topic/a', '/exchange/e/a', '/user/queue/a']) {
    const guest = await harness.connect();
    guest.sendFrame('SUBSCRIBE', { id: 's', destination, [word]: 'true' });
    await tick();
    expect(guest.frames.at(-1)).toMatchObject({ command: 'ERROR', headers: { code: 'access-denied' } });
    expect(guest.frames.at(-1)?.body.toString()).toMatch(/^A durable subscription needs a login/);
  }
  client.sendFrame('SUBSCRIBE', { id: 's', destination: '/queue/q', [word]: 'true' });
  const ann = await harness.connect({ login: 'ann' });
  ann.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a', [word]: 'true' });
  await tick();
  expect(consumers().map(({ destination }) => destination.text)).toEqual(['/queue/q', '/topic/a']);
});

test.each([
  ['revoked', true],
  ['kicked', false],
] as const)('a session that ends with %s ends its durable subscriptions: %s', async (code, isForgotten) => {
  const ann = await harness.connect({ login: 'ann' });
  ann.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a', durable: 'true' });
  await tick();
  for (const session of harness.sessions.all()) if (session.info().user === 'ann') session.end(code);
  await tick();
  expect(harness.broker.channels[0]).toMatchObject({ isClosed: true, isForgotten });
});

describe('a queue that is held exclusively', () => {
  async function refuse(code: BrokerErrorCode): Promise<void> {
    consumers().at(-1)?.live.refuse(new BrokerError(code, 'Refused.'));
    await tick();
  }
  beforeEach(() => void harness.broker.holds.add('consume'));

  test.each(['queue-in-use', 'queue-not-found'] as const)('%s: another attempt succeeds', async (code) => {
    await subscribe();
    await refuse(code);
    expect(received()).toEqual([]);
    await pass(200);
    consumers()[1]?.live.grant(consumers()[1]!);
    await tick();
    expect(received()).toEqual(['RECEIPT']);
  });

  test('is refused after about a second', async () => {
    await subscribe();
    for (let i = 0; i < 5; i++) {
      expect(received()).toEqual([]);
      await refuse('queue-in-use');
      await pass(500);
    }
    expect(received()).toEqual(['queue-in-use']);
    expect(consumers()).toHaveLength(5);
  });

  test('is not tried again for a client that has gone', async () => {
    await subscribe();
    await refuse('queue-in-use');
    client.vanish();
    await pass(2_000);
    expect(consumers()).toHaveLength(1);
  });

  test.each([
    ['queue-conflict', '/queue/q'],
    ['queue-not-found', '/amq/queue/q'],
  ] as const)('%s of %s is refused at once', async (code, destination) => {
    await subscribe(destination);
    await refuse(code);
    expect(received()).toEqual([code]);
  });
});

describe('headers that would filter messages', () => {
  const send = async (headers: Record<string, string>) => {
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/t', receipt: 'r', ...headers });
    await tick();
  };

  test.each([
    { selector: 'a = 1' },
    { selector: '' },
    { 'no-local': 'true' },
    { 'no-local': 'yes' },
    { 'no-local': '' },
  ])('%j is refused', async (headers) => {
    await send(headers);
    expect(received()).toEqual(['not-supported']);
  });

  test.each([{ 'no-local': 'false' }, { 'no-local': 'False' }, { 'activemq.noLocal': 'true' }])(
    '%j is accepted',
    async (headers) => {
      await send(headers);
      expect(received()).toEqual(['RECEIPT']);
    },
  );
});

describe('a client that has ended its side', () => {
  test('is closed at once if no work is left', async () => {
    await subscribe('/topic/t');
    client.listener.onEnd?.();
    expect(client.closed).toEqual({ code: 1000, reason: '' });
    await tick();
  });

  test('still gets the RECEIPTs of its frames', async () => {
    harness.broker.holds.add('publish');
    client.sendFrame('SEND', { destination: '/queue/q', receipt: 'r' });
    await tick();
    client.listener.onEnd?.();
    expect(client.closed).toBeUndefined();
    harness.broker.publications[0]?.confirm.grant();
    await tick();
    expect(received()).toEqual(['RECEIPT']);
    expect(client.closed).toEqual({ code: 1000, reason: '' });
  });

  test('is closed at once before CONNECT too', () => {
    const silent = harness.open();
    silent.listener.onEnd?.();
    expect(silent.closed).toEqual({ code: 1000, reason: '' });
  });
});
