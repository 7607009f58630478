/**
 * A message that a client publishes over STOMP or HTTP. `Send` reads the headers once, when the message arrives, and
 * then goes through these steps:
 *
 *   read --check: policy, reply-to, broker--> checked --publish--> confirmed by the broker
 *
 * A message cannot be published before its checks: only the broker's `Publication` can publish it, and `check` creates
 * it.
 */
import type { Policy, Principal } from '../auth/auth.js';
import { requireSend } from '../auth/policy/permission.js';
import { furtherPermissionsOfSend } from '../auth/policy/required-permissions.js';
import type { RequiredPermission } from '../auth/policy/required-permissions.js';
import type { Broker, Message, Publication } from '../brokers/broker.js';
import { DestinationError, directReplyAddress, parseDestination, parseReplyTo } from '../destinations/destination.js';
import type { Destination, TempQueue } from '../destinations/destination.js';
import { readHeaders } from '../destinations/message-headers.js';
import type { Sender } from '../destinations/message-headers.js';
import type { Account } from '../load/accounts.js';

/** The client that publishes. */
export interface SendSubject {
  readonly principal: Principal;
  /** The name of the user; for an anonymous session, its id. */
  readonly userName: string;
  /** The account that queues, and bytes in them, count for. */
  readonly account?: Account;
  /** True for an HTTP request: it does not wait for the end of an alarm at the broker. */
  readonly isHurried?: boolean;
  /** Whether the client has received this address of direct reply-to. Absent: it receives no messages. */
  hasReceived?(address: string): boolean;
  readonly context: {
    readonly broker: Broker;
    readonly policy: Policy;
    readonly options: { readonly connectTimeoutMs: number };
  };
}

/** A message from a SEND frame or an HTTP request. */
export interface SendInput {
  readonly destination: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  readonly mandatory: boolean;
}

/** Returns the address of a temporary queue in `reply-to`; a promise if the queue must be created first. */
export type ReplyAddress = (queue: TempQueue) => string | Promise<string>;

export class Send {
  readonly destination: Destination;
  readonly mandatory: boolean;
  /** The memory of all headers and the body. */
  readonly bytes: number;
  readonly message: Message;
  private readonly headers: Map<string, string>;
  /** The temporary queue that `reply-to` names, if it names one. */
  private readonly replyQueue: TempQueue | undefined;
  private publication: Publication | undefined;

  /** Throws a DestinationError. */
  constructor(input: SendInput, sender: Sender) {
    const { headers: given, body } = input;
    this.destination = parseDestination(input.destination, 'send');
    this.mandatory = input.mandatory;
    const { headers, bytes } = readHeaders(given, sender);
    this.bytes = bytes + body.length;
    this.headers = headers;
    const replyTo = headers.get('reply-to');
    this.replyQueue = replyTo === undefined ? undefined : parseReplyTo(replyTo);
    // `session` selects one session of the user
    const toSession = this.destination.kind === 'user' ? given.get('session') : undefined;
    this.message = { headers, body, toSession };
  }

  /** All permissions that this message needs. Throws a DestinationError or HeaderError. */
  get permissions(): readonly RequiredPermission[] {
    return [{ action: 'send', destination: this.destination }, ...this.furtherPermissions()];
  }

  /**
   * Returns undefined if the message may be published at once, otherwise a promise. Throws or rejects with a refusal.
   */
  check(subject: SendSubject, replyAddress: ReplyAddress): Promise<void> | undefined {
    requireReceived(subject, this.destination);
    const allowed = requireSend(subject, this.destination, () => this.furtherPermissions());
    const addressed = allowed ? undefined : this.resolveReplyTo(replyAddress);
    const first = allowed ?? addressed;
    return first ? this.checkAfter(first, subject, replyAddress) : this.prepare(subject);
  }

  private async checkAfter(first: Promise<void>, subject: SendSubject, replyAddress: ReplyAddress): Promise<void> {
    await first;
    await this.resolveReplyTo(replyAddress);
    await this.prepare(subject);
  }

  private furtherPermissions(): readonly RequiredPermission[] {
    return furtherPermissionsOfSend(this.destination, this.headers, this.replyQueue);
  }

  /** Replaces the temporary queue in `reply-to` by its address. May be called twice. */
  private resolveReplyTo(replyAddress: ReplyAddress): Promise<void> | undefined {
    if (!this.replyQueue) return undefined;
    const address = replyAddress(this.replyQueue);
    if (typeof address !== 'string') return address.then((value) => void this.headers.set('reply-to', value));
    this.headers.set('reply-to', address);
    return undefined;
  }

  private prepare({ context, userName: user, account, isHurried }: SendSubject): Promise<void> | undefined {
    const { destination, message, mandatory } = this;
    // next: brokers/rabbitmq/rabbitmq-broker (or brokers/memory/memory-broker)
    this.publication = context.broker.publication(destination, message, {
      mandatory,
      user,
      account,
      ...(isHurried && { isHurried }),
    });
    return this.publication.ready;
  }

  /** For a message that has waited since `check`. Returns and throws like `check`. */
  renew(): Promise<void> | undefined {
    return this.publication?.renew?.();
  }

  /** Resolves when the broker has confirmed the message. MUST be called once, after `check`. */
  publish(): Promise<void> {
    if (!this.publication) throw new Error('A message was published before its checks.');
    return this.publication.send();
  }
}

/** Throws a DestinationError: a malformed address would close an AMQP connection. */
function requireReceived(subject: SendSubject, destination: Destination): void {
  const address = directReplyAddress(destination);
  if (address === undefined || subject.hasReceived?.(address)) return;
  throw new DestinationError(
    `"${destination.text.slice(0, 60)}..." is an address of RabbitMQ's direct reply-to: only a STOMP session that received ` +
      'it in reply-to can reply to it, and of those the session.replyAddressesMax last ones.',
  );
}
