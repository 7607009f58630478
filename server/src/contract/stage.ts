/** The broker under test: created for the first test, shared by all, cleaned after each. */
import type { Broker } from '../brokers/broker.js';
import { BrokerDesk } from './broker-desk.js';

export interface BrokerUnderTest {
  readonly broker: Broker;
  /**
   * Starts a second instance on the same broker. Returns the same instance if only one is possible. `close` closes it
   * too.
   */
  another(): Promise<Broker>;
  close(): Promise<void>;
}

export interface Desks {
  /** The instance that subscribes. */
  readonly here: BrokerDesk;
  /** The instance that sends. */
  readonly there: BrokerDesk;
}

interface Opened extends Desks {
  readonly underTest: BrokerUnderTest;
}

export class Stage implements Desks {
  private opening: Promise<Opened> | undefined;
  private opened: Opened | undefined;

  constructor(private readonly make: () => Promise<BrokerUnderTest>) {}

  get here(): BrokerDesk {
    return this.desks.here;
  }

  get there(): BrokerDesk {
    return this.desks.there;
  }

  private get desks(): Desks {
    if (!this.opened) throw new Error('The broker is only available during a test.');
    return this.opened;
  }

  async run(test: () => Promise<void> | void): Promise<void> {
    const { here, there } = (this.opened = await (this.opening ??= this.open()));
    try {
      await test();
    } finally {
      await there.close();
      await here.close();
    }
  }

  private async open(): Promise<Opened> {
    const underTest = await this.make();
    try {
      const here = new BrokerDesk(underTest.broker);
      return { underTest, here, there: new BrokerDesk(await underTest.another()) };
    } catch (error) {
      await underTest.close();
      throw error;
    }
  }

  /** Does nothing if no test has run. */
  async close(): Promise<void> {
    await (await this.opening)?.underTest.close();
  }
}
