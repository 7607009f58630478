import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { isInLane, LanePlan } from '../../../../../../server/src/brokers/rabbitmq/lanes/lane-plan.js';
import { matches } from '../../../../../../server/src/destinations/topic-pattern.js';

const TOPICS = 'amq.topic';
const USERS = 'stomp-relay.user';
const LIMITS = { keyWordsMax: 32, patternHashesMax: 1 };
const plan = (...lanes: string[]) => new LanePlan({ lanes, topicExchange: TOPICS, userExchange: USERS }, LIMITS);

describe('a message', () => {
  test('of a lane belongs to a shard of its exchange, by the first word of its key', () => {
    const { shardOf } = bound(plan('/topic/ui.#', '/topic/chat.*'));
    const shard = shardOf(TOPICS, 'ui.a.b');
    expect(shard).toMatch(/^amq\.topic\.\d+$/);
    expect(shardOf(TOPICS, 'ui.c')).toBe(shard);
    expect(shardOf(TOPICS, 'ui')).toBe(shard);
    expect(shardOf(TOPICS, 'chat.a')).not.toBe(shard);
  });

  test('of other destinations belongs to none', () => {
    const { shardOf } = bound(plan('/topic/ui.#'));
    expect([shardOf(TOPICS, 'other'), shardOf('orders', 'ui.a'), shardOf(USERS, 'ui.a')]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  test('to a user belongs to a shard if users are a lane', () => {
    const { shardOf } = bound(plan('/user/#'));
    expect(shardOf(USERS, 'news.ann')).toMatch(/^stomp-relay\.user\.\d+$/);
    expect(shardOf(TOPICS, 'ui.a')).toBeUndefined();
  });
});

describe('a subscription', () => {
  test('within a lane needs the binding of the lane and its shard', () => {
    const { shardOf, keysFor } = bound(plan('/topic/ui.#'));
    expect(keysFor('ui.a.*')).toEqual({ own: ['ui.#'], shards: [shardOf(TOPICS, 'ui.a')] });
  });

  test('beside all lanes needs its own binding only', () => {
    expect(bound(plan('/topic/ui.#', '/user/#')).keysFor('other.*')).toEqual({ own: ['other.*'], shards: [] });
  });

  test('over a lane needs its own binding and the shard of the lane', () => {
    const { shardOf, keysFor } = bound(plan('/topic/ui.#'));
    expect(keysFor('#')).toEqual({ own: ['#'], shards: [shardOf(TOPICS, 'ui')] });
    expect(keysFor('*.a')).toEqual({ own: ['*.a'], shards: [shardOf(TOPICS, 'ui')] });
  });

  test('without a first word in a lane without one needs all shards', () => {
    const { keysFor } = bound(plan('/topic/#'));
    expect(new Set(keysFor('*.a').shards).size).toBe(64);
    expect(keysFor('*.a').own).toEqual(['#']);
  });

  test('to a user needs both spellings of its key and its shard', () => {
    const users = plan('/user/#');
    const binding = { exchange: USERS, key: 'news.o%27neil', otherKey: "news.o'neil" };
    const shards = [users.shardOf({ exchange: USERS, key: binding.key })];
    expect(users.keysFor(binding)).toEqual({ own: [binding.key, binding.otherKey], shards });
    expect(plan('/topic/#').keysFor(binding).shards).toEqual([]);
  });

  test('gets every message of a lane that it matches', () => {
    const word = fc.constantFrom('a', 'b', 'c');
    const words = (of: fc.Arbitrary<string>) =>
      fc.array(of, { minLength: 1, maxLength: 4 }).map((each) => each.join('.'));
    const pattern = words(fc.oneof(word, fc.constantFrom('*', '#'))).filter((each) => each.split('#').length <= 2);
    fc.assert(
      fc.property(pattern, pattern, words(word), (lane, subscription, key) => {
        const { shardOf, keysFor } = bound(plan(`/topic/${lane}`));
        const shard = shardOf(TOPICS, key);
        expect(shard !== undefined).toBe(matches(lane, key));
        if (!matches(subscription, key)) return;
        const { own, shards } = keysFor(subscription);
        // From AMQP publishers, and from clients
        expect(own.some((each) => matches(each, key))).toBe(true);
        if (shard !== undefined) expect(shards).toContain(shard);
      }),
    );
  });
});

test('a subscription overlaps a lane if a message can match both', () => {
  const one = plan('/topic/ui.#');
  const overlaps = (exchange: string, key: string) => one.overlaps({ exchange, key });
  expect(['ui.a', '#', '*.b'].map((key) => overlaps(TOPICS, key))).toEqual([true, true, true]);
  expect([overlaps(TOPICS, 'other.*'), overlaps('orders', 'ui.a'), overlaps(USERS, 'ui.a')]).toEqual([
    false,
    false,
    false,
  ]);
  expect(plan('/user/#').overlaps({ exchange: USERS, key: 'news.ann' })).toBe(true);
});

test('a history is in a lane if they have a message in common', () => {
  expect(isInLane(['/topic/ui.#'], 'topic', '*.a')).toBe(true);
  expect(isInLane(['/topic/ui.#'], 'topic', 'prices.#')).toBe(false);
  expect([isInLane(['/user/#'], 'user', 'news'), isInLane(['/topic/#'], 'user', 'news')]).toEqual([true, false]);
});

test.each([
  ['/queue/a', /"\/queue\/a" is no lane: it must be \/user\/#, or begin with \/topic\//],
  ['/topic/a.#.b.#', /#/],
  ['/user/queue/news', /is no lane/],
])('%s is refused', (lane, rule) => {
  expect(() => plan(lane)).toThrow(rule);
});

function bound(one: LanePlan) {
  return {
    shardOf: (exchange: string, key: string) => one.shardOf({ exchange, key }),
    keysFor: (key: string) => one.keysFor({ exchange: TOPICS, key }),
  };
}
