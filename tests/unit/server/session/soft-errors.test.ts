/** With the extension `soft-errors` a session outlives frames that are refused; without it, and for graver errors, it ends. */
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

/** What came since the last look: a report as `code receipt`, anything else in short. */
function told(): string[] {
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
  new BrokerError(code, 'The broker says no.');

test('a report says what was refused, why, and answers the receipt', async () => {
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

test('a SEND that the policy refuses is answered at once, so that a flood of them is handled in turns', () => {
  client.sendFrame('SEND', { destination: '/topic/secret', receipt: 's' });
  expect(told()).toEqual(['access-denied s']);
});

describe('the session lives on after', () => {
  test.each([
    ['a bad destination', 'SEND', { destination: '/nowhere/a' }, 'invalid-destination'],
    ['a missing header', 'SEND', {}, 'missing-header'],
    ['a policy that refuses', 'SEND', { destination: '/topic/secret' }, 'access-denied'],
    ['an unknown transaction', 'SEND', { destination: '/topic/a', transaction: 't' }, 'unknown-transaction'],
    ['a bad ack mode', 'SUBSCRIBE', { id: 's', destination: '/topic/a', ack: 'often' }, 'invalid-header'],
    ['an unknown durable one', 'UNSUBSCRIBE', { id: 's', durable: 'true' }, 'unknown-subscription'],
    ['an unknown ack id', 'ACK', { id: 'a' }, 'unknown-ack'],
  ])('%s', async (_, command, headers, code) => {
    client.sendFrame(command, { ...headers, receipt: 'r' });
    await tick();
    expect(told()).toEqual([`${code} r`]);
    await send('after');
    expect(told()).toEqual(['RECEIPT after']);
  });

  test.each(['unroutable', 'publish-refused'] as const)('%s; what overlaps is answered too', async (code) => {
    harness.broker.holds.add('publish');
    for (const body of ['a', 'b']) await send(body, { mandatory: 'true' });
    const [a, b] = harness.broker.publications;
    a?.confirm.refuse(refusal(code));
    b?.confirm.grant();
    await tick();
    expect(told()).toEqual([`${code} a`, 'RECEIPT b']);
  });

  test('a subscription that the broker refuses, whose id is free again', async () => {
    harness.broker.holds.add('consume');
    await subscribe('s', '/queue/q');
    const [consumer] = harness.broker.channels[0]?.consumers ?? [];
    const early = consumer?.deliver('early');
    consumer?.live.refuse(refusal('broker-unavailable'));
    await tick();
    expect(told()).toEqual(['broker-unavailable r-s']);
    expect(early?.outcome).toBe('requeue');
    await subscribe('s', '/topic/a');
    expect(told()).toEqual(['RECEIPT r-s']);
  });

  test('too many subscriptions: one less, and there is room', async () => {
    for (let i = 0; i < 6; i++) await subscribe(String(i), '/topic/a');
    expect(told().at(-1)).toBe('too-many-subscriptions r-5');
    client.sendFrame('UNSUBSCRIBE', { id: '0' });
    await subscribe('5', '/topic/a');
    expect(told()).toEqual(['RECEIPT r-5']);
  });
});

test('a broker that is away: SENDs that wait for it are refused together, later ones get a new try', async () => {
  harness.broker.holds.add('prepare');
  for (const body of ['a', 'b', 'c']) await send(body);
  expect(told()).toEqual([]);
  harness.broker.preparations[0]?.refuse(refusal('broker-unavailable'));
  await tick();
  expect(told()).toEqual(['broker-unavailable a', 'broker-unavailable b', 'broker-unavailable c']);
  harness.broker.holds.delete('prepare');
  await send('d');
  expect(told()).toEqual(['RECEIPT d']);
});

test('a SUBSCRIBE that the broker does not answer has no SENDs refused', async () => {
  for (const held of ['prepare', 'subscribe'] as const) harness.broker.holds.add(held);
  for (const body of ['a', 'b']) await send(body);
  await subscribe('s', '/topic/a');
  harness.broker.subscriptions[0]?.live.refuse(refusal('broker-unavailable'));
  await tick();
  expect(told()).toEqual(['broker-unavailable r-s']);
  harness.broker.holds.clear();
  harness.broker.preparations[0]?.grant();
  await tick();
  expect(told()).toEqual(['RECEIPT a', 'RECEIPT b']);
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

  test('of which a frame was refused is refused whole, and every SEND is answered', async () => {
    await send('bad', { transaction: 't', destination: '/topic/secret' });
    expect(told()).toEqual(['access-denied bad']);
    await commit();
    expect(told()).toEqual(['commit-failed c', 'commit-failed good']);
    expect(harness.broker.publications).toEqual([]);
  });

  test('gives back what it would have acknowledged', async () => {
    await subscribe('s', '/queue/q', { ack: 'client-individual' });
    harness.broker.consumer('/queue/q').deliver('m');
    const id = client.fresh().at(-1)?.headers['ack'] ?? '';
    client.sendFrame('ACK', { id, transaction: 't' });
    client.sendFrame('ACK', { id, transaction: 't' });
    await commit();
    expect(told()).toEqual(['unknown-ack -', 'commit-failed c', 'commit-failed good']);
    client.sendFrame('ACK', { id });
    await tick();
    expect(harness.broker.settled).toEqual(['ack m']);
  });

  test('of which the broker refuses a message: that one, and COMMIT, are reported', async () => {
    await send('too', { transaction: 't' });
    harness.broker.holds.add('publish');
    await commit();
    harness.broker.publications[0]?.confirm.grant();
    harness.broker.publications[1]?.confirm.refuse(refusal('publish-refused'));
    await tick();
    expect(told()).toEqual(['RECEIPT good', 'commit-failed c', 'publish-refused too']);
    harness.broker.holds.delete('publish');
    await send('after');
    expect(told()).toEqual(['RECEIPT after']);
  });
});

describe('a subscription that the broker ends', () => {
  test('with acks: is reported and gone; what it was sent can be acknowledged for a while', async () => {
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
    expect(told()).toEqual(['RECEIPT r-s']);
  });

  test('a shared one: everybody is told in their own way', async () => {
    const plain = await harness.connect();
    for (const each of [client, plain]) each.sendFrame('SUBSCRIBE', { id: 's', destination: '/exchange/e' });
    await tick();
    harness.broker.subscriptions[0]?.ended?.(refusal('subscription-ended'));
    await tick();
    expect(told()).toEqual(['subscription-ended -']);
    expect(plain.summary.at(-1)).toBe('ERROR subscription-ended');
    await subscribe('s', '/exchange/e');
    expect(told()).toEqual(['RECEIPT r-s']);
  });
});

describe('ends the session all the same', () => {
  test.each([
    ['a malformed frame', 'malformed-frame', () => client.send('SEND\nno colon\n\n\0')],
    ['a command that is none', 'unknown-command', () => client.sendFrame('SHOUT')],
    ['a second CONNECT', 'already-connected', () => client.sendFrame('CONNECT', { 'accept-version': '1.2' })],
  ])('%s', async (_, code, act) => {
    act();
    await tick();
    expect(told()).toEqual([`ERROR ${code}`]);
    expect(client.closed).toBeDefined();
  });

  test('a failure that nobody foresaw', async () => {
    harness.broker.holds.add('publish');
    await send('a');
    harness.broker.publications[0]?.confirm.refuse(new Error('oops'));
    await tick();
    expect(told()).toEqual(['ERROR a']);
    expect(harness.logged.splice(0)).toHaveLength(1);
  });
});

test('without the extension the session ends', async () => {
  client = await harness.connect({ 'relay-extensions': 'drain' });
  await subscribe('s', '/topic/secret');
  expect(told()).toEqual(['ERROR r-s']);
  expect(client.closed?.code).toBe(4403);
});
