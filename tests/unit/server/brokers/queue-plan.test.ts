import { describe, expect, test } from '@jest/globals';
import { durablePrefixOf } from '../../../../server/src/brokers/durable-names.js';
import { declarationFor, planConsumer } from '../../../../server/src/brokers/queue-plan.js';
import type { QueuePlan } from '../../../../server/src/brokers/queue-plan.js';
import { parseDestination } from '../../../../server/src/destinations/destination.js';
import type { Destination } from '../../../../server/src/destinations/destination.js';

const settings = {
  topicExchange: 'amq.topic',
  topics: { keyWordsMax: 32, patternHashesMax: 1 },
  userExchange: 'stomp-relay.user',
  autoPrefetch: 10,
  clientPrefetch: 20,
  queueExpiresMs: 60_000,
  queueArguments: { priorityMax: 10, deadLetterQueuesMax: 16, boundDeadLetters: false },
};
const CLASSIC = { 'x-queue-type': 'classic' };
const QUORUM = { 'x-queue-type': 'quorum', 'x-expires': 60_000 };
const EXPIRES = { 'x-expires': 60_000, ...CLASSIC };
const ALICE = { sessionId: 's-1', user: 'alice', clientId: undefined };

interface Subscribe {
  readonly headers?: Readonly<Record<string, string>>;
  readonly ack?: 'auto' | 'client' | 'client-individual';
  readonly owner?: { readonly sessionId: string; readonly user: string; readonly clientId: string | undefined };
  readonly id?: string;
  readonly user?: string;
}

function plan(
  to: string,
  { headers = {}, ack = 'auto', owner = ALICE, id = '0', user }: Subscribe = {},
  queueArguments = settings.queueArguments,
): QueuePlan {
  const parsed = parseDestination(to, 'subscribe');
  const destination: Destination = parsed.kind === 'user' ? { ...parsed, user } : parsed;
  const options = { ack, headers: new Map(Object.entries(headers)), subscriptionId: id };
  return planConsumer(destination, options, owner, { ...settings, queueArguments });
}

describe('planConsumer', () => {
  test.each<[string, string, Subscribe, Partial<QueuePlan>]>([
    [
      'a queue is used as it is',
      '/queue/q',
      {},
      { queue: 'q', source: 'as-found', lifetime: 'kept', exclusive: false },
    ],
    ['an /amq/queue must exist', '/amq/queue/q', {}, { queue: 'q', source: 'must-exist', lifetime: 'kept' }],
    [
      'a queue with arguments is declared',
      '/queue/q',
      { headers: { 'x-max-length': '5', 'auto-delete': 'true' } },
      { source: { autoDelete: true, arguments: { 'x-max-length': 5 } }, lifetime: 'kept' },
    ],
    [
      'an exclusive queue is deleted with the session',
      '/queue/q',
      { headers: { exclusive: 'true' } },
      { source: { autoDelete: false, arguments: EXPIRES }, lifetime: 'session', exclusive: true },
    ],
    [
      'a queue with durable:false is deleted with the session',
      '/queue/q',
      { headers: { durable: 'false', 'x-expires': '5' } },
      { source: { autoDelete: false, arguments: { 'x-expires': 5, ...CLASSIC } }, lifetime: 'session' },
    ],
    [
      'a topic with acks has a dedicated queue',
      '/topic/a/*',
      { ack: 'client' },
      { source: { autoDelete: false, arguments: EXPIRES }, lifetime: 'subscription' },
    ],
    [
      'a durable subscription keeps its queue',
      '/topic/a',
      { headers: { durable: 'true' } },
      { source: { autoDelete: false, arguments: CLASSIC }, lifetime: 'until-forgotten', exclusive: true },
    ],
    [
      'a queue with a given name is shared',
      '/topic/a',
      { headers: { durable: 'true', 'x-queue-name': 'w' } },
      { queue: 'w', lifetime: 'until-forgotten', exclusive: false },
    ],
  ])('%s', (_, to, subscribe, expected) => {
    expect(plan(to, subscribe)).toMatchObject(expected);
  });

  test.each<[string, string, Subscribe, Record<string, unknown>]>([
    ['a permanent queue has the default type of its virtual host', '/queue/q', { headers: { durable: 'true' } }, {}],
    ['a requested type is kept', '/queue/q', { headers: { exclusive: 'true', 'x-queue-type': 'quorum' } }, QUORUM],
    [
      'a requested type is kept behind a topic',
      '/topic/a',
      { ack: 'client', headers: { 'x-queue-type': 'quorum' } },
      QUORUM,
    ],
  ])('%s', (_, to, subscribe, expected) => {
    const { source } = plan(to, subscribe) as { source: { arguments: object } };
    expect(source.arguments).toEqual(expected);
  });

  test.each<[string, Subscribe]>([
    ['/queue/q', { headers: { exclusive: 'true', 'x-queue-type': 'stream' } }],
    ['/queue/q', { headers: { durable: 'false', 'x-queue-type': 'stream' } }],
    ['/topic/a', { headers: { 'x-queue-type': 'stream' } }],
  ])('a stream that would be deleted with its session is refused: %s %j', (to, subscribe) => {
    expect(() => plan(to, subscribe)).toThrow(/durable:true/);
  });

  test('binds topics, exchanges and users', () => {
    const headers = { 'x-match': 'any', 'arg-a': '1' };
    expect(plan('/queue/q').binding).toBeUndefined();
    expect(plan('/topic/a/*').binding).toEqual({ exchange: 'amq.topic', key: 'a.*', arguments: {} });
    expect(plan('/exchange/e/k', { headers }).binding).toEqual({
      exchange: 'e',
      key: 'k',
      arguments: { 'x-match': 'any', a: '1' },
    });
    expect(plan('/user/queue/x', { user: 'a/b' }).binding).toEqual({
      exchange: 'stomp-relay.user',
      key: 'x.a%2Fb',
      arguments: {},
    });
  });

  test('limits unsettled deliveries as requested, else by the kind of ack, and always', () => {
    expect(plan('/queue/q').prefetch).toBe(10);
    expect(plan('/queue/q', { ack: 'client' }).prefetch).toBe(20);
    expect(plan('/queue/q', { headers: { 'prefetch-count': '3' } }).prefetch).toBe(3);
    expect(plan('/queue/q', { headers: { 'prefetch-count': '0' } }).prefetch).toBe(65_535);
  });

  test('gives each private queue a new name', () => {
    expect(plan('/topic/a', { ack: 'client' }).queue).not.toBe(plan('/topic/a', { ack: 'client' }).queue);
  });

  test('derives the name of a durable queue from user, client-id, destination and id', () => {
    const headers = { durable: 'true' };
    const name = (subscribe: Subscribe, to = '/topic/a') => plan(to, { headers, ...subscribe }).queue;
    const names = [
      name({}),
      name({ owner: { ...ALICE, user: 'bob' } }),
      name({ owner: { ...ALICE, clientId: 'tablet' } }),
      name({ id: '1' }),
      name({}, '/topic/b'),
    ];
    expect(new Set(names).size).toBe(names.length);
    expect(name({ owner: { ...ALICE, sessionId: 's-2' } })).toBe(names[0]);
    expect(names[0]).toMatch(/^stomp-relay\.durable\.[\w-]{22}\.[\w-]{43}$/);
    const users = names.map((each) => each.slice(0, durablePrefixOf('alice').length));
    expect(users.map((each) => each === durablePrefixOf('alice'))).toEqual([true, false, true, true, true]);
    expect(users[1]).toBe(durablePrefixOf('bob'));
  });

  test('a durable queue has a former name and a description, unless the client chose its name', () => {
    const durable = plan('/topic/a', { headers: { durable: 'true' } });
    expect(durable.formerQueue).toMatch(/^stomp-relay\.durable\.[\w-]{43}$/);
    expect(durable.source).toMatchObject({
      arguments: { 'x-stomp-relay': expect.stringMatching(/^\{"user":"alice",.*"destination":"\/topic\/a",/) },
    });
    const chosen = plan('/topic/a', { headers: { durable: 'true', 'x-queue-name': 'w' } });
    expect(chosen.formerQueue).toBeUndefined();
    expect(chosen.source).toMatchObject({ arguments: CLASSIC });
    expect((chosen.source as { arguments: object }).arguments).not.toHaveProperty('x-stomp-relay');
  });

  test('allows the arguments that the configuration allows', () => {
    const headers = { 'x-dead-letter-exchange': 'amq.topic', 'x-max-priority': '20' };
    const refusal = (rules: Partial<typeof settings.queueArguments>) => {
      try {
        plan('/topic/a', { headers }, { ...settings.queueArguments, ...rules });
        return undefined;
      } catch (error) {
        return (error as Error).message;
      }
    };
    expect(refusal({})).toMatch(/x-dead-letter-exchange .*queues\.arguments\.boundDeadLetters/);
    expect(refusal({ boundDeadLetters: true })).toMatch(/x-max-priority:20 .*queues\.arguments\.priorityMax \(10\)/);
    expect(refusal({ priorityMax: 20 })).toMatch(/x-dead-letter-exchange/);
    expect(refusal({ boundDeadLetters: true, priorityMax: 20 })).toBeUndefined();
    expect(plan('/queue/q', { headers: { 'x-dead-letter-exchange': 'amq.topic' } }).queue).toBe('q');
  });

  test('gives refusals the codes of a broker', () => {
    const coded = (code: string): unknown => expect.objectContaining({ name: 'BrokerError', code });
    expect(() => plan('/queue/q', { headers: { durable: 'perhaps' } })).toThrow(coded('invalid-header'));
    expect(() => plan('/user/queue/x')).toThrow(coded('invalid-destination'));
    expect(() => plan('/user/queue/x', { user: 'u'.repeat(255) })).toThrow(coded('invalid-destination'));
  });
});

test('declarationFor: a SEND without queue headers declares nothing', () => {
  const declared = (headers: Record<string, string>) =>
    declarationFor(new Map(Object.entries(headers)), 'send', settings);
  expect(declared({ persistent: 'true', priority: '3', 'x-custom': '1' })).toBeUndefined();
  expect(declared({ 'x-message-ttl': '5' })).toEqual({ autoDelete: false, arguments: { 'x-message-ttl': 5 } });
  expect(declared({ durable: 'false' })).toEqual({ autoDelete: false, arguments: EXPIRES });
});
