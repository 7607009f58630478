/**
 * The first consumer of a queue that may be a stream. RabbitMQ closes the connection if it cannot read the stream, such
 * as one that a back end has declared with segments of one byte. So the relay tries it where that harms no other
 * client, before it consumes the queue on a connection that sessions share. The memory is bounded.
 */
import { LRUCache } from 'lru-cache';
import type { Account } from '../../load/accounts.js';
import { replyCode } from './amqp/amqp-errors.js';
import { SharedAnswers } from './shared-answers.js';

const REMEMBERED_MAX = 10_000;
/** The time before a queue over which RabbitMQ has closed a connection is tried again. */
const FAILED_MS = 30_000;
const FAILED_MAX = 1_000;
/** AMQP 0-9-1, 1.2.1: replies from here on close the connection. */
const CONNECTION_REPLY_MIN = 500;

export class ConsumeTrials {
  private readonly passed = new LRUCache<string, true>({ max: REMEMBERED_MAX });
  private readonly failed = new LRUCache<string, Error>({ max: FAILED_MAX, ttl: FAILED_MS, perf: performance });
  private readonly answers = new SharedAnswers();

  /** `consume` begins and ends a consumer. Its rejections are BrokerErrors. */
  constructor(private readonly consume: (queue: string, account: Account) => Promise<unknown>) {}

  /** Resolves if the queue can be consumed; rejects with a BrokerError. */
  async run(queue: string, account: Account): Promise<void> {
    if (this.passed.get(queue)) return;
    const failure = this.failed.get(queue);
    if (failure) throw failure;
    await this.answers.once(queue, () => this.try(queue, account));
  }

  /** The relay has just made the queue, with arguments that it allows. */
  pass(queue: string): void {
    this.passed.set(queue, true);
    this.failed.delete(queue);
  }

  /** The queue is gone. The next one of this name may differ. */
  forget(queue: string): void {
    this.passed.delete(queue);
    this.failed.delete(queue);
  }

  private async try(queue: string, account: Account): Promise<void> {
    try {
      await this.consume(queue, account);
    } catch (error) {
      const reply = replyCode((error as Error).cause);
      if (reply !== undefined && reply >= CONNECTION_REPLY_MIN) this.failed.set(queue, error as Error);
      throw error;
    }
    this.pass(queue);
  }
}
