/**
 * The bindings of a queue, while keys are requested and dropped, the broker fails and refuses, and connections come and
 * go. Each key has one operation at a time, and in the end the broker matches the desired state.
 */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { BrokerError } from '../../../../../../server/src/brokers/broker.js';
import { KeyBindings } from '../../../../../../server/src/brokers/rabbitmq/consume/key-bindings.js';
import { fc } from '../../../../../support/properties.js';

const OPERATIONS_MAX = 3;
const RETRY_MS = 1_000;

interface Operation {
  readonly queue: string;
  readonly key: string;
  readonly isBind: boolean;
  resolve(): void;
  reject(error: BrokerError): void;
}

/** A broker whose answers the test controls; some are failures. */
class UnsureBroker {
  readonly open: Operation[] = [];
  readonly bound = new Map<string, Set<string>>();
  /** Set by the test; called for keys that will not be bound. */
  onRefused = (_key: string): void => {};
  queue: string | undefined;
  readonly bindings = new KeyBindings(
    { bind: (queue, key) => this.ask(queue, key, true), unbind: (queue, key) => this.ask(queue, key, false) },
    OPERATIONS_MAX,
    (key) => this.onRefused(key),
  );

  private ask(queue: string, key: string, isBind: boolean): Promise<void> {
    expect(queue).toBe(this.queue);
    expect(this.open.length).toBeLessThan(OPERATIONS_MAX);
    expect(this.open.map((each) => each.key)).not.toContain(key);
    return new Promise((resolve, reject) => this.open.push({ queue, key, isBind, resolve, reject }));
  }

  answer(index: number, result: 'yes' | 'late' | 'late but done' | 'refused'): void {
    const [operation] = this.open.splice(index % Math.max(this.open.length, 1), 1);
    if (!operation) return;
    const { queue, key, isBind } = operation;
    // The broker does not refuse an existing binding
    if (result === 'refused' && isBind && !this.bound.get(queue)?.has(key)) {
      return operation.reject(new BrokerError('access-refused', 'No.'));
    }
    if (result !== 'late') this.bound.get(queue)?.[isBind ? 'add' : 'delete'](key);
    if (result === 'yes' || result === 'refused') operation.resolve();
    else operation.reject(new BrokerError('broker-unavailable', 'Late.'));
  }

  attach(queue: string, keys: string[]): void {
    this.queue = queue;
    if (!this.bound.has(queue)) this.bound.set(queue, new Set());
    this.bindings.attach(queue, keys);
  }

  detach(): void {
    this.queue = undefined;
    this.bindings.detach();
  }
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const result = fc.constantFrom(
  'yes' as const,
  'yes' as const,
  'late' as const,
  'late but done' as const,
  'refused' as const,
);
const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ request: key }) },
  { weight: 4, arbitrary: fc.record({ drop: key }) },
  { weight: 6, arbitrary: fc.record({ answer: fc.nat({ max: 2 }), result }) },
  { weight: 1, arbitrary: fc.constant('reconnect' as const) },
  { weight: 1, arbitrary: fc.constant('new channel' as const) },
  { weight: 1, arbitrary: fc.constant('lose' as const) },
  { weight: 1, arbitrary: fc.constant('wait' as const) },
);

/** Lets all pending promises settle. */
const settle = () => new Promise(setImmediate);

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask', 'nextTick'] });
});
afterEach(() => {
  jest.useRealTimers();
});

async function run(steps: readonly (typeof step extends fc.Arbitrary<infer Step> ? Step : never)[]): Promise<void> {
  const broker = new UnsureBroker();
  const { bindings } = broker;
  const desired = new Set<string>();
  const waits: { readonly name: string; isOver: boolean }[] = [];
  const watch = (name: string, promise: Promise<void> | undefined, refused = () => {}): void => {
    const wait = { name, isOver: false };
    waits.push(wait);
    (promise ?? Promise.resolve()).catch(refused).finally(() => (wait.isOver = true));
  };
  /** A refused caller drops its key. */
  const drop = (each: string): void => {
    desired.delete(each);
    watch(`drop ${each}`, bindings.drop(each));
  };
  broker.onRefused = drop;
  let queues = 0;
  /** Attaches a new queue, or the existing one after the loss of only a channel. */
  const reconnect = (isNew: boolean): void => {
    if (broker.queue !== undefined) broker.detach();
    if (isNew || queues === 0) queues++;
    broker.attach(`queue ${queues}`, [...desired]);
  };
  for (const each of steps) {
    if (each === 'reconnect' || each === 'new channel') reconnect(each === 'reconnect');
    else if (each === 'lose') broker.detach();
    else if (each === 'wait') jest.advanceTimersByTime(RETRY_MS);
    else if ('request' in each) {
      desired.add(each.request);
      watch(`request ${each.request}`, bindings.request(each.request), () => drop(each.request));
    } else if ('drop' in each) {
      drop(each.drop);
    } else broker.answer(each.answer, each.result);
    await settle();
  }
  if (broker.queue === undefined) reconnect(true);
  await finish(broker);
  expect([...(broker.bound.get(broker.queue!) ?? [])].sort()).toEqual([...desired].sort());
  expect(bindings.pending).toBe(0);
  expect(waits.filter(({ isOver }) => !isOver)).toEqual([]);
  broker.detach();
}

/** Answers every operation with success until none is left. */
async function finish(broker: UnsureBroker): Promise<void> {
  for (let round = 0; round < 50; round++) {
    await settle();
    jest.advanceTimersByTime(RETRY_MS);
    while (broker.open.length > 0) broker.answer(0, 'yes');
  }
  await settle();
  expect(broker.open).toEqual([]);
}

test('the broker ends with the last desired bindings, whatever fails on the way', async () => {
  const property = fc.asyncProperty(fc.array(step, { size: 'large', maxLength: 60 }), run);
  await fc.assert(property, { numRuns: 200 });
}, 60_000);
