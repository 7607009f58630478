/** Requests of `topology.ts` that take several steps on one channel. */
import type { Channel, ConsumeMessage } from 'amqplib';

/** Acknowledges early deliveries, which removes nothing from a stream. */
export function consumeBriefly(queue: string) {
  return async (channel: Channel): Promise<void> => {
    await channel.prefetch(1);
    const onMessage = (message: ConsumeMessage | null): void => {
      if (message) channel.ack(message);
    };
    const { consumerTag } = await channel.consume(queue, onMessage, { arguments: { 'x-stream-offset': 'next' } });
    await channel.cancel(consumerTag);
  };
}

/** Returns whether the queue is gone. */
export async function deleteUnused(channel: Channel, queue: string, isOurs: boolean): Promise<boolean> {
  if (!isOurs && (await channel.checkQueue(queue)).consumerCount > 0) return false;
  await channel.deleteQueue(queue);
  return true;
}
