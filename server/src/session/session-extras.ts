/**
 * What most sessions never need: acks, transactions, a channel and reply queues of their own at the broker, and deadlines of
 * their own. It is made when the first of it is asked for; an idle session with a shared subscription does without.
 */
import type { BrokerChannel, ChannelOwner } from '../brokers/broker.js';
import type { Version } from '../stomp/frame.js';
import { Acks } from '../delivery/acks.js';
import type { SessionContext } from './session-context.js';
import type { DeliveryHost } from '../delivery/subscriptions.js';
import { TempQueues } from './temp-queues.js';
import type { Timer } from '../timing/timer-wheel.js';
import { Transactions } from './transactions.js';

export class SessionExtras {
  readonly acks = new Acks();
  readonly transactions: Transactions;
  readonly tempQueues: TempQueues;
  private readonly timers = new Set<Timer>();
  private openChannel: BrokerChannel | undefined;

  constructor(
    host: DeliveryHost & { readonly version: Version; channel(): BrokerChannel },
    private readonly context: SessionContext,
    private readonly owner: ChannelOwner,
  ) {
    const { options } = context;
    this.transactions = new Transactions(options);
    this.tempQueues = new TempQueues(host, host.version, () => host.channel(), options.subscriptionsMax);
  }

  channel(): BrokerChannel {
    return (this.openChannel ??= this.context.broker.openChannel(this.owner));
  }

  later(delayMs: number, action: () => void): void {
    const timer = this.context.timers.schedule(delayMs, () => {
      this.timers.delete(timer);
      action();
    });
    this.timers.add(timer);
  }

  /** The broker takes back what was not acknowledged; open transactions are thereby aborted. */
  close(): void {
    const channel = this.openChannel;
    this.openChannel = undefined;
    for (const timer of this.timers) this.context.timers.cancel(timer);
    this.timers.clear();
    channel?.close().catch((error: unknown) => {
      this.context.pacedLog.warn(
        { session: this.owner.sessionId, err: error },
        'closing a session at the broker failed',
      );
    });
  }
}
