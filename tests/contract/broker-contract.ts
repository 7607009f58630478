/**
 * What every broker must do, as tests that each of them passes: every MUST of `brokers/broker.ts`, and every destination
 * and queue header of the documentation. Messages are sent on one instance and received on another, unless a test is about
 * one instance. Names are unique to a test, so that it can run against a broker that holds anything else.
 */
import { afterAll, afterEach, beforeAll, describe } from '@jest/globals';
import type { Broker } from '../../server/src/brokers/broker.js';
import { BrokerDesk } from '../support/broker-desk.js';
import { durableSubscriptionTests } from './durable-subscriptions.js';
import { messageTests } from './messages.js';
import { ownSubscriptionTests } from './own-subscriptions.js';
import { queueArgumentTests } from './queue-arguments.js';
import { sharedSubscriptionTests } from './shared-subscriptions.js';

export interface BrokerUnderTest {
  /** Started. */
  readonly broker: Broker;
  /** A second instance on the same broker, started; where there can be none, the same one. Closed with the first. */
  another(): Promise<Broker>;
  close(): Promise<void>;
}

/** What the brokers are told. By default a pattern has one `#`. */
export const TOPICS = { keyWordsMax: 32, patternHashesMax: 2 };

/** What the tests use; set up anew for each test file, cleaned after each test. */
export interface Desks {
  /** The instance that subscribes. */
  readonly here: BrokerDesk;
  /** The instance that sends. */
  readonly there: BrokerDesk;
  make(): Promise<BrokerUnderTest>;
}

export function brokerContract(name: string, make: () => Promise<BrokerUnderTest>): void {
  describe(name, () => {
    let underTest: BrokerUnderTest;
    let desks: { here: BrokerDesk; there: BrokerDesk };

    beforeAll(async () => {
      underTest = await make();
      desks = { here: new BrokerDesk(underTest.broker), there: new BrokerDesk(await underTest.another()) };
    }, 60_000);

    afterEach(async () => {
      await desks.there.close();
      await desks.here.close();
    });

    afterAll(() => underTest.close());

    const current: Desks = {
      get here() {
        return desks.here;
      },
      get there() {
        return desks.there;
      },
      make,
    };
    sharedSubscriptionTests(current);
    messageTests(current);
    ownSubscriptionTests(current);
    queueArgumentTests(current);
    durableSubscriptionTests(current);
  });
}
