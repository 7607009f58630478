import { expect, test } from '@jest/globals';
import { ConfirmLedger } from '../../../../../../server/src/brokers/rabbitmq/publish/confirm-ledger.js';
import { fc } from '../../../../../support/properties.js';

const steps = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ publish: fc.nat({ max: 4 }) }) },
    { weight: 4, arbitrary: fc.record({ tag: fc.nat({ max: 40 }), multiple: fc.boolean() }) },
    { weight: 1, arbitrary: fc.constant('new channel' as const) },
  ),
  { size: 'large', maxLength: 40 },
);

test('each publish of this channel is settled once, in order, for any confirms of the broker', () => {
  const property = fc.property(steps, (all) => {
    const ledger = new ConfirmLedger<string>();
    let channel = 1;
    let published = 0;
    let open: { tag: number; item: string }[] = [];
    const publish = (): void => {
      const item = `${++published} on channel ${channel}`;
      ledger.record(item);
      open.push({ tag: published, item });
    };
    const confirm = (tag: number, multiple: boolean): void => {
      const isConfirmed = (each: { tag: number }) => (multiple ? each.tag <= tag : each.tag === tag);
      expect(ledger.take(tag, multiple)).toEqual(open.filter(isConfirmed).map(({ item }) => item));
      open = open.filter((each) => !isConfirmed(each));
    };
    for (const step of all) {
      if (step === 'new channel') {
        ledger.reset();
        [channel, published, open] = [channel + 1, 0, []];
      } else if ('publish' in step) {
        for (let count = 0; count < step.publish; count++) publish();
      } else {
        confirm(step.tag, step.multiple);
      }
    }
    confirm(published, true);
    expect(open).toEqual([]);
  });
  fc.assert(property, { numRuns: 500 });
});
