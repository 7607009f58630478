import { beforeEach, describe, expect, test } from '@jest/globals';
import { Transactions } from '../../../../server/src/session/transactions.js';

let transactions: Transactions;
beforeEach(() => {
  transactions = new Transactions({ transactionsMax: 2, transactionMaxCount: 3, transactionMaxBytes: 100 });
});

const coded = (code: string): unknown => expect.objectContaining({ code });
function codeOf(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('Transactions', () => {
  test('an id names one that is open', () => {
    expect(codeOf(() => transactions.get('a'))).toEqual(coded('unknown-transaction'));
    transactions.begin('a');
    expect(transactions.get('a').id).toBe('a');
    expect(codeOf(() => transactions.begin('a'))).toEqual(coded('transaction-in-use'));
    expect(transactions.end('a').id).toBe('a');
    expect(codeOf(() => transactions.end('a'))).toEqual(coded('unknown-transaction'));
    transactions.begin('a');
  });

  test('so many at a time', () => {
    transactions.begin('a');
    transactions.begin('b');
    expect(codeOf(() => transactions.begin('c'))).toEqual(coded('too-many-transactions'));
    transactions.end('a');
    transactions.begin('c');
  });

  test('so many frames, and so many bytes', () => {
    transactions.begin('a');
    const a = transactions.get('a');
    for (let i = 0; i < 3; i++) a.reserve(1);
    expect(codeOf(() => a.reserve(1))).toEqual(coded('transaction-too-large'));
    transactions.begin('b');
    const b = transactions.get('b');
    b.reserve(100);
    expect(codeOf(() => b.reserve(1))).toEqual(coded('transaction-too-large'));
  });
});
