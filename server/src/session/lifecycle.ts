/**
 * The states of a session, and its exits.
 *
 *   connecting --CONNECT accepted--> connected --an exit--> closing --connection closed--> closed
 *        \_____________________________\____ connection lost, nothing left to do _____/
 *
 * Every exit is a row of EXITS. `when: 'now'` closes at once, after the exit's last frame. `when: 'done'` first handles
 * and answers all frames of the client, and waits until the client has read its output. When the connection is lost,
 * the frames that have arrived are still handled.
 */
import type { GroupMember } from '../delivery/group.js';
import type { Groups } from '../delivery/groups.js';
import type { Subscriptions } from '../delivery/subscriptions.js';
import { ERRORS } from '../stomp/errors.js';
import type { ErrorCode } from '../stomp/errors.js';
import type { SessionState } from '../stomp/rules.js';
import type { Inbox } from './inbox.js';
import type { SendQueue } from './send-queue.js';

interface ExitRule {
  readonly when: 'now' | 'done';
  /** True if the session stops reading from the client at once. */
  readonly stopsReading: boolean;
}

const EXITS = {
  /** A frame or the client broke a rule or limit. The last frame is ERROR. */
  fail: { when: 'now', stopsReading: true },
  /** The relay or an operator ends the session. It gets no last frame: the close code gives the reason. */
  end: { when: 'now', stopsReading: true },
  /** DISCONNECT. The last frame is its RECEIPT. */
  disconnect: { when: 'now', stopsReading: true },
  /** The relay shuts down. */
  retire: { when: 'done', stopsReading: true },
  /** The client has ended its side of the connection. */
  clientEnd: { when: 'done', stopsReading: false },
} as const satisfies Record<string, ExitRule>;

/** WebSocket close code and reason. */
export interface Close {
  readonly code: number;
  readonly reason: string;
}

/** The close code and text that the table of errors has for `code`. */
export function closeOf(code: ErrorCode): Close {
  return { code: ERRORS[code].closeCode, reason: ERRORS[code].text };
}

/** The session. */
export interface LifecycleHost extends GroupMember {
  readonly context: { readonly groups: Groups };
  readonly inbox: Inbox;
  readonly sendQueue: SendQueue;
  readonly subscriptions: Subscriptions;
  stopTimers(): void;
  /** Releases the session's resources at the broker. May be called twice. */
  releaseResources(): void;
  /** Called once, last. */
  onGone(): void;
}

/** An exit that waits for the session's work. */
interface PendingClose extends Close {
  /** Set once the session delivers nothing more and only waits for the client to read. */
  isStarted: boolean;
}

export class Lifecycle {
  state: SessionState = 'connecting';
  private pendingClose: PendingClose | undefined;
  /** The client is gone; frames that have arrived are still handled. */
  private isConnectionLost = false;

  constructor(private readonly host: LifecycleHost) {}

  get canDeliver(): boolean {
    return this.state === 'connected' && !this.isConnectionLost && !this.pendingClose?.isStarted;
  }

  get isOver(): boolean {
    return this.state === 'closing' || this.state === 'closed';
  }

  get hasConnection(): boolean {
    return !this.isConnectionLost;
  }

  /** `writeLastFrame` writes the exit's last frame; the session's groups have been flushed before it. */
  exit(name: keyof typeof EXITS, close: Close, writeLastFrame?: () => void): void {
    if (this.isOver) return;
    const { when, stopsReading } = EXITS[name];
    if (when === 'done') {
      this.pendingClose ??= { ...close, isStarted: false };
      if (stopsReading) this.host.inbox.stopReading();
      return this.onProgress();
    }
    // the rule of order (`delivery/group`): a group is flushed before anything that follows its messages
    this.leaveGroups();
    writeLastFrame?.();
    this.close(close);
  }

  onConnectionLost(): void {
    this.isConnectionLost = true;
    this.host.stopTimers();
    this.leaveGroups();
    this.onProgress();
  }

  /**
   * Continues a pending exit if no work is left. STOMP 1.2, "RECEIPT": if the client disconnects, previously received
   * frames SHOULD continue to get processed.
   */
  onProgress(): void {
    if (!(this.isConnectionLost || this.pendingClose) || this.state === 'closed') return;
    if (!this.isOver && this.hasWork) return;
    if (!this.isConnectionLost) return this.closeWhenRead();
    this.state = 'closed';
    this.release();
    this.host.onGone();
  }

  /** Stops deliveries, and closes when the client has read its output. */
  private closeWhenRead(): void {
    const { pendingClose, host } = this;
    if (this.isOver || !pendingClose || pendingClose.isStarted) return;
    this.leaveGroups();
    pendingClose.isStarted = true;
    if (host.connection.bufferedBytes === 0) this.close(pendingClose);
    else host.outbox.whenDrained(() => this.close(pendingClose));
  }

  private close({ code, reason }: Close): void {
    const { host } = this;
    this.state = 'closing';
    host.stopTimers();
    this.release();
    host.connection.close(code, reason);
    if (this.isConnectionLost) this.onProgress();
  }

  /** False when every frame that was read is handled and every SEND is confirmed. */
  private get hasWork(): boolean {
    const { inbox, sendQueue } = this.host;
    return !(inbox.isIdle && sendQueue.isIdle);
  }

  /** Leaves all groups, which flushes them first. */
  private leaveGroups(): void {
    const { host } = this;
    for (const subscription of host.subscriptions.all()) {
      if (subscription.kind === 'shared') host.context.groups.leave(host, subscription.group);
    }
  }

  /** Handles no further frame and ends the dedicated subscriptions. */
  private release(): void {
    const { host } = this;
    host.inbox.close();
    for (const subscription of host.subscriptions.all()) if (subscription.kind === 'dedicated') subscription.close();
    host.releaseResources();
  }
}
