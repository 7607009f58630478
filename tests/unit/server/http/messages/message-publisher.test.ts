import { expect, test } from '@jest/globals';
import { BrokerError } from '../../../../../server/src/brokers/broker.js';
import type { Broker } from '../../../../../server/src/brokers/broker.js';
import { MessagePublisher } from '../../../../../server/src/http/messages/message-publisher.js';
import type { Result } from '../../../../../server/src/http/messages/message-publisher.js';
import { BatchTurns } from '../../../../../server/src/timing/batch-turns.js';

const ANN = { name: 'ann', anonymous: false, claims: {} };
const configOf = (publishTimeoutMs: number) => ({
  session: { connectTimeoutMs: 1_000 },
  limits: { afterLogin: { bodyMaxBytes: 100 } },
  http: { publishTimeoutMs },
});
const message = (text: string) => ({
  destination: `/topic/${text}`,
  headers: new Map(),
  body: Buffer.from(text),
  mandatory: false,
});
const batch = () => new BatchTurns().begin('ann');
const messages = (...texts: string[]) => texts.map(message);
const codes = (results: readonly Result[]) =>
  results.map((each) => ('problem' in each ? each.problem.code : each.result));

function setUp(
  broker: { prepare?: (key: string) => unknown; publish?: (key: string) => Promise<void> },
  publishTimeoutMs = 1_000,
) {
  const calls: string[] = [];
  const failures: unknown[] = [];
  const users = new Set<string>();
  const counters = { messages: { confirmed: 0, unroutable: 0, refused: 0 } };
  const keyOf = (destination: object): string => String((destination as { key?: unknown }).key);
  const publisher = new MessagePublisher(
    {
      broker: {
        publication: (destination: object, _message: object, { user }: { user: string }) => {
          const key = keyOf(destination);
          users.add(user);
          calls.push(`prepare ${key}`);
          const send = () => {
            calls.push(`publish ${key}`);
            return broker.publish?.(key) ?? Promise.resolve();
          };
          return { ready: broker.prepare?.(key), send };
        },
      } as unknown as Broker,
      policy: { allows: () => true },
      counters,
      onFailed: (error) => failures.push(error),
    },
    configOf(publishTimeoutMs),
  );
  return { calls, failures, counters, users, publisher };
}

const away = () => new BrokerError('broker-unavailable', 'RabbitMQ is away.');

test('each message is prepared and published before the next one; confirms overlap', async () => {
  const confirms: (() => void)[] = [];
  const { calls, users, publisher } = setUp({
    publish: () => new Promise((resolve) => confirms.push(resolve)),
    prepare: (key) => (key === 'b' ? new Promise((resolve) => setImmediate(resolve)) : undefined),
  });
  const results = publisher.publish({ principal: ANN, account: undefined }, messages('a', 'b', 'c'), batch());
  while (confirms.length < 3) await new Promise((resolve) => setImmediate(resolve));
  expect(calls).toEqual(['prepare a', 'publish a', 'prepare b', 'publish b', 'prepare c', 'publish c']);
  confirms.forEach((confirm) => confirm());
  expect(codes(await results)).toEqual(['confirmed', 'confirmed', 'confirmed']);
  expect([...users]).toEqual(['ann']);
});

test('a request waits for an unavailable broker once, not for each message', async () => {
  const { calls, counters, publisher } = setUp({
    prepare: (key) => (key === 'b' ? Promise.reject(away()) : undefined),
  });
  const results = await publisher.publish(
    { principal: ANN, account: undefined },
    messages('a', 'b', 'c', 'd'),
    batch(),
  );
  expect(codes(results)).toEqual(['confirmed', 'broker-unavailable', 'broker-unavailable', 'broker-unavailable']);
  expect(calls).not.toContain('prepare c');
  expect(counters.messages).toEqual({ confirmed: 1, unroutable: 0, refused: 3 });
});

test('a repeated request publishes only the messages without a final result', async () => {
  let isAway = true;
  const { calls, counters, publisher } = setUp({
    prepare: (key) => {
      if (key === 'b') throw new BrokerError('exchange-not-found', 'No.');
      return key === 'c' && isAway ? Promise.reject(away()) : undefined;
    },
  });
  const first = await publisher.publish({ principal: ANN, account: undefined }, messages('a', 'b', 'c'), batch());
  isAway = false;
  calls.length = 0;
  const second = await publisher.publish(
    { principal: ANN, account: undefined },
    messages('a', 'b', 'c'),
    batch(),
    first,
  );
  expect(codes(second)).toEqual(['confirmed', 'exchange-not-found', 'confirmed']);
  expect(calls).toEqual(['prepare c', 'publish c']);
  expect(counters.messages).toEqual({ confirmed: 2, unroutable: 0, refused: 2 });
});

test('messages after publishTimeoutMs are not published', async () => {
  const { calls, publisher } = setUp({ prepare: () => new Promise((resolve) => setTimeout(resolve, 20)) }, 10);
  expect(codes(await publisher.publish({ principal: ANN, account: undefined }, messages('a', 'b'), batch()))).toEqual([
    'confirmed',
    'overloaded',
  ]);
  expect(calls).not.toContain('prepare b');
});

test('an internal error is reported for the log, but the client does not see it', async () => {
  const fault = new TypeError('secret details');
  const { failures, publisher } = setUp({ publish: () => Promise.reject(fault) });
  const [result] = await publisher.publish({ principal: ANN, account: undefined }, messages('a'), batch());
  expect(JSON.stringify(result)).toMatch(/internal-error/);
  expect(JSON.stringify(result)).not.toMatch(/secret/);
  expect(failures).toEqual([fault]);
});

test('costly messages are handled in several turns of the event loop', async () => {
  let now = 0;
  const { calls, publisher } = setUp({ prepare: () => void (now += 6) }, 60_000);
  const texts = Array.from({ length: 100 }, (_, index) => String(index));
  const slices = new BatchTurns(() => now).begin('ann');
  const published = publisher.publish({ principal: ANN, account: undefined }, messages(...texts), slices);
  let most = 0;
  for (let seen = 0; seen < 2 * texts.length; seen += calls.splice(0).length) {
    await new Promise((resolve) => setImmediate(resolve));
    most = Math.max(most, calls.length);
  }
  expect(most).toBeLessThanOrEqual(6);
  expect(codes(await published)).toEqual(texts.map(() => 'confirmed'));
});
