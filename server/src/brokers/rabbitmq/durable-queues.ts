/** The durable subscriptions at RabbitMQ, for operators: listed by the management API, ended over AMQP. */
import { BrokerError } from '../broker.js';
import type { DurableEnd, DurableQuery, DurableSubscription, DurableSubscriptions } from '../broker.js';
import { DURABLE_PREFIX, durablePrefixOf, isDurableName, readDescription } from '../durable-names.js';
import type { ListedQueue, ManagementApi } from './management-api.js';
import type { Topology } from './topology.js';

const NO_MANAGEMENT =
  "RabbitMQ's durable subscriptions are not known: AMQP lists no queues. Set rabbitmq.managementUrl.";

export class DurableQueues implements DurableSubscriptions {
  constructor(
    private readonly topology: Pick<Topology, 'consumersOf' | 'deleteQueue'>,
    /** Undefined without `rabbitmq.managementUrl`. */
    private readonly management: Pick<ManagementApi, 'queues'> | undefined,
  ) {}

  async list({ user, after = '', limit }: DurableQuery): ReturnType<DurableSubscriptions['list']> {
    const { management } = this;
    if (!management) throw new BrokerError('not-supported', NO_MANAGEMENT);
    const prefix = user === undefined ? DURABLE_PREFIX : durablePrefixOf(user);
    const pattern = `^${prefix.replaceAll('.', '\\.')}`;
    const found: DurableSubscription[] = [];
    let page = await firstPageBehind(after, (number) => management.queues(pattern, number));
    for (;;) {
      const { queues, pageCount } = await management.queues(pattern, page);
      for (const queue of queues) if (queue.name > after && isDurableName(queue.name)) found.push(shown(queue));
      if (found.length > limit || page++ >= pageCount) break;
    }
    return { items: found.slice(0, limit), isMore: found.length > limit };
  }

  async end(queue: string, { evenInUse = false } = {}): Promise<DurableEnd> {
    const consumers = isDurableName(queue) ? await this.topology.consumersOf(queue) : undefined;
    if (consumers === undefined) return 'missing';
    if (consumers > 0 && !evenInUse) return 'in-use';
    if (await this.topology.deleteQueue(queue)) return 'ended';
    throw new BrokerError('broker-unavailable', 'RabbitMQ is away: try again later.');
  }
}

/** Searches by halves, because the API counts pages and knows no names. */
async function firstPageBehind(
  after: string,
  read: (page: number) => Promise<{ readonly queues: readonly ListedQueue[]; readonly pageCount: number }>,
): Promise<number> {
  if (after === '') return 1;
  let low = 1;
  let high = (await read(1)).pageCount;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const { queues } = await read(middle);
    // A page beyond the end is empty
    if (queues.length === 0 || queues.at(-1)!.name > after) high = middle;
    else low = middle + 1;
  }
  return low;
}

function shown({ name, arguments: given, messages, consumers }: ListedQueue): DurableSubscription {
  return {
    queue: name,
    ...readDescription(given),
    ...(messages !== undefined && { messages }),
    ...(consumers !== undefined && { isInUse: consumers > 0 }),
  };
}
