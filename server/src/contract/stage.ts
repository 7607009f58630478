/** The broker under test: made for the first test, shared by all, cleaned after each. */
import type { Broker } from '../brokers/broker.js';
import { BrokerDesk } from './broker-desk.js';

export interface BrokerUnderTest {
  /** Started. */
  readonly broker: Broker;
  /** A second instance on the same broker, started; where there can be none, the same one. Closed with the first. */
  another(): Promise<Broker>;
  close(): Promise<void>;
}

/** What the tests use. */
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
    if (!this.opened) throw new Error('The broker is there within a test only.');
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

  /** Does nothing where no test has run. */
  async close(): Promise<void> {
    await (await this.opening)?.underTest.close();
  }
}
