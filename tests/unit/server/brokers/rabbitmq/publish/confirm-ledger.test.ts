import { expect, test } from '@jest/globals';
import { ConfirmLedger } from '../../../../../../server/src/brokers/rabbitmq/publish/confirm-ledger.js';

function ledgerOf(...items: string[]): ConfirmLedger<string> {
  const ledger = new ConfirmLedger<string>();
  for (const item of items) ledger.record(item);
  return ledger;
}

test('a single confirm settles one, in any order, and once', () => {
  const ledger = ledgerOf('a', 'b', 'c');
  expect(ledger.take(2, false)).toEqual(['b']);
  expect(ledger.take(2, false)).toEqual([]);
  expect(ledger.take(1, false)).toEqual(['a']);
});

test('a multiple confirm settles all open items up to its tag, in order', () => {
  const ledger = ledgerOf('a', 'b', 'c', 'd');
  ledger.take(2, false);
  expect(ledger.take(3, true)).toEqual(['a', 'c']);
  expect(ledger.take(4, true)).toEqual(['d']);
});

test('a new channel counts from one again', () => {
  const ledger = ledgerOf('a', 'b');
  ledger.reset();
  ledger.record('c');
  expect(ledger.take(2, true)).toEqual(['c']);
});
