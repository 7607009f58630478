/** A message of a publisher from `publish` until its confirm, its refusal or its deadline. */
import type { BrokerError } from '../../broker.js';
import type { AmqpContent } from '../amqp/outgoing-message.js';
import type { Wait } from './publish-clock.js';
import type { Route } from './route.js';

export interface Outgoing extends Wait {
  readonly id: string;
  readonly route: Route;
  readonly message: AmqpContent;
  /** Always true for queues, so that a vanished queue is noticed. */
  readonly mandatory: boolean;
  /** The publishing user; empty for the relay itself. */
  readonly user: string;
  readonly resolve: () => void;
  readonly reject: (error: BrokerError) => void;
  /** `delayed`: RabbitMQ has nacked it, and it is sent again soon. */
  phase: 'queued' | 'sent' | 'repairing' | 'delayed' | 'done';
  /** It may have arrived: the next sending marks it as resent. */
  wasSent: boolean;
  /** Set between basic.return and the ack of the message. */
  returned: Promise<void> | 'unroutable' | undefined;
  repairs: number;
  nacks: number;
}
