import { describe, expect, test } from '@jest/globals';
import type { ConsumeMessage } from 'amqplib';
import type { QueuePlan } from '../../../../../../server/src/brokers/queue-plan.js';
import { plannedKind, StreamSettling } from '../../../../../../server/src/brokers/rabbitmq/consume/stream-settling.js';
import type { StreamKnowledge } from '../../../../../../server/src/brokers/rabbitmq/consume/stream-settling.js';

const message = (deliveryTag: number, offset: unknown) =>
  ({ fields: { deliveryTag }, properties: { headers: { 'x-stream-offset': offset } } }) as unknown as ConsumeMessage;

function settling(kind: StreamKnowledge, answers: (boolean | Error)[] = []) {
  const sent: string[] = [];
  const rewinds: (number | undefined)[] = [];
  let asked = 0;
  const ask = (): Promise<boolean> => {
    const answer = answers[asked++]!;
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  const stream: StreamSettling = new StreamSettling(kind, ask, () => rewinds.push(rewinds.length));
  for (const tag of [1, 2, 3]) stream.delivered(message(tag, tag + 9));
  const settle = (tag: number, outcome: 'ack' | 'requeue' | 'drop' | 'again'): void =>
    stream.settle(tag, outcome, (each) => sent.push(`${each} ${tag}`));
  return { stream, sent, rewinds, settle, asked: () => asked };
}
const turns = () => new Promise((resolve) => setImmediate(resolve));

test.each(['requeue', 'drop', 'again'] as const)('a delivery of a stream is never nacked: %s', (outcome) => {
  const { sent, settle, rewinds } = settling('stream');
  settle(1, outcome);
  expect(sent).toEqual(['ack 1']);
  expect(rewinds).toHaveLength(outcome === 'again' ? 1 : 0);
});

test('RabbitMQ is asked before the first nack, once, and acks do not wait for that', async () => {
  const { sent, settle, asked } = settling('unknown', [true]);
  settle(1, 'requeue');
  settle(2, 'drop');
  settle(3, 'ack');
  expect(sent).toEqual(['ack 3']);
  await turns();
  expect(sent).toEqual(['ack 3', 'ack 1', 'ack 2']);
  expect(asked()).toBe(1);
});

test('a queue that only looks like a stream is settled as a queue', async () => {
  const { sent, settle, stream } = settling('unknown', [false]);
  settle(1, 'requeue');
  await turns();
  settle(2, 'drop');
  expect(sent).toEqual(['requeue 1', 'drop 2']);
  expect(await stream.resumeAt()).toBeUndefined();
});

test('without an answer nothing is nacked, and the next one asks again', async () => {
  const { sent, settle, asked } = settling('unknown', [new Error('away'), true]);
  settle(1, 'requeue');
  await turns();
  expect(sent).toEqual([]);
  settle(2, 'requeue');
  await turns();
  expect([sent, asked()]).toEqual([['ack 2'], 2]);
});

test('a lost stream continues at its position', async () => {
  const { stream, settle } = settling('unknown', [true]);
  settle(1, 'ack');
  stream.lost();
  expect(await stream.resumeAt()).toBe(11);
});

describe('the kind of a queue, from SUBSCRIBE', () => {
  const plan = (part: object) => ({ source: 'as-found', consumer: {}, ...part }) as unknown as QueuePlan;
  test.each<[object, StreamKnowledge]>([
    [{}, 'unknown'],
    [{ source: 'must-exist' }, 'unknown'],
    [{ source: { arguments: {} } }, 'unknown'],
    [{ source: { arguments: { 'x-queue-type': 'quorum' } } }, 'other'],
    [{ source: { arguments: { 'x-queue-type': 'stream' } } }, 'stream'],
    [{ consumer: { streamOffset: 'first' } }, 'stream'],
  ])('%j: %s', (part, expected) => {
    expect(plannedKind(plan(part))).toBe(expected);
  });
});
