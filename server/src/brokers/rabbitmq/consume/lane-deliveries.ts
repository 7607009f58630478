/** Takes the batches of lanes apart, and passes all deliveries of an instance queue on in order. */
import type { ConsumeMessage } from 'amqplib';
import { ExchangeMessage } from '../../exchange-message.js';
import { isMarkedResent } from '../amqp/amqp-message.js';
import { unpackBatch } from '../lanes/batch-format.js';
import type { BatchError, LaneMessage } from '../lanes/batch-format.js';
import type { Lanes } from '../lanes/lanes.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { PacedDeliveries } from './paced-deliveries.js';
import type { PacedDelivery } from './paced-deliveries.js';

export interface LaneTarget {
  /** A delivery that is no batch. */
  pass(delivery: ConsumeMessage, isAgain: boolean): void;
  /** A message of a batch. */
  deliver(message: ExchangeMessage): void;
  /** A delivery for which `take` has returned false. */
  passedOn(delivery: ConsumeMessage): void;
}

export class LaneDeliveries {
  private readonly paced: PacedDeliveries;

  constructor(
    private readonly lanes: Lanes,
    private readonly exchange: string,
    private readonly options: RabbitMqOptions,
    private readonly target: LaneTarget,
  ) {
    this.paced = new PacedDeliveries(options.instancePrefetch);
  }

  /** Returns whether the delivery was passed on. */
  take(delivery: ConsumeMessage, isAgain: boolean): boolean {
    return this.paced.take(
      delivery.fields.exchange === this.lanes.exchange ? this.batch(delivery, isAgain) : this.single(delivery, isAgain),
    );
  }

  private single(delivery: ConsumeMessage, isAgain: boolean): PacedDelivery {
    const { target } = this;
    return { count: 1, pass: () => target.pass(delivery, isAgain), done: () => target.passedOn(delivery) };
  }

  private batch(delivery: ConsumeMessage, isAgain: boolean): PacedDelivery {
    const { exchange, target, options } = this;
    let unpacked: readonly LaneMessage[] | undefined;
    // Unpacked it takes more memory, so not while it waits
    const messages = (): readonly LaneMessage[] => (unpacked ??= this.messagesOf(delivery));
    const isResent = isAgain || isMarkedResent(delivery);
    const pass = (index: number): void => {
      const message = messages()[index]!;
      target.deliver(new ExchangeMessage(message, exchange, message.key, options.topicExchange, isResent));
    };
    return {
      get count() {
        return messages().length;
      },
      pass,
      done: () => target.passedOn(delivery),
    };
  }

  /** A batch can also have messages of the other exchange, whose keys would match here too. */
  private messagesOf({ content }: ConsumeMessage): readonly LaneMessage[] {
    const isOfUsers = this.exchange === this.options.userExchange;
    try {
      return unpackBatch(content).filter(({ isToUser }) => isToUser === isOfUsers);
    } catch (error) {
      const { kind, message } = error as BatchError;
      this.lanes.counters.unreadable++;
      this.options.log.warn({ reason: message, kind }, 'a batch of messages cannot be read, and its messages are lost');
      return [];
    }
  }
}
