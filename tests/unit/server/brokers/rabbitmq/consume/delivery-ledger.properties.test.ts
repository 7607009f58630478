import { expect, test } from '@jest/globals';
import type { Delivery, Outcome } from '../../../../../../server/src/brokers/broker.js';
import { fc } from '../../../../../support/properties.js';
import { RecordedLedger } from '../recorded-ledger.js';

/** The broker's unsettled deliveries, and the calls that reached it. */
interface Model {
  readonly unsettled: Set<number>;
  readonly calls: string[];
  delivered: number;
  isGone: boolean;
}
interface Real {
  readonly recorded: RecordedLedger;
  readonly deliveries: Delivery[];
}
type Command = fc.Command<Model, Real>;

const agree = (model: Model, { recorded }: Real): void => {
  expect(recorded.calls).toEqual(model.calls);
  expect(recorded.ledger.size).toBe(model.unsettled.size);
};

class Deliver implements Command {
  check = (model: Model) => !model.isGone;
  run(model: Model, real: Real): void {
    real.deliveries.push(real.recorded.deliver(++model.delivered));
    model.unsettled.add(model.delivered);
    agree(model, real);
  }
  toString = () => 'deliver';
}

/** Settles any delivery, even a settled one or one of a lost channel. */
class Settle implements Command {
  constructor(
    private readonly index: number,
    private readonly outcome: Outcome,
    private readonly isKept: boolean,
  ) {}
  check = (model: Model) => model.delivered > 0;
  run(model: Model, real: Real): void {
    const tag = (this.index % model.delivered) + 1;
    const delivery = real.deliveries[tag - 1]!;
    (this.isKept ? delivery.settlement : delivery).settle(this.outcome);
    const isFirst = model.unsettled.delete(tag);
    if (isFirst && !model.isGone) model.calls.push(`${this.outcome} ${tag}`);
    // The first call reveals that a closing channel is gone
    if (isFirst && model.isGone) model.unsettled.clear();
    agree(model, real);
  }
  toString = () => `${this.outcome} ${this.index}`;
}

class Lose implements Command {
  constructor(private readonly isNoticed: boolean) {}
  check = (model: Model) => !model.isGone;
  run(model: Model, real: Real): void {
    model.isGone = true;
    real.recorded.isClosing = true;
    if (!this.isNoticed) return;
    real.recorded.ledger.end();
    model.unsettled.clear();
    agree(model, real);
  }
  toString = () => (this.isNoticed ? 'the channel is gone' : 'the channel begins to close');
}

test('each delivery reaches AMQP at most once, with its first outcome, and never after its channel is gone', () => {
  const outcome = fc.constantFrom<Outcome[]>('ack', 'requeue', 'drop');
  const commands = fc.commands<Model, Real>(
    [
      fc.constant(new Deliver()),
      fc.constant(new Deliver()),
      fc.tuple(fc.nat({ max: 100 }), outcome, fc.boolean()).map((parameters) => new Settle(...parameters)),
      fc.tuple(fc.nat({ max: 100 }), outcome, fc.boolean()).map((parameters) => new Settle(...parameters)),
      fc.boolean().map((isNoticed) => new Lose(isNoticed)),
    ],
    { size: '+1' },
  );
  const property = fc.property(commands, (all) => {
    const model = { unsettled: new Set<number>(), calls: [], delivered: 0, isGone: false };
    fc.modelRun(() => ({ model, real: { recorded: new RecordedLedger(), deliveries: [] } }), all);
  });
  fc.assert(property, { numRuns: 300 });
});
