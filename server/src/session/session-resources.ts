/**
 * State that most sessions never need: acks, transactions, a channel and reply queues at the broker, and timers. A
 * session creates it on first use; an idle session with a shared subscription has none.
 */
import type { BrokerChannel, ChannelOwner } from '../brokers/broker.js';
import { Acks } from '../delivery/acks.js';
import { AutoAcks } from '../delivery/auto-acks.js';
import type { DeliveryHost } from '../delivery/dedicated-subscription.js';
import { StompError } from '../stomp/errors.js';
import type { Version } from '../stomp/frame.js';
import type { Timer } from '../timing/timer-wheel.js';
import { ReplyAddresses } from './reply-addresses.js';
import type { SessionContext } from './session-context.js';
import { TempQueues } from './temp-queues.js';
import { Transactions } from './transactions.js';

/** The session. */
export interface ResourcesHost extends DeliveryHost {
  readonly version: Version;
  /** True once the session closes. A channel that is opened after that would never be released. */
  readonly isOver: boolean;
}

export class SessionResources {
  readonly acks = new Acks();
  readonly autoAcks: AutoAcks;
  readonly transactions: Transactions;
  readonly tempQueues: TempQueues;
  readonly replyAddresses: ReplyAddresses;
  /** By `performance.now`. */
  nextFlushAt = 0;
  private readonly timers = new Set<Timer>();
  private openChannel: BrokerChannel | undefined;
  /** Whether the durable subscriptions end with the session: the user's access was revoked. */
  private forgets = false;

  constructor(
    private readonly host: ResourcesHost,
    private readonly context: SessionContext,
    private readonly owner: ChannelOwner,
  ) {
    const { options } = context;
    this.autoAcks = new AutoAcks(host.connection, host.outbox);
    this.transactions = new Transactions(options);
    this.replyAddresses = new ReplyAddresses(options.replyAddressesMax);
    this.tempQueues = new TempQueues(host, host.version, () => this.channel(), options.subscriptionsMax);
  }

  /** The session's channel at the broker, opened on first use. Throws if the session has ended during a check. */
  channel(): BrokerChannel {
    if (this.host.isOver) throw new StompError('not-connected', 'The session has ended.');
    return (this.openChannel ??= this.context.broker.openChannel(this.owner));
  }

  /** Runs `action` after `delayMs`, unless the session has ended by then. */
  later(delayMs: number, action: () => void): void {
    if (this.host.isOver) return;
    const timer = this.context.timers.schedule(delayMs, () => {
      this.timers.delete(timer);
      action();
    });
    this.timers.add(timer);
  }

  forget(): void {
    this.forgets = true;
  }

  /** Returns unacknowledged messages to the broker, and thereby aborts open transactions. */
  close(): void {
    const channel = this.openChannel;
    this.openChannel = undefined;
    for (const timer of this.timers) this.context.timers.cancel(timer);
    this.timers.clear();
    this.transactions.clear();
    this.autoAcks.stop();
    channel?.close({ forget: this.forgets }).catch((error: unknown) => {
      this.context.pacedLog.warn(
        { session: this.owner.sessionId, err: error },
        'closing a session at the broker failed',
      );
    });
  }
}
