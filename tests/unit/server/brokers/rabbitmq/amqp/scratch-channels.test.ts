import { EventEmitter } from 'node:events';
import { expect, test } from '@jest/globals';
import type { AmqpConnection } from '../../../../../../server/src/brokers/rabbitmq/amqp/amqp-connection.js';
import {
  SCRATCH_CHANNELS_EACH,
  SCRATCH_CHANNELS_MAX,
  ScratchChannels,
} from '../../../../../../server/src/brokers/rabbitmq/amqp/scratch-channels.js';
import { deferred } from '../../../../../../server/src/brokers/rabbitmq/amqp/wait-deadline.js';
import { rabbitOptions } from '../../../../../support/rabbitmq-brokers.js';

test('a request waits for at most one other of each user, however many they have', async () => {
  const model = { createChannel: () => Promise.resolve(new EventEmitter()) };
  const connection = { current: model } as unknown as AmqpConnection;
  const scratch = new ScratchChannels(connection, rabbitOptions('amqp://nowhere'));
  const first = deferred<void>();
  const order: string[] = [];
  const request = (user: string, isAnswered: Promise<void>): Promise<void> =>
    scratch.run(async () => {
      await isAnswered;
      order.push(user);
    }, user);
  const all = Array.from({ length: 40 }, () => request('mallory', first.promise));
  all.push(request('ann', Promise.resolve()), request('bob', Promise.resolve()));
  first.resolve();
  await Promise.all(all);
  expect(order.slice(0, 10)).toEqual(expect.arrayContaining(['ann', 'bob']));
});

test.each([
  ['does not answer', () => Promise.resolve(new EventEmitter())],
  ['opens no channel', () => new Promise<EventEmitter>(() => undefined)],
])('requests give their places back at their deadline if RabbitMQ %s', async (_, createChannel) => {
  const model = { createChannel };
  const connection = { current: model } as unknown as AmqpConnection;
  const scratch = new ScratchChannels(connection, { ...rabbitOptions('amqp://nowhere'), publishTimeoutMs: 20 });
  const hung = Array.from({ length: SCRATCH_CHANNELS_MAX }, (_, index) =>
    scratch.run(() => new Promise<never>(() => undefined), `user:${index}`),
  );
  const late = { code: 'broker-unavailable' };
  await Promise.all(hung.map((each) => expect(each).rejects.toMatchObject(late)));
  model.createChannel = () => Promise.resolve(new EventEmitter());
  expect(await scratch.run(() => Promise.resolve('answer'))).toBe('answer');
});

test('requests of one account that hang leave a place to the requests of others', async () => {
  const model = { createChannel: () => Promise.resolve(new EventEmitter()) };
  const connection = { current: model } as unknown as AmqpConnection;
  const scratch = new ScratchChannels(connection, rabbitOptions('amqp://nowhere'));
  const end = deferred<void>();
  let running = 0;
  const hang = async (): Promise<void> => {
    running++;
    await end.promise;
  };
  const hung = Array.from({ length: 20 }, () => scratch.run(hang, 'user:mallory'));
  for (const account of ['user:ann', undefined, 'user:bob']) {
    expect(await scratch.run(() => Promise.resolve(account), account)).toBe(account);
  }
  expect(running).toBe(SCRATCH_CHANNELS_EACH);
  end.resolve();
  await Promise.all(hung);
  expect(running).toBe(20);
});

test('requests without an answer give their places to others after a second', async () => {
  const model = { createChannel: () => Promise.resolve(new EventEmitter()) };
  const connection = { current: model } as unknown as AmqpConnection;
  const scratch = new ScratchChannels(connection, rabbitOptions('amqp://nowhere'));
  const hung = deferred<string>();
  const late = Array.from({ length: 2 * SCRATCH_CHANNELS_MAX }, () => scratch.run(() => hung.promise));
  // It resolves although no other request has an answer
  expect(await scratch.run(() => Promise.resolve('answer'))).toBe('answer');
  hung.resolve('late');
  expect(new Set(await Promise.all(late))).toEqual(new Set(['late']));
});
