import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { BrokerError } from '../../../../../../server/src/brokers/broker.js';
import { InstanceBindings } from '../../../../../../server/src/brokers/rabbitmq/consume/instance-bindings.js';
import { LanePlan } from '../../../../../../server/src/brokers/rabbitmq/lanes/lane-plan.js';
import { OwnBindings } from '../../../../../../server/src/brokers/rabbitmq/publish/own-bindings.js';

const TOPICS = 'amq.topic';
const LIMITS = { keyWordsMax: 32, patternHashesMax: 1 };
const settings = { lanes: ['/topic/ui.#'], topicExchange: TOPICS, userExchange: 'stomp-relay.user' };
const plan = new LanePlan(settings, LIMITS);
const SHARD = plan.shardOf({ exchange: TOPICS, key: 'ui' })!;
let operations: string[];
let refused: string[];
let answer: (key: string) => Promise<void>;
let own: OwnBindings;

beforeEach(() => {
  [operations, refused] = [[], []];
  answer = () => Promise.resolve();
  own = new OwnBindings(1_000, () => Promise.resolve());
});
afterEach(() => own.close());

function make(lanes?: LanePlan): InstanceBindings {
  const bindings = new InstanceBindings({
    exchange: TOPICS,
    own,
    lanes,
    operationsOn: (exchange) => ({
      bind: (queue, key) => (operations.push(`bind ${queue} ${exchange} ${key}`), answer(key)),
      unbind: (queue, key) => (operations.push(`unbind ${queue} ${exchange} ${key}`), answer(key)),
    }),
    refused: (pattern) => void refused.push(pattern),
  });
  bindings.attach('q', []);
  return bindings;
}
const account = undefined;
const taken = (): string[] => operations.splice(0);
const LANE_BOUND = [`bind q ${TOPICS} ui.#`, `bind q stomp-relay.user.lanes ${SHARD}`];

test('without lanes each pattern has its own bindings', async () => {
  const bindings = make();
  await bindings.request({ key: 'ui.a', otherKey: 'ui.b' }, account);
  expect(taken()).toEqual(['bind q amq.topic ui.a', 'bind q amq.topic ui.b']);
  await bindings.drop({ key: 'ui.a', otherKey: 'ui.b' });
  expect(taken()).toEqual(['unbind q amq.topic ui.a', 'unbind q amq.topic ui.b']);
  bindings.close(new BrokerError('broker-unavailable', 'over'));
});

test('the patterns of a lane share its bindings, and the last one to leave removes that of AMQP programs', async () => {
  const bindings = make(plan);
  await bindings.request({ key: 'ui.a' }, account);
  expect(taken()).toEqual(LANE_BOUND);
  expect(bindings.request({ key: 'ui.#' }, account)).toBeUndefined();
  expect(bindings.request({ key: 'ui.b' }, account)).toBeUndefined();
  await bindings.drop({ key: 'ui.b' });
  await bindings.drop({ key: 'ui.a' });
  expect(taken()).toEqual([]);
  await bindings.drop({ key: 'ui.#' });
  expect(taken()).toEqual([`unbind q ${TOPICS} ui.#`]);
  bindings.close(new BrokerError('broker-unavailable', 'over'));
});

test('a new queue gets the bindings of lanes again', async () => {
  const bindings = make(plan);
  await bindings.request({ key: 'ui.a' }, account);
  await bindings.request({ key: 'other' }, account);
  bindings.detach();
  taken();
  bindings.attach('q2', ['ui.a', 'other']);
  await bindings.request({ key: 'ui.a' }, account);
  await bindings.request({ key: 'other' }, account);
  expect(taken().sort()).toEqual(
    [...LANE_BOUND.map((each) => each.replace(' q ', ' q2 ')), 'bind q2 amq.topic other'].sort(),
  );
  bindings.close(new BrokerError('broker-unavailable', 'over'));
});

test('every 10 s the shards are bound again, because their exchange may have been deleted', async () => {
  jest.useFakeTimers();
  try {
    const bindings = make(plan);
    await bindings.request({ key: 'ui.a' }, account);
    taken();
    await jest.advanceTimersByTimeAsync(10_000);
    expect(taken()).toEqual([`bind q stomp-relay.user.lanes ${SHARD}`]);
    own.close();
    bindings.close(new BrokerError('broker-unavailable', 'over'));
    expect(jest.getTimerCount()).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});

test('a queue whose set-up ends after the end of the relay gets no bindings', async () => {
  jest.useFakeTimers();
  try {
    const bindings = make(plan);
    await bindings.request({ key: 'ui.a' }, account);
    own.close();
    bindings.close(new BrokerError('broker-unavailable', 'over'));
    taken();
    bindings.attach('q2', ['ui.a']);
    expect(taken()).toEqual([]);
    expect(jest.getTimerCount()).toBe(0);
  } finally {
    jest.useRealTimers();
  }
});

test('a pattern that comes and goes does not bind and unbind shards each time', async () => {
  jest.useFakeTimers();
  try {
    const bindings = make(plan);
    const ofShards = (): string[] => taken().filter((each) => each.includes('lanes'));
    await bindings.request({ key: '#' }, account);
    for (let i = 0; i < 3; i++) {
      await bindings.drop({ key: '#' });
      await bindings.request({ key: '#' }, account);
    }
    expect(ofShards()).toEqual([`bind q stomp-relay.user.lanes ${SHARD}`]);
    await bindings.drop({ key: '#' });
    await jest.advanceTimersByTimeAsync(10_000);
    expect(ofShards()).toEqual([`unbind q stomp-relay.user.lanes ${SHARD}`]);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(ofShards()).toEqual([]);
    own.close();
    bindings.close(new BrokerError('broker-unavailable', 'over'));
  } finally {
    jest.useRealTimers();
  }
});

test('a refused lane ends all of its patterns', async () => {
  const bindings = make(plan);
  await bindings.request({ key: 'ui.a' }, account);
  await bindings.request({ key: 'ui.b' }, account);
  bindings.detach();
  const error = new BrokerError('access-refused', 'no');
  answer = (key) => (key === SHARD ? Promise.reject(error) : Promise.resolve());
  bindings.attach('q2', ['ui.a', 'ui.b']);
  await expect(bindings.request({ key: 'ui.a' }, account)).rejects.toBe(error);
  expect(refused).toEqual(['ui.a', 'ui.b']);
  bindings.close(error);
});
