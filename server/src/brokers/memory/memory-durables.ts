/** The durable subscriptions of the embedded broker, for operators. */
import type { DurableEnd, DurableQuery, DurableSubscription, DurableSubscriptions } from '../broker.js';
import { DURABLE_PREFIX, durablePrefixOf, isDurableName, readDescription } from '../durable-names.js';
import type { MemoryQueue } from './memory-queue.js';
import type { MemoryVhost } from './memory-vhost.js';

export class MemoryDurables implements DurableSubscriptions {
  constructor(private readonly vhost: Pick<MemoryVhost, 'queueNames' | 'find' | 'deleteQueue'>) {}

  list({ user, after = '', limit }: DurableQuery): ReturnType<DurableSubscriptions['list']> {
    const prefix = user === undefined ? DURABLE_PREFIX : durablePrefixOf(user);
    const names = [...this.vhost.queueNames()].filter((name) => name.startsWith(prefix) && name > after).sort();
    const items = names.slice(0, limit).flatMap((name) => {
      const queue = this.vhost.find(name);
      return queue ? [shown(queue)] : [];
    });
    return Promise.resolve({ items, isMore: names.length > limit });
  }

  end(name: string, { evenInUse = false } = {}): Promise<DurableEnd> {
    const queue = isDurableName(name) ? this.vhost.find(name) : undefined;
    if (!queue) return Promise.resolve('missing');
    if (queue.consumerCount > 0 && !evenInUse) return Promise.resolve('in-use');
    this.vhost.deleteQueue(queue);
    return Promise.resolve('ended');
  }
}

function shown({ name, declaration, messageCount, consumerCount }: MemoryQueue): DurableSubscription {
  return {
    queue: name,
    ...readDescription(declaration.arguments),
    messages: messageCount,
    isInUse: consumerCount > 0,
  };
}
