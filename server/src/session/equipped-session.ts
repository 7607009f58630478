/**
 * A session as far as commands use it: whose it is, what it shares with all others (broker, policy, groups), and what it has
 * of its own (acks, transactions, a channel at the broker), which is made when it is first asked for.
 */
import type { Policy, Principal } from '../auth/auth.js';
import { userNameOf } from '../auth/principal.js';
import type { Broker, BrokerChannel } from '../brokers/broker.js';
import { StompError } from '../stomp/errors.js';
import type { Version } from '../stomp/frame.js';
import type { Extensions } from '../stomp/negotiation.js';
import type { Acks } from '../delivery/acks.js';
import { ClosableSession } from './closable-session.js';
import type { MessageEncoder } from '../delivery/message-encoder.js';
import type { SessionLog, SessionOptions } from './session-context.js';
import type { SessionCounters } from './session-counters.js';
import { SessionExtras } from './session-extras.js';
import type { DeliveryHost } from '../delivery/subscriptions.js';
import type { TempQueues } from './temp-queues.js';
import type { TimerWheel } from '../timing/timer-wheel.js';
import type { Transaction, Transactions } from './transactions.js';

/** What CONNECT has settled. */
export interface Identity {
  readonly version: Version;
  readonly principal: Principal;
  readonly clientId?: string;
  readonly extensions?: Extensions;
}

export abstract class EquippedSession extends ClosableSession implements DeliveryHost {
  protected abstract override readonly identity: Identity | undefined;
  private openedExtras: SessionExtras | undefined;

  abstract onSubscriptionEnded(key: string, error: unknown): void;

  get version(): Version {
    return this.connectedAs.version;
  }

  get principal(): Principal {
    return this.connectedAs.principal;
  }

  get userName(): string {
    return userNameOf(this.principal, this.id);
  }

  private get extras(): SessionExtras {
    return (this.openedExtras ??= new SessionExtras(this, this.context, {
      sessionId: this.id,
      user: this.principal.name,
      clientId: this.identity?.clientId,
    }));
  }
  get acks(): Acks {
    return this.extras.acks;
  }
  get transactions(): Transactions {
    return this.extras.transactions;
  }
  get openTransactions(): Iterable<Transaction> {
    return this.openedExtras?.transactions.all() ?? [];
  }
  get tempQueues(): TempQueues {
    return this.extras.tempQueues;
  }
  get options(): SessionOptions {
    return this.context.options;
  }
  get broker(): Broker {
    return this.context.broker;
  }
  get policy(): Policy {
    return this.context.policy;
  }
  get messages(): MessageEncoder {
    return this.context.messages;
  }
  get timers(): TimerWheel {
    return this.context.timers;
  }
  get counters(): SessionCounters {
    return this.context.counters;
  }
  get log(): SessionLog {
    return this.context.log;
  }

  channel(): BrokerChannel {
    // A check that was waited for may have outlived the session; nobody would close this channel.
    if (this.isOver) throw new StompError('not-connected', 'The session has ended.');
    return this.extras.channel();
  }

  later(delayMs: number, action: () => void): void {
    if (!this.isOver) this.extras.later(delayMs, action);
  }

  protected releaseResources(): void {
    this.openedExtras?.close();
  }

  private get connectedAs(): { readonly version: Version; readonly principal: Principal } {
    if (!this.identity) throw new StompError('not-connected', 'The session is not connected yet.');
    return this.identity;
  }
}
