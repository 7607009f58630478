/** Questions about the contents of a stream, which only a consumer can answer. */
import type { Channel, ConsumeMessage } from 'amqplib';
import { finishesWithin } from '../../../timing/deadline.js';
import { isNodeAway, REPLY, replyCode } from '../amqp/amqp-errors.js';
import type { ScratchChannels } from '../amqp/scratch-channels.js';
import { deferred } from '../amqp/wait-deadline.js';
import { offsetOf } from './stream-entry.js';

const ANSWER_MS = 3_000;
/** RabbitMQ sends the entries of the last chunk together. */
const CHUNK_MS = 500;
const FIRST_PREFETCH = 1;
const LAST_PREFETCH = 1_000;

/** The first offset that the stream still has; undefined if it is empty, or does not deliver. */
export async function firstOffset(scratch: ScratchChannels, stream: string): Promise<number | undefined> {
  return scratch.run(async (channel) => {
    const first = deferred<number>();
    const tag = await consume(channel, stream, 'first', FIRST_PREFETCH, first.resolve);
    const isFound = await finishesWithin(first.promise, ANSWER_MS);
    await channel.cancel(tag);
    return isFound ? first.promise : undefined;
  });
}

/** False only if RabbitMQ answers that there is no such stream. */
export function exists(scratch: ScratchChannels, stream: string): Promise<boolean> {
  return scratch
    .run((channel) => channel.checkQueue(stream))
    .then(
      () => true,
      (error: unknown) => replyCode(error) !== REPLY.notFound || isNodeAway(error),
    );
}

/** Whether the stream has an entry with this offset or a higher one. */
export async function reaches(scratch: ScratchChannels, stream: string, offset: number): Promise<boolean> {
  return scratch.run(async (channel) => {
    const some = deferred<void>();
    const enough = deferred<void>();
    let isReached = false;
    const tag = await consume(channel, stream, 'last', LAST_PREFETCH, (each) => {
      some.resolve();
      if (each < offset) return;
      isReached = true;
      enough.resolve();
    });
    if (await finishesWithin(some.promise, ANSWER_MS)) await finishesWithin(enough.promise, CHUNK_MS);
    // A RabbitMQ that was silent, not an empty stream, answers this late, with the deliveries before it
    await channel.cancel(tag);
    return isReached;
  });
}

/** Acknowledges the deliveries, also those after the answer: the channel serves other questions later. */
async function consume(
  channel: Channel,
  stream: string,
  from: 'first' | 'last',
  prefetch: number,
  seen: (offset: number) => void,
): Promise<string> {
  await channel.prefetch(prefetch);
  const onMessage = (message: ConsumeMessage | null): void => {
    if (!message) return;
    channel.ack(message);
    const offset = offsetOf(message);
    if (offset !== undefined) seen(offset);
  };
  const { consumerTag } = await channel.consume(stream, onMessage, { arguments: { 'x-stream-offset': from } });
  return consumerTag;
}
