/**
 * The deaths of a message: each time that a queue dead-lettered it. As in RabbitMQ, subscribers see them in `x-death`,
 * and a message that returns to a queue without a rejection ends, because it would circulate forever.
 */
import type { ExchangeMessage } from '../exchange-message.js';

export type DeathReason = 'rejected' | 'expired' | 'maxlen' | 'delivery_limit';

export interface Death {
  readonly queue: string;
  readonly reason: DeathReason;
}

/** All deaths in one queue for one reason: an entry of `x-death`, under RabbitMQ's names. */
interface DeathRecord extends Death {
  readonly count: number;
  /** Of the first death, in whole seconds. */
  readonly time: string;
  readonly exchange: string;
  readonly 'routing-keys': readonly string[];
  /** A dead letter has no expiration any more. */
  readonly 'original-expiration'?: string;
}

/**
 * Maximum number of times that a message is dead-lettered without a rejection in between. Without a bound, a client
 * could chain any number of queues, and one SEND would cost as much as thousands.
 */
const DEATHS_MAX = 16;
/** Beyond this, the oldest record is forgotten: clients can reject a message in any number of queues. */
const RECORDS_MAX = 32;

export class DeathHistory {
  static readonly empty = new DeathHistory([], []);

  private constructor(
    /** The last rejection and all deaths since. */
    private readonly chain: readonly Death[],
    /** The newest comes first. */
    private readonly records: readonly DeathRecord[],
  ) {}

  /** The history with one more death of `message`; undefined if that ends the message. */
  after(death: Death, message: ExchangeMessage): DeathHistory | undefined {
    const isRejected = death.reason === 'rejected';
    if (!isRejected && this.chain.some(({ queue }) => queue === death.queue)) return undefined;
    const chain = isRejected ? [death] : [...this.chain, death];
    return chain.length > DEATHS_MAX ? undefined : new DeathHistory(chain, this.recorded(death, message));
  }

  private recorded({ queue, reason }: Death, message: ExchangeMessage): DeathRecord[] {
    const known = this.records.find((each) => each.queue === queue && each.reason === reason);
    const newest = known ? { ...known, count: known.count + 1 } : firstRecord({ queue, reason }, message);
    return [newest, ...this.records.filter((each) => each !== known)].slice(0, RECORDS_MAX);
  }

  /** The value of `x-death`, as the relay shows RabbitMQ's. */
  get text(): string {
    return JSON.stringify(this.records);
  }
}

function firstRecord(
  { queue, reason }: Death,
  { headers, exchange, routingKey }: Pick<ExchangeMessage, 'headers' | 'exchange' | 'routingKey'>,
): DeathRecord {
  const expiration = headers.get('expiration');
  return {
    count: 1,
    reason,
    queue,
    time: new Date(Math.floor(Date.now() / 1000) * 1000).toISOString(),
    exchange,
    'routing-keys': [routingKey],
    ...(expiration !== undefined && { 'original-expiration': expiration }),
  };
}
