import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { BatchedAcks } from '../../../../../../server/src/brokers/rabbitmq/consume/batched-acks.js';

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

function recorded() {
  const sent: number[] = [];
  return { sent, acks: new BatchedAcks((tag) => sent.push(tag)) };
}

test('a few are acknowledged together at the end of the tick', () => {
  const { sent, acks } = recorded();
  for (const tag of [1, 2, 3]) acks.add(tag);
  expect(sent).toEqual([]);
  jest.runAllTimers();
  expect(sent).toEqual([3]);
});

test('many are acknowledged before the end of the tick', () => {
  const { sent, acks } = recorded();
  for (let tag = 1; tag <= 130; tag++) acks.add(tag);
  expect(sent).toEqual([64, 128]);
  jest.runAllTimers();
  expect(sent).toEqual([64, 128, 130]);
});

test('tags of a channel that is gone are never sent', () => {
  const { sent, acks } = recorded();
  acks.add(7);
  acks.drop();
  jest.runAllTimers();
  expect(sent).toEqual([]);
  acks.add(1);
  jest.runAllTimers();
  expect(sent).toEqual([1]);
});
