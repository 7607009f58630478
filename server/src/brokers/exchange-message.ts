/** A message as an AMQP broker routes it: RabbitMQ's, and that of the embedded broker, which does as RabbitMQ. */
import { type Origin, originOf } from '../destinations/shown-destination.js';
import type { Message, RoutedMessage } from './broker.js';

export class ExchangeMessage implements RoutedMessage {
  readonly headers: Message['headers'];
  readonly body: Buffer;
  readonly toSession: string | undefined;

  constructor(
    { headers, body, toSession }: Message,
    /** The exchange that it was published to; empty for the default exchange. */
    readonly exchange: string,
    readonly routingKey: string,
    private readonly topicExchange: string,
    readonly resent = false,
  ) {
    this.headers = headers;
    this.body = body;
    this.toSession = toSession;
  }

  /** Made on demand: a group looks at it for a few messages only. */
  get origin(): Origin {
    return originOf(this.exchange, this.routingKey, this.topicExchange);
  }

  /** A copy that goes on by another way. */
  forwarded(headers: Message['headers'], exchange: string, routingKey: string): ExchangeMessage {
    const { body, toSession, topicExchange, resent } = this;
    return new ExchangeMessage({ headers, body, toSession }, exchange, routingKey, topicExchange, resent);
  }
}
