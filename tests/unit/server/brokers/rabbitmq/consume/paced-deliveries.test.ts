import { expect, test } from '@jest/globals';
import { PacedDeliveries } from '../../../../../../server/src/brokers/rabbitmq/consume/paced-deliveries.js';

function make(turnMax: number) {
  const log: string[] = [];
  const paced = new PacedDeliveries(turnMax);
  const take = (name: string, count: number): boolean =>
    paced.take({
      count,
      pass: (index) => void log.push(`${name}${index}`),
      done: () => void log.push(`${name} done`),
    });
  const nextTurn = async (): Promise<string> => {
    log.length = 0;
    await new Promise(setImmediate);
    return log.join(' ');
  };
  return { log, take, nextTurn };
}

test('a turn passes on a bounded number of messages, the rest follows in order', async () => {
  const { log, take, nextTurn } = make(3);
  expect([take('a', 2), take('b', 4), take('c', 1)]).toEqual([true, false, false]);
  expect(log.join(' ')).toBe('a0 a1 b0');
  expect(await nextTurn()).toBe('b1 b2 b3 b done');
  expect(take('d', 1)).toBe(false);
  expect(await nextTurn()).toBe('c0 c done d0 d done');
  expect(take('e', 1)).toBe(true);
});

test('a later turn has its whole number again', async () => {
  const { take, nextTurn } = make(2);
  expect(take('a', 2)).toBe(true);
  expect(await nextTurn()).toBe('');
  expect(take('b', 2)).toBe(true);
});

test('a delivery without messages is passed on at once', () => {
  expect(make(1).take('a', 0)).toBe(true);
});

test('what comes while others wait stays behind them, also without messages', async () => {
  const { log, take, nextTurn } = make(1);
  expect([take('a', 2), take('b', 0)]).toEqual([false, false]);
  expect(log.join(' ')).toBe('a0');
  expect(await nextTurn()).toBe('a1 a done b done');
});
