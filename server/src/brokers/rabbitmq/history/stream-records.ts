/**
 * Writes records into a history's stream that only relays see. They go through the default exchange, which clients
 * cannot reach with this name, and carry a header that the relay accepts from no client.
 */
import { OutgoingMessage } from '../amqp/outgoing-message.js';
import { RoutedPublication } from '../publish/publication.js';
import type { Publishers } from '../publish/publishers.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { MARKER } from './stream-entry.js';

const NO_BODY = Buffer.alloc(0);

export class StreamRecords {
  constructor(
    private readonly publishers: Publishers,
    private readonly options: RabbitMqOptions,
  ) {}

  /** Resolves with RabbitMQ's confirm. Rejects with a BrokerError. */
  async mark(stream: string, id: string): Promise<void> {
    const publisher = this.publishers.of('');
    const headers = new Map([
      [MARKER, id],
      ['persistent', 'true'],
    ]);
    const message = new OutgoingMessage({ headers, body: NO_BODY }, this.options.topics, publisher.frameMax);
    const route = { exchange: '', key: stream, mustExist: true } as const;
    const publication = new RoutedPublication(publisher, route, message, { mandatory: true, isHurried: true });
    await publication.ready;
    await publication.send();
  }
}
