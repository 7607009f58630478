/**
 * One message that a client wants to publish, over STOMP or HTTP. `Send` reads its headers once, when the message arrives,
 * and then goes through three steps:
 *
 *   read --check: policy, reply-to, broker--> checked --publish--> confirmed by the broker
 *
 * A message cannot be published before its checks: what publishes it is the broker's `Publication`, and `check` makes it.
 */
import type { Principal } from '../auth/auth.js';
import { requireSend } from '../auth/policy/permission.js';
import { furtherPermissionsOfSend, type RequiredPermission } from '../auth/policy/required-permissions.js';
import type { Policy } from '../auth/auth.js';
import type { Broker, Message, Publication } from '../brokers/broker.js';
import { type Destination, parseDestination, parseReplyTo, type TempQueue } from '../destinations/destination.js';
import { readHeaders, type Sender } from '../destinations/message-headers.js';

/** The client that publishes. */
export interface SendSubject {
  readonly principal: Principal;
  /** The name of the user; a session without a login is a user of its own. */
  readonly userName: string;
  readonly context: {
    readonly broker: Broker;
    readonly policy: Policy;
    readonly options: { readonly connectTimeoutMs: number };
  };
}

/** A message as it arrives: the headers of a SEND frame, or of a request over HTTP. */
export interface SendInput {
  readonly destination: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  readonly mandatory: boolean;
}

/** The address of a temporary queue that `reply-to` names. A promise where the queue has to be made first. */
export type ReplyAddress = (queue: TempQueue) => string | Promise<string>;

export class Send {
  readonly destination: Destination;
  readonly mandatory: boolean;
  /** Characters of all headers, and bytes of the body. */
  readonly bytes: number;
  readonly message: Message;
  private readonly headers: Map<string, string>;
  /** What `reply-to` names, where that is a temporary queue of the session. */
  private readonly replyQueue: TempQueue | undefined;
  private publication: Publication | undefined;

  /** Throws a DestinationError. */
  constructor(input: SendInput, sender: Sender) {
    const { headers: given, body } = input;
    this.destination = parseDestination(input.destination, 'send');
    this.mandatory = input.mandatory;
    const { headers, characters } = readHeaders(given, sender);
    this.bytes = characters + body.length;
    this.headers = headers;
    const replyTo = headers.get('reply-to');
    this.replyQueue = replyTo === undefined ? undefined : parseReplyTo(replyTo);
    // of a user's sessions only this one is meant
    const toSession = this.destination.kind === 'user' ? given.get('session') : undefined;
    this.message = { headers, body, toSession };
  }

  /** True where `reply-to` names a temporary queue, which only a STOMP session has. */
  get needsReplyQueue(): boolean {
    return this.replyQueue !== undefined;
  }

  /** All that the policy has to allow. Throws a DestinationError or HeaderError. */
  get permissions(): readonly RequiredPermission[] {
    return [{ action: 'send', destination: this.destination }, ...this.furtherPermissions()];
  }

  /** Undefined where the message may be published at once, else a promise for that. Throws or rejects with a refusal. */
  check(subject: SendSubject, replyAddress: ReplyAddress): Promise<void> | undefined {
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

  /** Puts the address of the temporary queue into `reply-to`. A second call finds it there already. */
  private resolveReplyTo(replyAddress: ReplyAddress): Promise<void> | undefined {
    if (!this.replyQueue) return undefined;
    const address = replyAddress(this.replyQueue);
    if (typeof address !== 'string') return address.then((value) => void this.headers.set('reply-to', value));
    this.headers.set('reply-to', address);
    return undefined;
  }

  private prepare({ context, userName }: SendSubject): Promise<void> | undefined {
    const { destination, message, mandatory } = this;
    // next: brokers/rabbitmq/rabbitmq-broker (or brokers/memory/memory-broker)
    this.publication = context.broker.publication(destination, message, { mandatory, user: userName });
    return this.publication.ready;
  }

  /** Resolves with the broker's confirm: the broker has taken responsibility. MUST come after `check`, once. */
  publish(): Promise<void> {
    if (!this.publication) throw new Error('A message was published before its checks.');
    return this.publication.send();
  }
}
