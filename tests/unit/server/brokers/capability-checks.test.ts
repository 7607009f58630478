import { describe, expect, test } from '@jest/globals';
import type { AckMode, BrokerCapabilities, CheckedBroker } from '../../../../server/src/brokers/broker.js';
import { checked } from '../../../../server/src/brokers/capability-checks.js';
import { messageOf } from '../../../../server/src/contract/broker-desk.js';
import { parseDestination } from '../../../../server/src/destinations/destination.js';
import type { Destination } from '../../../../server/src/destinations/destination.js';
import { ALL_CAPABILITIES, ScriptedBroker } from '../../../support/scripted-broker.js';

type Headers = Readonly<Record<string, string>>;

const OWNER = { sessionId: 's', user: 'ann', clientId: undefined };

function brokerWith(capabilities: BrokerCapabilities): { broker: CheckedBroker; calls: string[] } {
  const scripted = new ScriptedBroker();
  scripted.capabilities = capabilities;
  return { broker: checked(scripted), calls: scripted.calls };
}

/** `code: sentence` of the error that `action` throws or rejects with; undefined without an error. */
async function refusal(action: () => unknown): Promise<string | undefined> {
  try {
    await action();
    return undefined;
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    return `${code}: ${message}`;
  }
}

const send = (broker: CheckedBroker, to: string, headers: Headers = {}, mandatory = false) =>
  refusal(() => broker.publication(parseDestination(to, 'send'), messageOf('x', headers), { mandatory }).send());

const subscribe = (broker: CheckedBroker, to: string, headers: Headers = {}) =>
  refusal(() => {
    const destination = parseDestination(to, 'subscribe') as Parameters<CheckedBroker['subscribe']>[0];
    return broker.subscribe(destination, new Map(Object.entries(headers)), () => {});
  });

function consume(broker: CheckedBroker, to: string | Destination, headers: Headers = {}, ack: AckMode = 'auto') {
  const destination = typeof to === 'string' ? parseDestination(to, 'subscribe') : to;
  const options = { ack, headers: new Map(Object.entries(headers)), subscriptionId: '0' };
  const consumer = { deliver: () => {}, ended: () => {} };
  return refusal(() => broker.openChannel(OWNER).consume(destination, options, consumer));
}

const without = (...missing: (keyof BrokerCapabilities)[]): BrokerCapabilities =>
  Object.fromEntries(Object.entries(ALL_CAPABILITIES).filter(([name]) => !missing.includes(name as 'acks')));

test('the list of durable subscriptions is passed on', () => {
  const scripted = new ScriptedBroker();
  scripted.capabilities = without('streams');
  const durableSubscriptions = { list: () => Promise.reject(new Error()), end: () => Promise.reject(new Error()) };
  expect(checked(Object.assign(scripted, { durableSubscriptions })).durableSubscriptions).toBe(durableSubscriptions);
});

test('a broker that offers everything is used without checks', () => {
  const scripted = new ScriptedBroker();
  expect(checked(scripted)).toBe(scripted);
});

describe('requests for a missing feature are refused, and do not reach the broker', () => {
  type Ask = (broker: CheckedBroker) => Promise<string | undefined>;
  test.each<[keyof BrokerCapabilities, string, Ask, RegExp]>([
    [
      'exchanges',
      'SEND to it',
      (broker) => send(broker, '/exchange/E/k'),
      /^not-supported: \/exchange\/E\/k .*\/topic/,
    ],
    ['exchanges', 'a listener', (broker) => subscribe(broker, '/exchange/E/k'), /\/exchange\/E\/k/],
    ['exchanges', 'a consumer', (broker) => consume(broker, '/exchange/E/k', {}, 'client'), /\/exchange\/E\/k/],
    ['queues', 'SEND to it', (broker) => send(broker, '/queue/q'), /^not-supported: \/queue\/q .*\/topic/],
    ['queues', 'SEND to an existing one', (broker) => send(broker, '/amq/queue/q'), /\/amq\/queue\/q/],
    ['queues', 'a consumer', (broker) => consume(broker, '/queue/q'), /\/queue\/q/],
    ['queues', 'a consumer of an existing one', (broker) => consume(broker, '/amq/queue/q'), /\/amq\/queue\/q/],
    ['acks', 'client', (broker) => consume(broker, '/topic/a', {}, 'client'), /^not-supported: ack:client .*ack:auto/],
    ['acks', 'each', (broker) => consume(broker, '/queue/q', {}, 'client-individual'), /ack:client-individual/],
    [
      'durable',
      'a topic',
      (broker) => consume(broker, '/topic/a', { durable: 'true' }),
      /^not-supported: durable:true/,
    ],
    ['durable', 'its alias', (broker) => consume(broker, '/topic/a', { persistent: 'true' }), /durable:true/],
    ['durable', 'shared', (broker) => consume(broker, '/topic/a', { 'x-queue-name': 'n' }), /x-queue-name/],
    [
      'queueArguments',
      'SEND',
      (broker) => send(broker, '/queue/q', { 'x-message-ttl': '5' }),
      /^not-supported: .*x-mess/,
    ],
    ['queueArguments', 'a queue', (broker) => consume(broker, '/queue/q', { exclusive: 'true' }), /exclusive/],
    ['queueArguments', 'a topic', (broker) => consume(broker, '/topic/a', { 'x-max-length': '5' }), /x-message-ttl/],
    ['queueArguments', 'a mode', (broker) => consume(broker, '/topic/a', { exclusive: 'true' }, 'client'), /exclusive/],
    [
      'streams',
      'SEND',
      (broker) => send(broker, '/queue/q', { 'x-queue-type': ' stream' }),
      /^not-supported: x-queue-/,
    ],
    [
      'streams',
      'the type',
      (broker) => consume(broker, '/queue/q', { 'x-queue-type': 'stream' }),
      /x-queue-type:stream/,
    ],
    [
      'streams',
      'an offset',
      (broker) => consume(broker, '/queue/q', { 'x-stream-offset': 'first' }),
      /x-stream-offset/,
    ],
    [
      'streams',
      'a listener',
      (broker) => subscribe(broker, '/topic/a', { 'x-stream-offset': 'first' }),
      /x-stream-off/,
    ],
    ['replies', 'SEND', (broker) => send(broker, '/reply-queue/r'), /^not-supported: \/reply-queue\/r .*\/user\/queue/],
    [
      'replies',
      'a reply queue',
      (broker) => refusal(() => broker.openChannel(OWNER).openReplyQueue(() => {})),
      /^not-supported: reply-to:\/temp-queue/,
    ],
    ['mandatory', 'SEND', (broker) => send(broker, '/topic/a', {}, true), /^not-supported: mandatory:true/],
  ])('%s: %s', async (capability, _, ask, sentence) => {
    const lacking = brokerWith(without(capability));
    expect(await ask(lacking.broker)).toMatch(sentence);
    expect(lacking.calls).toEqual([]);
    const other = brokerWith(without(capability === 'mandatory' ? 'replies' : 'mandatory'));
    expect(await ask(other.broker)).toBeUndefined();
    expect(other.calls).not.toEqual([]);
  });
});

describe('a broker with topics and users only', () => {
  function topicsOnly(): { broker: CheckedBroker; calls: string[] } {
    const scripted = new ScriptedBroker();
    scripted.capabilities = {};
    return { broker: checked(Object.assign(scripted, { openChannel: undefined })), calls: scripted.calls };
  }

  test('gets supported requests, whatever queue headers a shared subscription has', async () => {
    const { broker, calls } = topicsOnly();
    expect(await send(broker, '/topic/a')).toBeUndefined();
    expect(await send(broker, '/user/ann/queue/x')).toBeUndefined();
    expect(await subscribe(broker, '/topic/a', { durable: 'false', exclusive: 'true' })).toBeUndefined();
    const published = calls.filter((call) => call.startsWith('publish'));
    expect(published).toEqual(['publish /topic/a x', 'publish /user/ann/queue/x x']);
    expect(calls.at(-1)).toBe('subscribe /topic/a');
  });

  test('gets no request for a channel, and closing a channel does no harm', async () => {
    const { broker } = topicsOnly();
    const channel = broker.openChannel(OWNER);
    expect(await consume(broker, '/topic/a')).toMatch(/^not-supported: .*ack:auto/);
    await channel.close();
  });
});

test('a broker that declares queues but has no openChannel is refused like one without queues', async () => {
  const scripted = Object.assign(new ScriptedBroker(), { openChannel: undefined });
  expect(await consume(checked(scripted), '/queue/q', {}, 'client')).toMatch(/^not-supported: /);
});

test('start, close, gauges and events are those of the broker', async () => {
  const scripted = new ScriptedBroker();
  scripted.capabilities = {};
  const inner = Object.assign(scripted, { gauges: { unconfirmed: 1, pendingBindings: 2 } });
  const done: string[] = [];
  inner.start = () => Promise.resolve(void done.push('start'));
  inner.close = () => Promise.resolve(void done.push('close'));
  inner.on = (event) => void done.push(event);
  const broker = checked(inner);
  await broker.start();
  broker.on('up', () => {});
  await broker.close();
  expect(done).toEqual(['start', 'up', 'close']);
  expect(broker).toMatchObject({ description: 'scripted', isUp: true, gauges: inner.gauges, capabilities: {} });
});
