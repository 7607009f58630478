/** A message as an AMQP broker routes it. RabbitMQ and the embedded broker share it, because both route alike. */
import { originOf } from '../destinations/shown-destination.js';
import type { Origin } from '../destinations/shown-destination.js';
import type { Message, RoutedMessage } from './broker.js';

export class ExchangeMessage implements RoutedMessage {
  readonly headers: Message['headers'];
  readonly body: Buffer;
  readonly toSession: string | undefined;

  constructor(
    { headers, body, toSession }: Message,
    /** Empty for the default exchange. */
    readonly exchange: string,
    readonly routingKey: string,
    private readonly topicExchange: string,
    readonly resent = false,
  ) {
    this.headers = headers;
    this.body = body;
    this.toSession = toSession;
  }

  /** Created on demand: a group reads it for few messages only. */
  get origin(): Origin {
    return originOf(this.exchange, this.routingKey, this.topicExchange);
  }

  /** A copy for another exchange or routing key. */
  forwarded(headers: Message['headers'], exchange: string, routingKey: string): ExchangeMessage {
    const { body, toSession, topicExchange, resent } = this;
    return new ExchangeMessage({ headers, body, toSession }, exchange, routingKey, topicExchange, resent);
  }
}
