/** A publisher with a connection that few messages need. Both are opened for the first one. */
import { AmqpConnection } from '../amqp/amqp-connection.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import type { Topology } from '../topology.js';
import type { OwnBindings } from './own-bindings.js';
import { Publisher } from './publisher.js';

const NO_OUTCOMES = { onBlamed: undefined, secondWay: undefined };

export class SeparatePublisher {
  private connection: AmqpConnection | undefined;
  private publisher: Publisher | undefined;

  constructor(
    /** Names the connection and the channel. */
    private readonly purpose: string,
    private readonly topology: Topology,
    private readonly bindings: OwnBindings,
    private readonly options: RabbitMqOptions,
    private readonly outcomes: Pick<Publisher, 'onBlamed' | 'secondWay'> = NO_OUTCOMES,
  ) {}

  get count(): number {
    return this.publisher?.count ?? 0;
  }

  get bytes(): number {
    return this.publisher?.bytes ?? 0;
  }

  open(): Publisher {
    return (this.publisher ??= this.start());
  }

  private start(): Publisher {
    const { purpose, topology, bindings, options } = this;
    this.connection = new AmqpConnection(purpose, options);
    this.connection.start();
    const publisher = new Publisher(purpose, this.connection, topology, bindings, options);
    publisher.onBlamed = this.outcomes.onBlamed;
    publisher.secondWay = this.outcomes.secondWay;
    publisher.start();
    return publisher;
  }

  async close(): Promise<void> {
    await this.publisher?.close();
    await this.connection?.close();
  }
}
