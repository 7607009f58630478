/**
 * Messages of the relay to its own queues: empty, and marked by a header that clients cannot send. Each has a token, by
 * which the relay recognises it when it comes back. The code that delivers to clients skips them, those of other relays
 * included. A queue that another program has bound with `#` gets those that go through an exchange: they expire there.
 */
import type { ConsumeMessage } from 'amqplib';
import { BrokerError } from '../../broker.js';
import { OutgoingMessage } from '../amqp/outgoing-message.js';
import { RoutedPublication } from '../publish/publication.js';
import type { Publishers } from '../publish/publishers.js';
import type { Route } from '../publish/route.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';

const CANARY = 'relay-canary';
const EXPIRES_MS = 60_000;
const NO_BODY = Buffer.alloc(0);

/** The token of a canary; undefined for every other message. */
export function canaryOf({ content, properties }: ConsumeMessage): string | undefined {
  if (content.length > 0) return undefined;
  const token: unknown = properties.headers?.[CANARY];
  if (token === undefined) return undefined;
  return typeof token === 'string' ? token : '';
}

export class Canaries {
  /** RabbitMQ refuses its default exchange to the relay's user. Each attempt would close a channel that users share. */
  private refusal: BrokerError | undefined;

  constructor(
    private readonly publishers: Publishers,
    private readonly options: RabbitMqOptions,
  ) {}

  /**
   * Resolves when RabbitMQ has confirmed the canary. Rejects with a BrokerError, with `unroutable` if no queue at all
   * is bound to the key.
   */
  sendThrough(exchange: string, key: string, token: string): Promise<void> {
    return this.send({ exchange, key }, token);
  }

  /** To this queue alone. Rejects with `queue-not-found` if it does not exist. */
  async sendTo(queue: string, token: string): Promise<void> {
    if (this.refusal) throw this.refusal;
    try {
      await this.send({ exchange: '', key: queue, mustExist: true }, token);
    } catch (error) {
      if (error instanceof BrokerError && error.code === 'access-refused') this.refusal = error;
      throw error;
    }
  }

  private async send(route: Route, token: string): Promise<void> {
    const publisher = this.publishers.of('');
    const headers = new Map([
      [CANARY, token],
      ['expiration', String(EXPIRES_MS)],
    ]);
    const message = new OutgoingMessage({ headers, body: NO_BODY }, this.options.topics, publisher.frameMax);
    const publication = new RoutedPublication(publisher, route, message, { mandatory: true, isHurried: true });
    await publication.ready;
    await publication.send();
  }
}
