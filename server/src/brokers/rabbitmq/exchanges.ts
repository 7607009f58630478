/** Checks, declares and remembers the exchanges at the broker, for `topology.ts`. The memory is bounded. */
import type { Channel } from 'amqplib';
import { LRUCache } from 'lru-cache';
import type { Account } from '../../load/accounts.js';
import { BrokerError } from '../broker.js';
import { REPLY, replyCode, toBrokerError } from './amqp/amqp-errors.js';
import type { ScratchChannels } from './amqp/scratch-channels.js';
import { SharedAnswers } from './shared-answers.js';

const REMEMBERED_MAX = 10_000;
/** The time before an exchange that closed a shared publish channel is tried again. */
const REFUSED_MS = 30_000;
const REFUSED_MAX = 1_000;

export class Exchanges {
  private readonly known = new LRUCache<string, true>({ max: REMEMBERED_MAX });
  private readonly refused = new LRUCache<string, BrokerError>({ max: REFUSED_MAX, ttl: REFUSED_MS });
  private readonly answers = new SharedAnswers();
  /** The exchanges of the relay, with their types. */
  private readonly types = new Map<string, 'topic' | 'direct'>();

  constructor(private readonly scratch: ScratchChannels) {}

  /** The default exchange always exists. */
  knows(exchange: string): boolean {
    return exchange === '' || this.known.get(exchange) === true;
  }

  forget(exchange: string): void {
    this.known.delete(exchange);
  }

  /** The relay owns this exchange, and declares it when it is missing. */
  own(exchange: string, type: 'topic' | 'direct'): void {
    this.types.set(exchange, type);
  }

  isOwn(exchange: string): boolean {
    return this.types.has(exchange);
  }

  /** One of them may be missing. */
  forgetOwn(): void {
    for (const exchange of this.types.keys()) this.known.delete(exchange);
  }

  forgetAll(): void {
    this.known.clear();
  }

  /** The exchange exists but refuses messages. Each attempt would close a publish channel that users share. */
  refuse(exchange: string, error: BrokerError): void {
    this.known.delete(exchange);
    this.refused.set(exchange, error);
  }

  /** Must be called before publishing. */
  async checkPublishable(exchange: string, account: Account): Promise<void> {
    const refusal = this.refused.get(exchange);
    if (refusal) throw refusal;
    await this.check(exchange, account);
  }

  /** Rejects with a BrokerError, such as `exchange-not-found`. */
  check(exchange: string, account?: Account): Promise<void> {
    return this.answers.onceWithin(this.scratch.deadlineMs, `exchange ${exchange}`, async () => {
      await this.ask(exchange, account, (channel) => channel.checkExchange(exchange));
      this.known.set(exchange, true);
    });
  }

  /**
   * For an exchange of the relay. It is declared even if it exists, because only a declaration reveals another type. If
   * RabbitMQ does not allow the declaration, the relay accepts the existing exchange.
   */
  ensureOwn(exchange: string): Promise<void> {
    const type = this.types.get(exchange) ?? 'topic';
    return this.answers.onceWithin(this.scratch.deadlineMs, `own exchange ${exchange}`, async () => {
      try {
        await this.scratch.run((channel) => channel.assertExchange(exchange, type, { durable: true }));
        this.known.set(exchange, true);
      } catch (cause) {
        if (replyCode(cause) === REPLY.accessRefused) return this.check(exchange);
        this.known.delete(exchange);
        if (replyCode(cause) === REPLY.preconditionFailed) throw ofAnotherType(exchange, type, cause);
        throw toBrokerError(cause, { kind: 'exchange', name: exchange });
      }
    });
  }

  /** A request about the exchange, such as a binding. A refusal is a sign that the exchange is gone. */
  async ask<T>(exchange: string, account: Account, work: (channel: Channel) => Promise<T>): Promise<T> {
    try {
      return await this.scratch.run(work, account);
    } catch (error) {
      this.known.delete(exchange);
      throw toBrokerError(error, { kind: 'exchange', name: exchange });
    }
  }
}

function ofAnotherType(exchange: string, type: string, cause: unknown): BrokerError {
  const sentence =
    `The exchange "${exchange}" exists with another type or other properties, and the relay needs a durable ${type} ` +
    'exchange without arguments: delete it (no message is stored in it), and start the relay again.';
  return new BrokerError('queue-conflict', sentence, { cause });
}
