/**
 * What every broker must do, as tests: every MUST of `brokers/broker.ts`, and every destination and queue header of the
 * documentation. A broker is tested for the capabilities that it declares. Messages are sent on one instance and received on
 * another, unless a test is about one instance. Names are unique to a test, so that it can run against a broker that holds
 * anything else.
 */
import type { BrokerCapabilities } from '../brokers/broker.js';
import { capabilityTests } from './declared-capabilities.js';
import { deadLetterTests } from './dead-lettering.js';
import { durableSubscriptionTests } from './durable-subscriptions.js';
import type { TestHarness } from './harness.js';
import { messageTests } from './messages.js';
import { ownSubscriptionTests } from './own-subscriptions.js';
import { queueArgumentTests } from './queue-arguments.js';
import { replyQueueTests } from './reply-queues.js';
import { sharedSubscriptionTests } from './shared-subscriptions.js';
import { type BrokerUnderTest, Stage } from './stage.js';
import { Collection } from './suite.js';

export type { Expect, Expectation, TestHarness } from './harness.js';
export type { BrokerUnderTest } from './stage.js';

export interface ContractSubject {
  /** The title of the whole. */
  readonly name: string;
  /** Those of the broker. They are needed before a broker is made; a test compares. */
  readonly capabilities: BrokerCapabilities;
  /** Called when the first test runs, and by tests that close a broker. */
  readonly make: () => Promise<BrokerUnderTest>;
}

export interface ContractReport {
  /** A line for each test or group that needs more than the broker declares, with the capabilities that it needs. */
  readonly leftOut: readonly string[];
}

/** The bounds on keys and patterns that a broker under test has to keep. By default a pattern has one `#`. */
export const KEY_LIMITS = { keyWordsMax: 32, patternHashesMax: 2 };

/** The first test waits for the broker to start. */
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
