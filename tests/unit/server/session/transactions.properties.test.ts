/**
 * SENDs inside and outside of transactions, with late and failing checks and confirms. Publications, their order, and
 * all answers to the client must equal those of a simple model of the session's queue.
 */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { BrokerError } from '../../../../server/src/brokers/broker.js';
import type { MemoryConnection } from '../../../support/memory-connection.js';
import { fc } from '../../../support/properties.js';
import { Harness, tick, useFakeTime } from './harness.js';

const LIMITS = { transactionsMax: 2, transactionMaxCount: 3 };

beforeEach(useFakeTime);
afterEach(() => {
  jest.useRealTimers();
});

interface Transaction {
  /** SENDs whose checks are done. */
  readonly bodies: string[];
  frames: number;
}

/** A COMMIT in progress. */
interface Commit {
  readonly id: string;
  readonly total: number;
  open: number;
  failed: number;
}

type Entry =
  | { readonly kind: 'send'; readonly body: string; readonly transaction: Transaction | undefined }
  | { readonly kind: 'COMMIT' | 'ABORT'; readonly id: string; readonly transaction: Transaction };

class Model {
  readonly transactions = new Map<string, Transaction>();
  /** In the client's order. The check of the first entry may be pending. */
  readonly queue: Entry[] = [];
  checksAreHeld = false;
  /** Published and unanswered messages, with their COMMITs. */
  readonly open: { readonly body: string; readonly commit: Commit | undefined }[] = [];
  readonly published: string[] = [];
  readonly answers: string[] = [];
  isOver = false;
  count = 0;

  fail(code: string): void {
    this.isOver = true;
    this.answers.push(`ERROR ${code}`);
  }

  add(entry: Entry): void {
    this.queue.push(entry);
    if (this.queue.length === 1) this.proceed(this.checksAreHeld);
  }

  /** Applies the queue up to a SEND whose check is held. */
  proceed(isHeld: boolean): void {
    for (let head = this.queue[0]; head && !(head.kind === 'send' && isHeld); head = this.queue[0]) {
      this.queue.shift();
      this.apply(head);
      isHeld = this.checksAreHeld;
    }
  }

  private apply(entry: Entry): void {
    if (entry.kind === 'send') {
      if (entry.transaction) entry.transaction.bodies.push(entry.body);
      else this.publish(entry.body, undefined);
    } else if (entry.kind === 'ABORT') {
      this.answers.push(...entry.transaction.bodies.map((body) => `RECEIPT ${body}`), `RECEIPT ABORT ${entry.id}`);
    } else {
      const total = entry.transaction.bodies.length;
      const commit = { id: entry.id, total, open: total, failed: 0 };
      for (const body of entry.transaction.bodies) this.publish(body, commit);
      if (total === 0) this.answers.push(`RECEIPT COMMIT ${entry.id}`);
    }
  }

  private publish(body: string, commit: Commit | undefined): void {
    this.published.push(body);
    this.open.push({ body, commit });
  }

  answer(index: number, isTaken: boolean): void {
    const [{ body, commit }] = this.open.splice(index, 1) as [Model['open'][number]];
    if (isTaken) this.answers.push(`RECEIPT ${body}`);
    if (!commit) return isTaken ? undefined : this.fail('publish-refused');
    commit.open--;
    if (!isTaken) commit.failed++;
    if (commit.open > 0) return;
    if (commit.failed === 0) this.answers.push(`RECEIPT COMMIT ${commit.id}`);
    else this.fail(`commit-failed: ${commit.total - commit.failed} of the ${commit.total}`);
  }
}

interface Real {
  readonly harness: Harness;
  readonly client: MemoryConnection;
}

const answersOf = ({ frames }: MemoryConnection): string[] =>
  frames.slice(1).map(({ command, headers, body }) => {
    if (command === 'RECEIPT') return `RECEIPT ${headers['receipt-id']}`;
    const applied = headers['code'] === 'commit-failed' ? `: ${body.toString().split(' steps')[0]}` : '';
    return `ERROR ${headers['code']}${applied}`;
  });

abstract class Command implements fc.AsyncCommand<Model, Real> {
  /** A reckless command may break a rule and end the session. */
  constructor(private readonly isReckless: boolean) {}
  check(model: Readonly<Model>): boolean {
    return !model.isOver && (this.isReckless || this.isFine(model));
  }
  async run(model: Model, real: Real): Promise<void> {
    this.act(model, real);
    await tick();
    const { broker } = real.harness;
    expect(broker.publications.map(({ message }) => message.body.toString())).toEqual(model.published);
    expect(answersOf(real.client)).toEqual(model.answers);
  }
  protected abstract isFine(model: Readonly<Model>): boolean;
  protected abstract act(model: Model, real: Real): void;
}

class Begin extends Command {
  constructor(
    private readonly id: string,
    isReckless: boolean,
  ) {
    super(isReckless);
  }
  protected override isFine = ({ transactions }: Model) =>
    !transactions.has(this.id) && transactions.size < LIMITS.transactionsMax;
  protected override act(model: Model, { client }: Real): void {
    const receipt = `BEGIN ${this.id}`;
    client.sendFrame('BEGIN', { transaction: this.id, receipt });
    if (model.transactions.has(this.id)) return model.fail('transaction-in-use');
    if (model.transactions.size === LIMITS.transactionsMax) return model.fail('too-many-transactions');
    model.transactions.set(this.id, { bodies: [], frames: 0 });
    model.answers.push(`RECEIPT ${receipt}`);
  }
  override toString = () => `BEGIN ${this.id}`;
}

class Send extends Command {
  constructor(
    private readonly id: string | undefined,
    isReckless: boolean,
  ) {
    super(isReckless);
  }
  protected override isFine = ({ transactions }: Model) =>
    this.id === undefined || (transactions.get(this.id)?.frames ?? Infinity) < LIMITS.transactionMaxCount;
  protected override act(model: Model, { client }: Real): void {
    const body = String(++model.count);
    client.sendFrame(
      'SEND',
      { destination: '/queue/q', receipt: body, ...(this.id !== undefined && { transaction: this.id }) },
      body,
    );
    const transaction = this.id === undefined ? undefined : model.transactions.get(this.id);
    if (this.id !== undefined && !transaction) return model.fail('unknown-transaction');
    if (transaction && ++transaction.frames > LIMITS.transactionMaxCount) return model.fail('transaction-too-large');
    model.add({ kind: 'send', body, transaction });
  }
  override toString = () => `SEND ${this.id ?? ''}`;
}

class End extends Command {
  constructor(
    private readonly verb: 'COMMIT' | 'ABORT',
    private readonly id: string,
    isReckless: boolean,
  ) {
    super(isReckless);
  }
  protected override isFine = ({ transactions }: Model) => transactions.has(this.id);
  protected override act(model: Model, { client }: Real): void {
    client.sendFrame(this.verb, { transaction: this.id, receipt: `${this.verb} ${this.id}` });
    const transaction = model.transactions.get(this.id);
    if (!transaction) return model.fail('unknown-transaction');
    model.transactions.delete(this.id);
    model.add({ kind: this.verb, id: this.id, transaction });
  }
  override toString = () => `${this.verb} ${this.id}`;
}

class Answer extends Command {
  constructor(
    private readonly index: number,
    private readonly isTaken: boolean,
  ) {
    super(false);
  }
  protected override isFine = (model: Model) => model.open.length > 0;
  protected override act(model: Model, { harness }: Real): void {
    const index = this.index % model.open.length;
    const { confirm } = harness.broker.publications.filter((each) => !each.confirm.isSettled)[index]!;
    if (this.isTaken) confirm.grant();
    else confirm.refuse(new BrokerError('publish-refused', 'Full.'));
    model.answer(index, this.isTaken);
  }
  override toString = () => `the broker ${this.isTaken ? 'confirms' : 'refuses'} ${this.index}`;
}

/** Makes the following checks pending, or no longer. */
class HoldChecks extends Command {
  constructor(private readonly areHeld: boolean) {
    super(false);
  }
  protected override isFine = () => true;
  protected override act(model: Model, { harness }: Real): void {
    model.checksAreHeld = this.areHeld;
    harness.broker.holds[this.areHeld ? 'add' : 'delete']('prepare');
  }
  override toString = () => (this.areHeld ? 'checks are slow' : 'checks are quick');
}

class EndCheck extends Command {
  constructor() {
    super(false);
  }
  protected override isFine = (model: Model) => model.queue.length > 0;
  protected override act(model: Model, { harness }: Real): void {
    harness.broker.preparations.find(({ isSettled }) => !isSettled)!.grant();
    model.proceed(false);
  }
  override toString = () => 'a check is over';
}

const transaction = fc.constantFrom('t', 'u', 'v');
/** Rarely true, so that most sessions live long enough for all other cases. */
const seldom = fc.integer({ min: 1, max: 20 }).map((chance) => chance === 20);
const send = fc
  .tuple(fc.option(transaction, { nil: undefined, freq: 3 }), seldom)
  .map((parameters) => new Send(...parameters));
const end = fc
  .tuple(fc.constantFrom('COMMIT' as const, 'COMMIT' as const, 'ABORT' as const), transaction, seldom)
  .map((parameters) => new End(...parameters));
const answer = fc
  .tuple(
    fc.nat({ max: 9 }),
    seldom.map((isRefused) => !isRefused),
  )
  .map((parameters) => new Answer(...parameters));

const commands = fc.commands<Model, Real, false>(
  [
    fc.tuple(transaction, seldom).map((parameters) => new Begin(...parameters)),
    send,
    send,
    send,
    end,
    answer,
    answer,
    fc.boolean().map((areHeld) => new HoldChecks(areHeld)),
    fc.constant(new EndCheck()),
  ],
  { size: 'large', maxCommands: 60 },
);

test('publications and answers match the requests of the client, in order', async () => {
  const property = fc.asyncProperty(commands, async (all) => {
    const harness = new Harness({ session: { ...LIMITS, sendQueueMaxCount: 1_000 } });
    harness.broker.holds.add('publish');
    const client = await harness.connect();
    await fc.asyncModelRun(() => ({ model: new Model(), real: { harness, client } }), all);
    harness.broker.release();
    await tick();
    expect(await harness.leftovers()).toEqual([]);
    harness.timers.close();
  });
  await fc.assert(property, { numRuns: 300 });
}, 60_000);
