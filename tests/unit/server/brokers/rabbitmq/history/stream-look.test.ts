/** Questions about a stream, on a channel that the test controls. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import type { Channel, ConsumeMessage } from 'amqplib';
import type { ScratchChannels } from '../../../../../../server/src/brokers/rabbitmq/amqp/scratch-channels.js';
import { exists, reaches } from '../../../../../../server/src/brokers/rabbitmq/history/stream-look.js';

type OnMessage = (message: ConsumeMessage) => void;

/** Offsets that come at once, and those that come with the answer to the cancel. */
let atOnce: number[];
let late: number[];
let check: () => Promise<unknown>;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask', 'nextTick'] });
  [atOnce, late] = [[], []];
});
afterEach(() => void jest.useRealTimers());

function scratchChannels(): ScratchChannels {
  let deliver: OnMessage = () => undefined;
  const send = (offset: number): void => {
    const properties = { headers: { 'x-stream-offset': offset } };
    deliver({ fields: { deliveryTag: 1 }, properties, content: Buffer.alloc(0) } as unknown as ConsumeMessage);
  };
  const channel = {
    prefetch: () => Promise.resolve(),
    ack: () => undefined,
    checkQueue: () => check(),
    cancel: () => Promise.resolve(late.forEach(send)),
    consume: (_: string, onMessage: OnMessage) => {
      deliver = onMessage;
      atOnce.forEach(send);
      return Promise.resolve({ consumerTag: 't' });
    },
  };
  return { run: (work: (each: Channel) => unknown) => work(channel as unknown as Channel) } as ScratchChannels;
}

async function reachesFive(): Promise<boolean> {
  const answer = reaches(scratchChannels(), 's', 5);
  await jest.advanceTimersByTimeAsync(5_000);
  return answer;
}

test('a stream reaches an offset with the last entries that it delivers', async () => {
  atOnce = [3, 4];
  expect(await reachesFive()).toBe(false);
  atOnce = [4, 5, 6];
  expect(await reachesFive()).toBe(true);
  atOnce = [];
  expect(await reachesFive()).toBe(false);
});

test('entries that come late, behind a silence of RabbitMQ, count', async () => {
  late = [4, 5];
  expect(await reachesFive()).toBe(true);
});

test('a stream exists unless RabbitMQ answers that it does not', async () => {
  const refusal = (code: number, text: string) => () =>
    Promise.reject(Object.assign(new Error(`Operation failed: with message "NOT_FOUND - ${text}"`), { code }));
  const answers = [
    () => Promise.resolve(),
    refusal(404, "no queue 's' in vhost '/'"),
    refusal(404, "queue 's' in vhost '/' process is stopped by supervisor"),
    refusal(541, 'failed to perform operation'),
  ];
  const found: boolean[] = [];
  for (check of answers) found.push(await exists(scratchChannels(), 's'));
  expect(found).toEqual([true, false, true, true]);
});
