/**
 * Checks, creates and remembers the queues at the broker; `exchanges.ts` does the same for exchanges. This happens on
 * scratch channels of a connection that carries nothing else. A refusal may close the channel or the connection, and
 * then only affects the requesting client. The memory is bounded and is cleared when the broker goes down. It forgets a
 * queue or exchange at any sign that it is gone.
 */
import type { Channel, Replies } from 'amqplib';
import { LRUCache } from 'lru-cache';
import { isReservedName } from '../../destinations/destination.js';
import type { Account } from '../../load/accounts.js';
import { withDeadline } from '../../timing/deadline.js';
import { isDurableName } from '../durable-names.js';
import { keysOf } from '../queue-plan.js';
import type { QueueBinding, QueueDeclaration, QueuePlan } from '../queue-plan.js';
import { isNodeAway, REPLY, replyCode, toBrokerError } from './amqp/amqp-errors.js';
import { bindingTable, checkBindingSize } from './amqp/binding-table.js';
import type { ScratchChannels } from './amqp/scratch-channels.js';
import { plannedKind } from './consume/stream-settling.js';
import { ConsumeTrials } from './consume-trials.js';
import { Exchanges } from './exchanges.js';
import type { MadeQueues } from './made-queues.js';
import type { NodePatience } from './node-patience.js';
import { consumeBriefly, deleteUnused } from './topology-steps.js';

const REMEMBERED_MAX = 10_000;
const GONE_MS = 30_000;
const GONE_MAX = 1_000;
/** A queue that does not answer for this time counts as away. */
const AWAY_MS = 2_000;
const DELETE_TRIES = 3;
const DELETE_RETRY_MS = 100;
const PLAIN: QueueDeclaration = { autoDelete: false, arguments: {} };

export class Topology {
  readonly exchanges: Exchanges;
  private readonly queues = new LRUCache<string, true>({ max: REMEMBERED_MAX });
  /** Addresses of direct reply-to that RabbitMQ does not know. Those of a requester that is gone never come back. */
  private readonly goneAddresses = new LRUCache<string, true>({ max: GONE_MAX, ttl: GONE_MS });
  private readonly trials = new ConsumeTrials((queue, account) => this.isStream(queue, account));

  constructor(
    private readonly scratch: ScratchChannels,
    readonly made: MadeQueues,
    private readonly patience: NodePatience,
  ) {
    this.exchanges = new Exchanges(scratch);
  }

  knowsQueue(queue: string, declaration?: QueueDeclaration): boolean {
    return this.queues.get(queueId(queue, declaration)) === true;
  }

  /** Forgets the entry without a declaration, which is read most, and the entry of the given declaration. */
  forgetQueue(queue: string, declaration?: QueueDeclaration): void {
    this.trials.forget(queue);
    this.queues.delete(queueId(queue));
    if (declaration) this.queues.delete(queueId(queue, declaration));
  }

  forgetAll(): void {
    this.exchanges.forgetAll();
    this.queues.clear();
  }

  /**
   * Prepares a queue for publishing. Without a declaration, accepts an existing queue as it is. A new queue counts for
   * `account`. Waits for its node, if that is down.
   */
  ensureQueue(queue: string, declaration: QueueDeclaration | undefined, account: Account): Promise<void> {
    const id = queueId(queue, declaration);
    return this.patience.ask(`queue ${id}`, async () => {
      await (declaration ? this.declareQueue(queue, declaration, account) : this.findOrDeclare(queue, account));
      this.queues.set(id, true);
    });
  }

  /** Resolves when a queue of another program can be used. Waits for its node, if that is down. */
  awaitQueue(queue: string, account: Account): Promise<void> {
    return this.patience.ask(`other ${queue}`, async () => void (await this.findQueue(queue, account)));
  }

  /** Whether the node of an existing queue is down: RabbitMQ reports that, or does not answer soon. */
  async isAway(queue: string, account: Account): Promise<boolean> {
    const found = this.findQueue(queue, account).then(() => false, isNodeAway);
    return withDeadline(found, AWAY_MS, () => new Error('late')).catch(() => true);
  }

  /** Prepares the queue and the binding of a consumer. Resolves with the queue's number of consumers. */
  async provide(plan: QueuePlan, account: Account): Promise<number> {
    const { queue, source, binding } = plan;
    if (binding) {
      checkBindingSize(binding, this.scratch.frameMax);
      await this.exchanges.check(binding.exchange, account);
    }
    const { consumerCount } = await this.provideQueue(queue, source, account);
    if (plannedKind(plan) !== 'other') await this.trials.run(queue, account);
    if (binding) {
      const { exchange } = binding;
      for (const key of keysOf(binding)) {
        const bind = (channel: Channel) => channel.bindQueue(queue, exchange, key, bindingTable(binding));
        await this.exchanges.ask(exchange, account, bind);
      }
      // Clients cannot reach reserved names
      if (!isReservedName(queue)) await this.confirmBound(plan, binding, account);
    }
    return consumerCount;
  }

  /**
   * Between declaration and binding, the queue may have expired and another client may have created it with other
   * arguments, such as dead letters, which no bound queue may have. Then the binding is removed. If the queue is gone
   * since, its bindings are gone too.
   */
  private async confirmBound({ queue, source }: QueuePlan, binding: QueueBinding, account: Account): Promise<void> {
    try {
      await this.provideQueue(queue, source, account);
    } catch (error) {
      if (codeOf(error) === 'queue-conflict') await this.unbind(queue, binding, account);
      throw error;
    }
  }

  private async unbind(queue: string, binding: QueueBinding, account: Account): Promise<void> {
    for (const key of keysOf(binding)) {
      const unbind = (channel: Channel) => channel.unbindQueue(queue, binding.exchange, key, bindingTable(binding));
      await this.ask(queue, account, unbind);
    }
  }

  private async provideQueue(
    queue: string,
    source: QueuePlan['source'],
    account: Account,
  ): Promise<Replies.AssertQueue> {
    if (source === 'must-exist') return this.findQueue(queue, account);
    if (source === 'as-found') return this.findOrDeclare(queue, account);
    try {
      return await this.declareQueue(queue, source, account);
    } catch (error) {
      const untyped = isReservedName(queue) && codeOf(error) === 'queue-conflict' ? withoutType(source) : undefined;
      if (!untyped) throw error;
      return this.declareQueue(queue, untyped, account);
    }
  }

  /** Checks passively first: a plain declaration of a queue with arguments would be refused. */
  private async findOrDeclare(queue: string, account: Account): Promise<Replies.AssertQueue> {
    return (await this.lookFor(queue, account)) ?? this.makeQueue(queue, PLAIN, account);
  }

  private async lookFor(queue: string, account: Account): Promise<Replies.AssertQueue | undefined> {
    try {
      const found = await this.findQueue(queue, account);
      this.made.exists(queue);
      return found;
    } catch (error) {
      if (codeOf(error) !== 'queue-not-found') throw error;
      this.made.gone(queue);
      return undefined;
    }
  }

  private findQueue(queue: string, account?: Account): Promise<Replies.AssertQueue> {
    return this.patience.askOnce(`find ${queue}`, () =>
      this.ask(queue, account, (channel) => channel.checkQueue(queue)),
    );
  }

  /** Looks for the queue first, because only a new queue counts for `account`. */
  private async declareQueue(
    queue: string,
    declaration: QueueDeclaration,
    account: Account,
  ): Promise<Replies.AssertQueue> {
    const isNew = !this.made.knows(queue) && (isFresh(queue) || !(await this.lookFor(queue, account)));
    return isNew ? this.makeQueue(queue, declaration, account) : this.declare(queue, declaration, account);
  }

  private async makeQueue(
    queue: string,
    declaration: QueueDeclaration,
    account: Account,
  ): Promise<Replies.AssertQueue> {
    const declare = () => this.declare(queue, declaration, account);
    const answer = await this.made.make({ name: queue, declaration, account }, declare);
    this.trials.pass(queue);
    return answer;
  }

  private declare(queue: string, declaration: QueueDeclaration, account: Account): Promise<Replies.AssertQueue> {
    const { autoDelete } = declaration;
    const declare = (channel: Channel) =>
      channel.assertQueue(queue, { durable: true, autoDelete, arguments: declaration.arguments });
    return this.patience.askOnce(`declare ${queueId(queue, declaration)}`, () => this.ask(queue, account, declare));
  }

  /** The number of consumers of a queue; undefined if there is no such queue. */
  async consumersOf(queue: string): Promise<number | undefined> {
    try {
      return (await this.findQueue(queue)).consumerCount;
    } catch (error) {
      if (codeOf(error) === 'queue-not-found') return undefined;
      throw error;
    }
  }

  /** Only a stream can be consumed from an offset. Other queues refuse that before any other check. */
  async isStream(queue: string, account: Account): Promise<boolean> {
    try {
      await this.scratch.run(consumeBriefly(queue), account);
      return true;
    } catch (error) {
      if (replyCode(error) === REPLY.preconditionFailed) return false;
      throw toBrokerError(error, { kind: 'queue', name: queue });
    }
  }

  /**
   * Best effort: a queue that cannot be deleted expires. Returns false if other consumers use a queue that they can
   * name; it stays. RabbitMQ answers the flag if-unused with a connection error for a quorum queue, so consumers are
   * counted first. A quorum queue counts a consumer for a moment after its channel has closed.
   */
  async deleteQueue(queue: string, account?: Account): Promise<boolean> {
    this.forgetQueue(queue);
    const isOurs = isReservedName(queue);
    try {
      for (let tries = DELETE_TRIES; tries > 0 && this.scratch.isReady; tries--) {
        if (await this.scratch.run((channel) => deleteUnused(channel, queue, isOurs), account, 'once')) {
          this.made.gone(queue);
          return true;
        }
        await new Promise((resolve) => setTimeout(resolve, DELETE_RETRY_MS));
      }
      return false;
    } catch (error) {
      if (replyCode(error) === REPLY.notFound && !isNodeAway(error)) {
        this.made.gone(queue);
        return true;
      }
      throw toBrokerError(error, { kind: 'queue', name: queue });
    }
  }

  /**
   * Whether RabbitMQ knows the address of a requester that uses direct reply-to. Up to 3.x it answers a malformed
   * address by closing the connection. `isFresh`: asks again about an address that it knew before.
   */
  async knowsReplyAddress(address: string, isFresh: boolean, account: Account): Promise<boolean> {
    if (this.goneAddresses.has(address)) return false;
    if (!isFresh && this.knowsQueue(address)) return true;
    try {
      await this.scratch.run((channel) => channel.checkQueue(address), account);
      this.queues.set(queueId(address), true);
      return true;
    } catch (error) {
      if (replyCode(error) === undefined) throw toBrokerError(error, { kind: 'queue', name: address });
      this.queues.delete(queueId(address));
      this.goneAddresses.set(address, true);
      return false;
    }
  }

  private async ask<T>(queue: string, account: Account, work: (channel: Channel) => Promise<T>): Promise<T> {
    try {
      return await this.scratch.run(work, account);
    } catch (error) {
      throw toBrokerError(error, { kind: 'queue', name: queue });
    }
  }
}

/**
 * The queue of a durable subscription may be older than the relay's explicit types. Then it has its virtual host's
 * type.
 */
function withoutType({ autoDelete, arguments: given }: QueueDeclaration): QueueDeclaration | undefined {
  const { 'x-queue-type': type, ...others } = given;
  return type === 'classic' ? { autoDelete, arguments: others } : undefined;
}

/** A random name that no queue has yet. */
const isFresh = (queue: string): boolean => isReservedName(queue) && !isDurableName(queue);

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}

function queueId(queue: string, declaration?: QueueDeclaration): string {
  return declaration ? JSON.stringify([queue, declaration]) : queue;
}
