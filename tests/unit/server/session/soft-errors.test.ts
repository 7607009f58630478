/** With the extension `soft-errors` a session survives refused frames; without it, and after other errors, it ends. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { BrokerError } from '../../../../server/src/brokers/broker.js';
import type { MemoryConnection } from '../../../support/memory-connection.js';
import { Harness, pass, tick, useFakeTime } from './harness.js';

let harness: Harness;
let client: MemoryConnection;
beforeEach(async () => {
  useFakeTime();
  harness = new Harness({ policy: { allows: (_, __, { text }) => !text.includes('secret') } });
  client = await harness.connect({ 'relay-extensions': 'soft-errors' });
});
afterEach(async () => {
  harness.broker.release();
  await tick();
  expect(await harness.leftovers()).toEqual([]);
  jest.useRealTimers();
});

/** The frames since the last call: a report as `code receipt`, other frames in a short form. */
function received(): string[] {
  return client.fresh().map(({ command, headers, body }) => {
    if (command !== 'MESSAGE') return `${command} ${headers['receipt-id'] ?? headers['code'] ?? ''}`;
    if (headers['subscription'] !== 'relay') return body.toString();
    return `${headers['code']} ${headers['receipt-id'] ?? '-'}`;
  });
}
async function send(body: string, headers: Record<string, string> = {}): Promise<void> {
  client.sendFrame('SEND', { destination: '/topic/a', receipt: body, ...headers }, body);
  await tick();
}
async function subscribe(id: string, destination: string, headers: Record<string, string> = {}): Promise<void> {
  client.sendFrame('SUBSCRIBE', { id, destination, receipt: `r-${id}`, ...headers });
  await tick();
}
const refusal = (code: 'unroutable' | 'broker-unavailable' | 'publish-refused' | 'subscription-ended') =>
  new BrokerError(code, 'The broker refuses.');

test('a report has the refused frame, the reason and the receipt', async () => {
  await subscribe('s', '/topic/secret');
  const [report] = client.fresh();
  expect(report).toMatchObject({
    command: 'MESSAGE',
    body: Buffer.from('"anonymous" may not subscribe /topic/secret.'),
  });
  expect(report?.headers).toEqual({
    subscription: 'relay',
    'message-id': expect.any(String),
    destination: '/relay/errors',
    message: 'access denied',
    code: 'access-denied',
    'content-type': 'text/plain;charset=utf-8',
    'receipt-id': 'r-s',
    'refused-command': 'SUBSCRIBE',
    'refused-id': 's',
    'refused-destination': '/topic/secret',
    'content-length': expect.any(String),
  });
  expect(harness.counters.errors).toEqual({ 'access-denied': 1 });
});

test('a SEND that the policy refuses is answered at once, so that a flood of refusals is handled in turns', () => {
  client.sendFrame('SEND', { destination: '/topic/secret', receipt: 's' });
  expect(received()).toEqual(['access-denied s']);
});

describe('the session survives', () => {
  test.each([
    ['a bad destination', 'SEND', { destination: '/nowhere/a' }, 'invalid-destination'],
    ['a missing header', 'SEND', {}, 'missing-header'],
    ['a policy that refuses', 'SEND', { destination: '/topic/secret' }, 'access-denied'],
    ['an unknown transaction', 'SEND', { destination: '/topic/a', transaction: 't' }, 'unknown-transaction'],
    ['a bad ack mode', 'SUBSCRIBE', { id: 's', destination: '/topic/a', ack: 'often' }, 'invalid-header'],
    [
      'UNSUBSCRIBE of an unknown durable subscription',
      'UNSUBSCRIBE',
      { id: 's', durable: 'true' },
      'unknown-subscription',
    ],
    ['an unknown ack id', 'ACK', { id: 'a' }, 'unknown-ack'],
  ])('%s', async (_, command, headers, code) => {
    client.sendFrame(command, { ...headers, receipt: 'r' });
    await tick();
    expect(received()).toEqual([`${code} r`]);
    await send('after');
    expect(received()).toEqual(['RECEIPT after']);
  });

  test.each(['unroutable', 'publish-refused'] as const)('%s; overlapping SENDs are answered too', async (code) => {
    harness.broker.holds.add('publish');
    for (const body of ['a', 'b']) await send(body, { mandatory: 'true' });
    const [a, b] = harness.broker.publications;
    a?.confirm.refuse(refusal(code));
    b?.confirm.grant();
    await tick();
    expect(received()).toEqual([`${code} a`, 'RECEIPT b']);
  });

  test('a subscription that the broker refuses; its id is free again', async () => {
    harness.broker.holds.add('consume');
    await subscribe('s', '/queue/q');
    const [consumer] = harness.broker.channels[0]?.consumers ?? [];
    const early = consumer?.deliver('early');
    consumer?.live.refuse(refusal('broker-unavailable'));
    await tick();
    expect(received()).toEqual(['broker-unavailable r-s']);
    expect(early?.outcome).toBe('requeue');
    await subscribe('s', '/topic/a');
    expect(received()).toEqual(['RECEIPT r-s']);
  });

  test('too many subscriptions; UNSUBSCRIBE makes room', async () => {
    for (let i = 0; i < 6; i++) await subscribe(String(i), '/topic/a');
    expect(received().at(-1)).toBe('too-many-subscriptions r-5');
    client.sendFrame('UNSUBSCRIBE', { id: '0' });
    await subscribe('5', '/topic/a');
    expect(received()).toEqual(['RECEIPT r-5']);
  });
});

test('without a broker the waiting SENDs are refused together, and later SENDs are tried again', async () => {
  harness.broker.holds.add('prepare');
  for (const body of ['a', 'b', 'c']) await send(body);
  expect(received()).toEqual([]);
  harness.broker.preparations[0]?.refuse(refusal('broker-unavailable'));
  await tick();
  expect(received()).toEqual(['broker-unavailable a', 'broker-unavailable b', 'broker-unavailable c']);
  harness.broker.holds.delete('prepare');
  await send('d');
  expect(received()).toEqual(['RECEIPT d']);
});

test('a SUBSCRIBE without an answer of the broker causes no refusals of SENDs', async () => {
  for (const held of ['prepare', 'subscribe'] as const) harness.broker.holds.add(held);
  for (const body of ['a', 'b']) await send(body);
  await subscribe('s', '/topic/a');
  harness.broker.subscriptions[0]?.live.refuse(refusal('broker-unavailable'));
  await tick();
  expect(received()).toEqual(['broker-unavailable r-s']);
  harness.broker.holds.clear();
  harness.broker.preparations[0]?.grant();
  await tick();
  expect(received()).toEqual(['RECEIPT a', 'RECEIPT b']);
});

describe('a transaction', () => {
  beforeEach(async () => {
    client.sendFrame('BEGIN', { transaction: 't' });
    await send('good', { transaction: 't' });
  });
  const commit = async (): Promise<void> => {
    client.sendFrame('COMMIT', { transaction: 't', receipt: 'c' });
    await tick();
  };

  test('with a refused frame is refused as a whole, and every SEND is answered', async () => {
    await send('bad', { transaction: 't', destination: '/topic/secret' });
    expect(received()).toEqual(['access-denied bad']);
    await commit();
    expect(received()).toEqual(['commit-failed c', 'commit-failed good']);
    expect(harness.broker.publications).toEqual([]);
  });

  test('with a refused frame leaves the messages of its ACKs unacknowledged', async () => {
    await subscribe('s', '/queue/q', { ack: 'client-individual' });
    harness.broker.consumer('/queue/q').deliver('m');
    const id = client.fresh().at(-1)?.headers['ack'] ?? '';
    client.sendFrame('ACK', { id, transaction: 't' });
    client.sendFrame('ACK', { id, transaction: 't' });
    await commit();
    expect(received()).toEqual(['unknown-ack -', 'commit-failed c', 'commit-failed good']);
    client.sendFrame('ACK', { id });
    await tick();
    expect(harness.broker.settled).toEqual(['ack m']);
  });

  test('reports COMMIT and the SEND whose message the broker refuses', async () => {
    await send('too', { transaction: 't' });
    harness.broker.holds.add('publish');
    await commit();
    harness.broker.publications[0]?.confirm.grant();
    harness.broker.publications[1]?.confirm.refuse(refusal('publish-refused'));
    await tick();
    expect(received()).toEqual(['RECEIPT good', 'commit-failed c', 'publish-refused too']);
    harness.broker.holds.delete('publish');
    await send('after');
    expect(received()).toEqual(['RECEIPT after']);
  });
});

describe('a subscription that the broker ends', () => {
  test('with acks is reported; its deliveries can be acknowledged for a while', async () => {
    await subscribe('s', '/queue/q', { ack: 'client' });
    const consumer = harness.broker.consumer('/queue/q');
    for (const body of ['a', 'b']) consumer.deliver(body);
    const [, message] = client.fresh();
    consumer.end(refusal('subscription-ended'));
    const [report] = client.fresh();
    expect(report?.headers).toMatchObject({ 'refused-id': 's', 'refused-destination': '/queue/q' });
    expect(report?.headers).not.toHaveProperty('receipt-id');
    client.sendFrame('ACK', { id: message?.headers['ack'] ?? '' });
    await pass(harness.options.ackGraceMs + 100);
    expect(harness.broker.settled).toEqual(['ack a', 'requeue b']);
    await subscribe('s', '/queue/q');
    expect(received()).toEqual(['RECEIPT r-s']);
  });

  test('and that several sessions share is a report to some and an ERROR to others', async () => {
    const plain = await harness.connect();
    for (const each of [client, plain]) each.sendFrame('SUBSCRIBE', { id: 's', destination: '/exchange/e' });
    await tick();
    harness.broker.subscriptions[0]?.ended?.(refusal('subscription-ended'));
    await tick();
    expect(received()).toEqual(['subscription-ended -']);
    expect(plain.summary.at(-1)).toBe('ERROR subscription-ended');
    await subscribe('s', '/exchange/e');
    expect(received()).toEqual(['RECEIPT r-s']);
  });
});

describe('the session does not survive', () => {
  test.each([
    ['a malformed frame', 'malformed-frame', () => client.send('SEND\nno colon\n\n\0')],
    ['an unknown command', 'unknown-command', () => client.sendFrame('SHOUT')],
    ['a second CONNECT', 'already-connected', () => client.sendFrame('CONNECT', { 'accept-version': '1.2' })],
  ])('%s', async (_, code, act) => {
    act();
    await tick();
    expect(received()).toEqual([`ERROR ${code}`]);
    expect(client.closed).toBeDefined();
  });

  test('an unexpected failure', async () => {
    harness.broker.holds.add('publish');
    await send('a');
    harness.broker.publications[0]?.confirm.refuse(new Error('oops'));
    await tick();
    expect(received()).toEqual(['ERROR a']);
    expect(harness.logged.splice(0)).toHaveLength(1);
  });
});

test('without the extension the session ends', async () => {
  client = await harness.connect({ 'relay-extensions': 'drain' });
  await subscribe('s', '/topic/secret');
  expect(received()).toEqual(['ERROR r-s']);
  expect(client.closed?.code).toBe(4403);
});
