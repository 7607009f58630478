/**
 * The contract of a broker, as tests: every MUST of `brokers/broker.ts`, and every documented destination and queue
 * header. A broker is tested for its declared capabilities. Tests send on one instance and receive on another, unless
 * they are about a single instance. Each test uses unique names, so the broker may hold other data.
 */
import type { BrokerCapabilities } from '../brokers/broker.js';
import { deadLetterTests } from './dead-lettering.js';
import { capabilityTests } from './declared-capabilities.js';
import { durableSubscriptionTests } from './durable-subscriptions.js';
import type { TestHarness } from './harness.js';
import { messageTests } from './messages.js';
import { ownSubscriptionTests } from './own-subscriptions.js';
import { queueArgumentTests } from './queue-arguments.js';
import { recoveryTests } from './recovery.js';
import { replyQueueTests } from './reply-queues.js';
import { sharedSubscriptionTests } from './shared-subscriptions.js';
import { Stage } from './stage.js';
import type { BrokerUnderTest } from './stage.js';
import { Collection } from './suite.js';

export type { Expect, Expectation, TestHarness } from './harness.js';
export { HISTORY_RULES } from './recovery.js';
export type { BrokerUnderTest } from './stage.js';

export interface ContractSubject {
  /** The title of the whole suite. */
  readonly name: string;
  /** The broker's capabilities. The suite needs them before it creates a broker; a test compares the two. */
  readonly capabilities: BrokerCapabilities;
  /** Called when the first test runs, and by tests that close a broker. */
  readonly make: () => Promise<BrokerUnderTest>;
}

export interface ContractReport {
  /** One line for each skipped test or group, with the capabilities that it needs. */
  readonly leftOut: readonly string[];
}

/** The limits on keys and patterns that the tested broker must enforce. By default a pattern has one `#`. */
export const KEY_LIMITS = { keyWordsMax: 32, patternHashesMax: 2 };

/** Long, because the first test waits for the broker to start. */
const TIMEOUT_MS = 60_000;

const PARTS = [
  capabilityTests,
  sharedSubscriptionTests,
  messageTests,
  ownSubscriptionTests,
  replyQueueTests,
  deadLetterTests,
  queueArgumentTests,
  durableSubscriptionTests,
  recoveryTests,
];

/** Registers the tests with the runner. */
export function brokerContract(harness: TestHarness, { name, capabilities, make }: ContractSubject): ContractReport {
  const stage = new Stage(make);
  const { expect, describe, test, afterAll } = harness;
  const collection = new Collection({ expect, desks: stage, capabilities, makeBroker: make });
  for (const collect of PARTS) collect(collection.suite);
  const close = () => stage.close();
  describe(name, () => {
    afterAll?.(close, TIMEOUT_MS);
    collection.register(harness, (body) => stage.run(body), TIMEOUT_MS);
    if (!afterAll) test('the broker closes', close, TIMEOUT_MS);
  });
  return { leftOut: collection.leftOut };
}
