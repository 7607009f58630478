import { expect, test } from '@jest/globals';
import type { Channel } from 'amqplib';
import type { ScratchChannels } from '../../../../../../server/src/brokers/rabbitmq/amqp/scratch-channels.js';
import {
  bindStream,
  declareStream,
  streamOf,
} from '../../../../../../server/src/brokers/rabbitmq/history/history-stream.js';
import { rabbitOptions } from '../../../../../support/rabbitmq-brokers.js';

const MIB = 1024 * 1024;
const options = rabbitOptions('amqp://unused');
const rule = { name: 'prices', match: '/topic/prices.#', maxAgeMs: 900_000, maxBytes: 256 * MIB };
const stream = streamOf({ rule, kind: 'topic', bindings: ['prices.#'] }, options);

function scratch(channel: Partial<Record<keyof Channel, (...args: never[]) => Promise<unknown>>>): ScratchChannels {
  return { run: (work: (on: Channel) => unknown) => work(channel as unknown as Channel) } as unknown as ScratchChannels;
}

const refusal = (code: number): Error => Object.assign(new Error(`refused with ${code}`), { code });

test('the stream of a rule', () => {
  expect(stream).toEqual({
    name: 'stomp-relay.history.prices',
    exchange: 'amq.topic',
    keys: ['prices.#'],
    arguments: {
      'x-queue-type': 'stream',
      'x-max-age': '900s',
      'x-max-length-bytes': 256 * MIB,
      'x-stream-max-segment-size-bytes': 32 * MIB,
    },
  });
  const users = streamOf({ rule, kind: 'user', bindings: ['inbox.#'] }, options);
  expect([users.exchange, users.keys]).toEqual(['stomp-relay.user', ['inbox.#']]);
});

test.each([
  [MIB, MIB],
  [8 * MIB, MIB],
  [80 * MIB, 10 * MIB],
  [1024 * MIB, 64 * MIB],
])('segments of %i bytes have %i', (maxBytes, expected) => {
  const { arguments: given } = streamOf({ rule: { ...rule, maxBytes }, kind: 'topic', bindings: [] }, options);
  expect(given['x-stream-max-segment-size-bytes']).toBe(expected);
});

test('declares a durable stream', async () => {
  const calls: unknown[] = [];
  const channel = scratch({ assertQueue: (...args) => Promise.resolve(void calls.push(args)) });
  expect(await declareStream(channel, stream)).toBe('as-declared');
  expect(calls).toEqual([['stomp-relay.history.prices', { durable: true, arguments: stream.arguments }]]);
});

test('a stream with other limits is used as it is, if it can be', async () => {
  const assertQueue = (): Promise<never> => Promise.reject(refusal(406));
  expect(await declareStream(scratch({ assertQueue, checkQueue: () => Promise.resolve({}) }), stream)).toBe(
    'with-other-limits',
  );
  const checkQueue = (): Promise<never> => Promise.reject(refusal(403));
  await expect(declareStream(scratch({ assertQueue, checkQueue }), stream)).rejects.toMatchObject({
    code: 'access-refused',
  });
});

test('other refusals have the code of their reason', async () => {
  const assertQueue = (): Promise<never> => Promise.reject(refusal(403));
  await expect(declareStream(scratch({ assertQueue }), stream)).rejects.toMatchObject({ code: 'access-refused' });
  const bindQueue = (): Promise<never> => Promise.reject(refusal(404));
  await expect(bindStream(scratch({ bindQueue }), stream)).rejects.toMatchObject({ code: 'exchange-not-found' });
});

test('binds all keys', async () => {
  const calls: unknown[] = [];
  const channel = scratch({ bindQueue: (...args) => Promise.resolve(void calls.push(args)) });
  await bindStream(channel, { ...stream, keys: ['a.#', 'b.#'] });
  expect(calls).toEqual(['a.#', 'b.#'].map((key) => ['stomp-relay.history.prices', 'amq.topic', key]));
});
