/**
 * The acknowledgements of a whole session: subscriptions in every ack mode, ACK and NACK inside and outside of
 * transactions, UNSUBSCRIBE and its grace period, in any order. A simple model predicts every call that reaches the
 * broker, and each delivery is settled once.
 */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { AckMode, Outcome } from '../../../../server/src/brokers/broker.js';
import type { MemoryConnection } from '../../../support/memory-connection.js';
import { fc } from '../../../support/properties.js';
import { Harness, OPTIONS, pass, tick, useFakeTime } from '../session/harness.js';

beforeEach(useFakeTime);
afterEach(() => {
  jest.useRealTimers();
});

interface Subscription {
  readonly destination: string;
  readonly mode: AckMode;
  endedAt: number | undefined;
  /** True when the grace period after UNSUBSCRIBE is over. */
  isOver: boolean;
}

interface Delivery {
  readonly body: string;
  readonly subscription: Subscription;
  state: 'unsettled' | 'claimed' | 'settled';
}

interface Step {
  readonly claimed: readonly Delivery[];
  readonly outcome: Outcome;
}

class Model {
  now = 0;
  isOver = false;
  readonly subscriptions = new Map<string, Subscription>();
  readonly ended: Subscription[] = [];
  readonly deliveries: Delivery[] = [];
  readonly transactions = new Map<string, Step[]>();
  /** The expected calls at the broker, in order. */
  readonly settled: string[] = [];
  count = 0;

  get unsettled(): Delivery[] {
    return this.deliveries.filter(({ state }) => state === 'unsettled');
  }

  settle(deliveries: readonly Delivery[], outcome: Outcome): void {
    for (const delivery of deliveries) {
      delivery.state = 'settled';
      this.settled.push(`${outcome} ${delivery.body}`);
    }
  }

  /** STOMP 1.2, "SUBSCRIBE ack Header": cumulative in `client` mode, within the subscription. */
  covered(delivery: Delivery): Delivery[] {
    const { mode } = delivery.subscription;
    if (mode !== 'client') return [delivery];
    const older = this.deliveries.slice(0, this.deliveries.indexOf(delivery) + 1);
    return older.filter(({ subscription, state }) => subscription === delivery.subscription && state === 'unsettled');
  }

  pass(ms: number): void {
    this.now += ms;
    for (const subscription of this.ended) {
      if (subscription.isOver || this.now - subscription.endedAt! < OPTIONS.ackGraceMs) continue;
      subscription.isOver = true;
      this.settle(
        this.unsettled.filter((each) => each.subscription === subscription),
        'requeue',
      );
    }
  }
}

interface Real {
  readonly harness: Harness;
  readonly client: MemoryConnection;
  readonly ackIds: Map<string, string>;
}

/** Runs a command, then compares the broker's calls with the model. */
abstract class Command implements fc.AsyncCommand<Model, Real> {
  check(model: Readonly<Model>): boolean {
    return !model.isOver && this.isPossible(model);
  }
  async run(model: Model, real: Real): Promise<void> {
    await this.act(model, real);
    await tick();
    expect(real.harness.broker.settled).toEqual(model.settled);
    expect(real.client.summary.filter((each) => each.startsWith('ERROR'))).toEqual(
      model.isOver ? ['ERROR unknown-ack'] : [],
    );
  }
  protected abstract isPossible(model: Readonly<Model>): boolean;
  protected abstract act(model: Model, real: Real): Promise<void> | void;
}

class Subscribe extends Command {
  constructor(
    private readonly id: string,
    private readonly mode: AckMode,
  ) {
    super();
  }
  protected override isPossible = (model: Model) => !model.subscriptions.has(this.id);
  protected override act(model: Model, { client }: Real): void {
    const destination = `/queue/${++model.count}`;
    model.subscriptions.set(this.id, { destination, mode: this.mode, endedAt: undefined, isOver: false });
    client.sendFrame('SUBSCRIBE', { id: this.id, destination, ack: this.mode });
  }
  override toString = () => `SUBSCRIBE ${this.id} ${this.mode}`;
}

class Deliver extends Command {
  constructor(private readonly id: string) {
    super();
  }
  protected override isPossible = (model: Model) => model.subscriptions.has(this.id);
  protected override act(model: Model, { harness, client, ackIds }: Real): void {
    const subscription = model.subscriptions.get(this.id)!;
    const delivery: Delivery = { body: String(++model.count), subscription, state: 'unsettled' };
    client.fresh();
    harness.broker.consumer(subscription.destination).deliver(delivery.body);
    if (subscription.mode === 'auto') return model.settle([delivery], 'ack');
    model.deliveries.push(delivery);
    const [message] = client.fresh();
    expect(message?.headers['subscription']).toBe(this.id);
    ackIds.set(delivery.body, message?.headers['ack'] ?? '');
  }
  override toString = () => `deliver to ${this.id}`;
}

class Acknowledge extends Command {
  constructor(
    private readonly index: number,
    private readonly outcome: Outcome,
    private readonly transaction: string,
  ) {
    super();
  }
  protected override isPossible = (model: Model) => model.unsettled.length > 0;
  protected override act(model: Model, { client, ackIds }: Real): void {
    const delivery = model.unsettled[this.index % model.unsettled.length]!;
    const covered = model.covered(delivery);
    const steps = model.transactions.get(this.transaction);
    client.sendFrame(this.outcome === 'ack' ? 'ACK' : 'NACK', {
      id: ackIds.get(delivery.body)!,
      ...(this.outcome === 'drop' && { requeue: 'false' }),
      ...(steps && { transaction: this.transaction }),
    });
    if (!steps) return model.settle(covered, this.outcome);
    for (const each of covered) each.state = 'claimed';
    steps.push({ claimed: covered, outcome: this.outcome });
  }
  override toString = () => `${this.outcome} ${this.index} ${this.transaction}`;
}

/** Acknowledges a settled or claimed delivery again: the relay refuses it, and nothing else changes. */
class AcknowledgeAgain extends Command {
  constructor(private readonly index: number) {
    super();
  }
  protected override isPossible = (model: Model) => model.deliveries.some(({ state }) => state !== 'unsettled');
  protected override act(model: Model, { client, ackIds }: Real): void {
    const used = model.deliveries.filter(({ state }) => state !== 'unsettled');
    client.sendFrame('ACK', { id: ackIds.get(used[this.index % used.length]!.body)! });
    model.isOver = true;
  }
  override toString = () => `ACK again ${this.index}`;
}

class Unsubscribe extends Command {
  constructor(private readonly id: string) {
    super();
  }
  protected override isPossible = (model: Model) => model.subscriptions.has(this.id);
  protected override act(model: Model, { client }: Real): void {
    const subscription = model.subscriptions.get(this.id)!;
    subscription.endedAt = model.now;
    model.subscriptions.delete(this.id);
    model.ended.push(subscription);
    client.sendFrame('UNSUBSCRIBE', { id: this.id });
  }
  override toString = () => `UNSUBSCRIBE ${this.id}`;
}

/** A quarter of the grace period and a margin: deadlines are late by at most two ticks of 50 ms. */
const PASS_MS = OPTIONS.ackGraceMs / 4 + 50;

class Pass extends Command {
  constructor(private readonly quarters: number) {
    super();
  }
  protected override isPossible = () => true;
  protected override async act(model: Model): Promise<void> {
    for (let count = 0; count < this.quarters; count++) model.pass(PASS_MS);
    await pass(this.quarters * PASS_MS);
  }
  override toString = () => `${this.quarters} quarters of the grace period pass`;
}

class Begin extends Command {
  constructor(private readonly id: string) {
    super();
  }
  protected override isPossible = (model: Model) => !model.transactions.has(this.id);
  protected override act(model: Model, { client }: Real): void {
    model.transactions.set(this.id, []);
    client.sendFrame('BEGIN', { transaction: this.id });
  }
  override toString = () => `BEGIN ${this.id}`;
}

class End extends Command {
  constructor(
    private readonly verb: 'COMMIT' | 'ABORT',
    private readonly id: string,
  ) {
    super();
  }
  protected override isPossible = (model: Model) => model.transactions.has(this.id);
  protected override act(model: Model, { client }: Real): void {
    const steps = model.transactions.get(this.id)!;
    model.transactions.delete(this.id);
    for (const { claimed, outcome } of steps) {
      if (this.verb === 'COMMIT') model.settle(claimed, outcome);
      else if (claimed[0]?.subscription.isOver === true) model.settle(claimed, 'requeue');
      else for (const each of claimed) each.state = 'unsettled';
    }
    client.sendFrame(this.verb, { transaction: this.id });
  }
  override toString = () => `${this.verb} ${this.id}`;
}

const id = fc.constantFrom('s', 't');
const transaction = fc.constantFrom('tx', 'ty');
const mode = fc.constantFrom<AckMode[]>('client', 'client', 'client-individual', 'auto');
const outcome = fc.constantFrom<Outcome[]>('ack', 'requeue', 'drop');
const deliver = id.map((each) => new Deliver(each));
const acknowledge = fc
  .tuple(fc.nat({ max: 9 }), outcome, fc.constantFrom('none', 'tx', 'ty'))
  .map((parameters) => new Acknowledge(...parameters));

const commands = fc.commands<Model, Real, false>(
  [
    fc.tuple(id, mode).map((parameters) => new Subscribe(...parameters)),
    deliver,
    deliver,
    deliver,
    acknowledge,
    acknowledge,
    id.map((each) => new Unsubscribe(each)),
    fc.integer({ min: 1, max: 4 }).map((quarters) => new Pass(quarters)),
    transaction.map((each) => new Begin(each)),
    fc
      .tuple(fc.constantFrom('COMMIT' as const, 'ABORT' as const), transaction)
      .map((parameters) => new End(...parameters)),
  ],
  { size: 'large', maxCommands: 60 },
);

test('the broker gets one outcome for each delivery, as the client acknowledged it, and the rest is requeued', async () => {
  const property = fc.asyncProperty(commands, fc.nat(), async (all, index) => {
    const bounds = { transactionMaxCount: 1_000, transactionMaxBytes: 1_000_000, transactionsMaxBytes: 1_000_000 };
    const harness = new Harness({ session: bounds });
    const client = await harness.connect();
    const model = new Model();
    const real = { harness, client, ackIds: new Map<string, string>() };
    await fc.asyncModelRun(() => ({ model, real }), all);
    // Runs last, because it ends the session
    const last = new AcknowledgeAgain(index);
    if (last.check(model)) await last.run(model, real);
    expect(await harness.leftovers()).toEqual([]);
    harness.timers.close();
  });
  await fc.assert(property, { numRuns: 150 });
}, 60_000);
