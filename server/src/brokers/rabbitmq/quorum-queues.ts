/**
 * The pot of quorum queues and streams. Each has a log with open files, on several nodes. Thousands of them use up
 * RabbitMQ's file descriptors: it then ends the connections of other clients too, and opens no queue any more.
 */
import type { SharedPot } from '../../load/shared-pot.js';
import type { SharedPots } from '../../load/shared-pots.js';
import { BrokerError } from '../broker.js';
import type { QueueDeclaration } from '../queue-plan.js';
import type { DeclaredQueue, QueueCounter } from './made-queues.js';

export class QuorumQueues implements QueueCounter {
  private readonly pot: SharedPot;

  constructor(pots: SharedPots, max: number) {
    this.pot = pots.create({
      limit: 'rabbitmq.quorumQueuesMax',
      max,
      things: 'quorum queues and streams',
      wayOut: 'use existing or classic queues, or try again later',
    });
  }

  /** Throws `too-many-queues`. */
  take({ account, declaration }: DeclaredQueue): void {
    const refusal = hasLog(declaration) ? this.pot.take(account) : undefined;
    if (refusal) throw new BrokerError('too-many-queues', refusal.sentence);
  }

  release({ account, declaration }: DeclaredQueue): void {
    if (hasLog(declaration)) this.pot.release(account);
  }
}

function hasLog({ arguments: { 'x-queue-type': type } }: QueueDeclaration): boolean {
  return type === 'quorum' || type === 'stream';
}
