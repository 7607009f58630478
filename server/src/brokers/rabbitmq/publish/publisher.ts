/**
 * Publishes on one confirm channel. A message is outstanding from `publish` until its confirm, its refusal or its
 * deadline. Outstanding messages are kept in order, so they can be sent again.
 *
 *   down --channel--> replaying --> up        (each of them --close--> closed)
 *    ^                    |         |
 *    +----- channel lost -+---------+
 *
 * If the broker closes the channel because of a message, all outstanding messages are unanswered. They are sent again
 * one by one, each waiting for its confirm. The one over which the channel closes again is the culprit, and only it is
 * refused.
 */
import type { ChannelModel, ConfirmChannel, Message as AmqpMessage } from 'amqplib';
import { BrokerError } from '../../broker.js';
import type { PublishOptions } from '../../broker.js';
import type { AmqpConnection } from '../amqp/amqp-connection.js';
import { REPLY, replyCode, toBrokerError } from '../amqp/amqp-errors.js';
import { RELAY_ID } from '../amqp/amqp-message.js';
import { HeaderTables } from '../amqp/header-tables.js';
import type { AmqpContent } from '../amqp/outgoing-message.js';
import { RecoveringChannel } from '../amqp/recovering-channel.js';
import type { ChannelUser } from '../amqp/recovering-channel.js';
import { deferred, late, stopping, answeredWithin } from '../amqp/wait-deadline.js';
import type { Deferred } from '../amqp/wait-deadline.js';
import type { LaneWriter } from '../lanes/lane-writer.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import type { Topology } from '../topology.js';
import { ConfirmLedger } from './confirm-ledger.js';
import { NackRetries } from './nack-retries.js';
import type { Outgoing } from './outgoing.js';
import { Outstanding } from './outstanding.js';
import type { OwnBindings } from './own-bindings.js';
import { PublishClock } from './publish-clock.js';
import { nacked, refusedBecause, unroutable } from './publish-errors.js';
import { PublishGate } from './publish-gate.js';
import { QueueNacks } from './queue-nacks.js';
import type { Route } from './route.js';

type State = 'down' | 'replaying' | 'up' | 'closed';

/** Limits the repairs of a queue that vanishes repeatedly. */
const REPAIRS_MAX = 3;
const CLOSE_TIMEOUT_MS = 5_000;

/** Another channel for messages that the broker nacks again and again. */
export interface SecondWay {
  /** False if the message stays with its publisher. */
  takeOver(outgoing: Outgoing, from: Publisher): boolean;
}

export class Publisher implements ChannelUser<ConfirmChannel> {
  /** Called with the user whose message has closed the channel. */
  onBlamed: ((user: string) => void) | undefined;
  secondWay: SecondWay | undefined;
  /** Collects messages that travel together. */
  lanes: LaneWriter | undefined;
  private state: State = 'down';
  private readonly outstanding: Outstanding;
  private readonly confirms = new ConfirmLedger<Outgoing>();
  private readonly tables = new HeaderTables();
  private readonly channel: RecoveringChannel<ConfirmChannel>;
  private readonly gate: PublishGate;
  private readonly nackRetries: NackRetries;
  private readonly queueNacks = new QueueNacks();
  private suspects: Outgoing[] = [];
  private trial: { readonly outgoing: Outgoing; readonly over: Deferred<void> } | undefined;
  private lastId = 0;
  /** False for the first channel: no bindings can be missing then. */
  private wasLost = false;
  private readonly clock: PublishClock;
  private drained: Deferred<void> | undefined;

  constructor(
    name: string,
    private readonly connection: AmqpConnection,
    readonly topology: Topology,
    private readonly bindings: OwnBindings,
    readonly options: RabbitMqOptions,
  ) {
    this.channel = new RecoveringChannel(name, connection, options, this);
    this.clock = new PublishClock(options);
    this.gate = new PublishGate(this, options, this.clock);
    this.outstanding = new Outstanding(this.clock, (outgoing) =>
      this.finish(outgoing, late(options.publishTimeoutMs, 'did not confirm the message')),
    );
    this.nackRetries = new NackRetries(
      (exchange) => exchange === options.topicExchange || topology.exchanges.isOwn(exchange),
    );
    bindings.listen(() => this.gate.open());
    connection.listen({ blocked: (reason) => this.blocked(reason !== undefined) });
  }

  start(): void {
    this.channel.start();
  }

  // Read by the gate
  get obstacle(): string | undefined {
    if (this.connection.blocked) return 'has blocked publishers, because it is short of memory or disk';
    if (!this.bindings.areWhole) return "does not yet route to all of this relay's own subscribers";
    if (this.state === 'up') return undefined;
    return this.connection.current
      ? 'is receiving earlier messages again'
      : `is unreachable (${this.connection.downReason})`;
  }

  get frameMax(): number {
    return this.connection.frameMax;
  }

  get count(): number {
    return this.outstanding.count + (this.lanes?.count ?? 0);
  }

  get bytes(): number {
    return this.outstanding.bytes + (this.lanes?.bytes ?? 0);
  }

  /** Undefined if a message of this size may be published at once; otherwise a promise for that, with a deadline. */
  admit(bytes: number, isHurried?: boolean): Promise<void> | undefined {
    if (this.state === 'closed') throw stopping();
    return this.gate.isOpen(bytes) ? undefined : this.gate.pass(bytes, isHurried);
  }

  /** An alarm begins or ends. RabbitMQ confirms the messages that it has not read yet after the alarm. */
  private blocked(isBlocked: boolean): void {
    this.clock.block(isBlocked);
    this.outstanding.checkDeadlines();
    this.gate.alarmChanged();
  }

  publish(
    route: Route,
    message: AmqpContent,
    { mandatory, user = '', isHurried = false }: PublishOptions,
  ): Promise<void> {
    this.lanes?.flushFor(user);
    return new Promise((resolve, reject) => {
      if (this.state === 'closed') return reject(stopping());
      const since = performance.now();
      // one literal: spreading objects costs half a microsecond
      const outgoing: Outgoing = {
        id: (++this.lastId).toString(36),
        route,
        message,
        mandatory: mandatory || route.queue !== undefined || route.mustExist === true,
        user,
        since,
        blockedBefore: this.clock.blockedUntil(since),
        isHurried,
        resolve,
        reject,
        phase: 'queued',
        wasSent: false,
        returned: undefined,
        repairs: 0,
        nacks: 0,
      };
      this.outstanding.add(outgoing);
      if (this.state === 'up') this.send(outgoing);
    });
  }

  /** Fewer messages of the lanes are unsettled. */
  roomMade(): void {
    this.gate.open();
  }

  /** Takes over a message that another channel has had nacked, with its deadline. */
  adopt(outgoing: Outgoing): void {
    const own: Outgoing = { ...outgoing, id: (++this.lastId).toString(36), phase: 'queued', returned: undefined };
    this.outstanding.add(own);
    if (this.state === 'up') this.send(own);
  }

  private send(outgoing: Outgoing): void {
    const channel = this.channel.current;
    if (!channel) return;
    const { route, message, mandatory, wasSent } = outgoing;
    const unkept = this.bindings.refusalOf(route);
    if (unkept) return this.finish(outgoing, unkept);
    const options = message.optionsFor(outgoing.id, wasSent, mandatory, this.tables);
    try {
      // next: brokers/rabbitmq/consume/instance-queue, on every instance that has bound the key
      channel.publish(route.exchange, route.key, message.body, options);
    } catch (cause) {
      // A closing channel throws too; then the message waits for the next one
      if (this.isOver(channel)) return;
      const refusal = new BrokerError('invalid-header', 'The message cannot be encoded for RabbitMQ.', { cause });
      return this.finish(outgoing, refusal);
    }
    this.confirms.record(outgoing);
    outgoing.phase = 'sent';
    outgoing.wasSent = true;
  }

  /** Whether the channel, or its connection, was closed. */
  private isOver(channel: ConfirmChannel): boolean {
    return this.channel.current !== channel || this.connection.current === undefined;
  }

  private finish(outgoing: Outgoing, error?: BrokerError): void {
    if (outgoing.phase === 'done') return;
    this.release(outgoing);
    if (error) outgoing.reject(error);
    else outgoing.resolve();
  }

  private release(outgoing: Outgoing): void {
    outgoing.phase = 'done';
    this.outstanding.remove(outgoing);
    if (this.trial?.outgoing === outgoing) this.trial.over.resolve();
    if (this.outstanding.count === 0) this.drained?.resolve();
    this.gate.open();
  }

  // ---- the broker's answers

  private confirmed(tag: number, multiple: boolean): void {
    for (const outgoing of this.confirms.take(tag, multiple)) {
      const { returned } = outgoing;
      if (outgoing.phase === 'done') continue;
      if (returned === undefined) this.finish(outgoing);
      else if (returned === 'unroutable') this.finish(outgoing, unroutable(outgoing.route));
      else void this.repair(outgoing, returned, false);
    }
  }

  private refused(tag: number, multiple: boolean): void {
    for (const outgoing of this.confirms.take(tag, multiple)) {
      if (outgoing.phase === 'done') continue;
      const delayMs = this.nackRetries.delayMs(outgoing.route.exchange, ++outgoing.nacks);
      if (delayMs !== undefined) this.sendLater(outgoing, delayMs);
      else if (outgoing.route.exchange === '' && this.secondWay?.takeOver(outgoing, this)) this.release(outgoing);
      else if (outgoing.route.exchange === '') void this.repair(outgoing, this.nackedByQueue(outgoing), true);
      else this.finish(outgoing, nacked(outgoing.route));
    }
  }

  /** A queue is full, or has no leader, or its node has gone down. Resolves when to send the message again. */
  private async nackedByQueue({ route, nacks }: Outgoing): Promise<void> {
    if (await this.topology.isAway(route.key, route.account)) return this.found(route);
    const delayMs = this.queueNacks.delayMs(route, nacks);
    if (delayMs === undefined) throw nacked(route);
    await new Promise((resolve) => setTimeout(resolve, delayMs));
  }

  /** Resolves when the queue of a message exists. */
  private found({ key, queue, declaration, account }: Route): Promise<void> {
    if (queue === undefined) return this.topology.awaitQueue(key, account);
    this.topology.forgetQueue(queue, declaration);
    return this.topology.ensureQueue(queue, declaration, account);
  }

  /** If the channel is lost by then, the message is sent on the next one, with the others. */
  private sendLater(outgoing: Outgoing, delayMs: number): void {
    outgoing.phase = 'delayed';
    outgoing.returned = undefined;
    setTimeout(() => {
      if (outgoing.phase !== 'delayed') return;
      outgoing.phase = 'queued';
      this.send(outgoing);
    }, delayMs);
  }

  /** Arrives before the ack of the same message, but not always right before it. */
  private returned({ properties }: AmqpMessage): void {
    const outgoing = this.outstanding.get(String(properties.headers?.[RELAY_ID]));
    if (!outgoing) return;
    const { queue, mustExist } = outgoing.route;
    const isQueue = queue !== undefined || mustExist === true;
    if (!isQueue || outgoing.repairs++ >= REPAIRS_MAX) {
      outgoing.returned = 'unroutable';
      return;
    }
    outgoing.returned = this.found(outgoing.route);
    outgoing.returned.catch(() => undefined);
  }

  /** The queue was deleted, or its node was down: sends the message to the new one, or when the node is back. */
  private async repair(outgoing: Outgoing, declared: Promise<void>, mayHaveArrived: boolean): Promise<void> {
    outgoing.phase = 'repairing';
    outgoing.returned = undefined;
    const failure = await declared.then(
      () => undefined,
      (error: unknown) => toBrokerError(error, { kind: 'queue', name: outgoing.route.key }),
    );
    if (outgoing.phase !== 'repairing') return;
    if (failure) return this.finish(outgoing, failure);
    outgoing.wasSent = mayHaveArrived;
    outgoing.phase = 'queued';
    this.send(outgoing);
  }

  // ---- the channel

  open(model: ChannelModel): Promise<ConfirmChannel> {
    return model.createConfirmChannel();
  }

  async setUp(channel: ConfirmChannel): Promise<void> {
    channel.on('ack', ({ deliveryTag, multiple }) => this.confirmed(deliveryTag, multiple));
    channel.on('nack', ({ deliveryTag, multiple }) => this.refused(deliveryTag, multiple));
    channel.on('return', (message) => this.returned(message));
    if (this.state === 'closed') return;
    this.state = 'replaying';
    if (this.wasLost) await this.bindings.hold();
    await this.restoreOwnExchanges();
    if (this.isOver(channel) || this.state !== 'replaying') return;
    await this.tryEach(channel);
    if (this.isOver(channel) || this.state !== 'replaying') return;
    for (const outgoing of this.outstanding.all()) {
      if (outgoing.phase === 'queued') this.send(outgoing);
    }
    this.state = 'up';
    this.gate.open();
  }

  /** If another program has deleted an exchange of the relay, that is no fault of the message that finds out. */
  private async restoreOwnExchanges(): Promise<void> {
    const { exchanges } = this.topology;
    const used = new Set(this.suspects.map(({ route }) => route.exchange));
    for (const exchange of used) {
      if (!exchanges.isOwn(exchange) || exchanges.knows(exchange)) continue;
      const declaring = exchanges.ensureOwn(exchange);
      const { publishTimeoutMs } = this.options;
      await answeredWithin(declaring, publishTimeoutMs, 'did not declare an exchange').catch(() => undefined);
    }
  }

  /** Sends the messages that were unconfirmed when the broker closed the channel, one at a time. */
  private async tryEach(channel: ConfirmChannel): Promise<void> {
    for (const outgoing of this.suspects) {
      if (outgoing.phase !== 'queued') continue;
      this.trial = { outgoing, over: deferred() };
      this.send(outgoing);
      await this.trial.over.promise;
      this.trial = undefined;
      if (this.isOver(channel)) return;
    }
    this.suspects = [];
  }

  lost(refusal: Error | undefined): void {
    if (this.state !== 'closed') this.state = 'down';
    // No more confirms will come
    else this.drained?.resolve();
    this.wasLost = true;
    if (replyCode(refusal) === REPLY.notFound) this.topology.exchanges.forgetOwn();
    this.confirms.reset();
    for (const outgoing of this.outstanding.all()) {
      outgoing.phase = 'queued';
      outgoing.returned = undefined;
    }
    const { trial } = this;
    this.trial = undefined;
    if (trial && refusal) this.blame(trial.outgoing, refusal);
    if (refusal) this.suspects = [...this.outstanding.all()].filter(({ wasSent }) => wasSent);
    trial?.over.resolve();
  }

  private blame(outgoing: Outgoing, refusal: Error): void {
    const { exchange } = outgoing.route;
    const error = refusedBecause(refusal, outgoing.route);
    const { exchanges } = this.topology;
    const isShared = ['', this.options.topicExchange].includes(exchange) || exchanges.isOwn(exchange);
    if (replyCode(refusal) === REPLY.accessRefused && !isShared) exchanges.refuse(exchange, error);
    else exchanges.forget(exchange);
    this.finish(outgoing, error);
    if (outgoing.user !== '') this.onBlamed?.(outgoing.user);
  }

  /** Waits for confirms while the broker is connected. */
  async close(): Promise<void> {
    const wasUp = this.state !== 'down';
    this.lanes?.flush();
    this.state = 'closed';
    this.gate.close(stopping());
    if (wasUp && this.outstanding.count > 0) {
      this.drained = deferred();
      const ms = Math.min(CLOSE_TIMEOUT_MS, this.options.publishTimeoutMs);
      await answeredWithin(this.drained.promise, ms, 'did not confirm').catch(() => undefined);
    }
    const stopped = 'The relay stopped before RabbitMQ confirmed the message: it may have arrived.';
    for (const outgoing of [...this.outstanding.all()]) {
      this.finish(outgoing, new BrokerError('broker-unavailable', stopped));
    }
    this.outstanding.close();
    await this.channel.close();
  }
}
