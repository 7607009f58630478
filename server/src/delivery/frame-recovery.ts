/**
 * Frames about the history of a subscription: replayed messages, and for clients with the extension `recovery` MESSAGEs
 * to `/relay/gap`, `/relay/position` and `/relay/caught-up` (docs/extensions.md).
 */
import type { Position, RoutedMessage } from '../brokers/broker.js';
import type { Gap } from '../brokers/history.js';
import { encodeFrame } from '../stomp/encoder.js';
import type { Version } from '../stomp/frame.js';
import type { Encoding } from '../transports/connection.js';
import type { RecoveryOutput, SharedRequest } from './group-encoder.js';
import type { GroupMember } from './group.js';

/** The subscription of the frames. */
export interface RecoverableRequest extends SharedRequest {
  readonly subscriptionId: string | undefined;
  readonly version: Version;
  readonly hasNotices?: boolean;
}

/** Encodes messages of a replay. */
export interface ReplayFrames {
  replayed(message: RoutedMessage, key: string, dropped: number): Buffer | undefined;
}

export class FrameRecovery implements RecoveryOutput<GroupMember> {
  constructor(
    private readonly frames: ReplayFrames,
    private readonly request: RecoverableRequest,
    private readonly ids: { nextId(): string },
    private readonly encoding: Encoding,
  ) {}

  get hasNotices(): boolean {
    return this.request.hasNotices === true;
  }

  encodeReplayed(message: RoutedMessage, key: string, dropped: number): Buffer | undefined {
    return this.frames.replayed(message, key, dropped);
  }

  gapNotice({ from, to, reason }: Gap): Buffer | undefined {
    const headers: [string, string][] = [
      ['from-position', from],
      ['relay-position', to],
      ['relay-reason', reason],
    ];
    const sentence = `Messages between the two positions were not delivered (${reason}). The subscription continues.`;
    return this.notice('gap', headers, sentence);
  }

  positionNotice(position: Position): Buffer | undefined {
    return this.notice('position', [['relay-position', position]], 'Everything up to this position was delivered.');
  }

  caughtUpNotice(position: Position, replayed: number): Buffer | undefined {
    const headers: [string, string][] = [
      ['relay-position', position],
      ['relay-replayed', String(replayed)],
    ];
    return this.notice('caught-up', headers, 'All missed messages were delivered.');
  }

  private notice(subject: string, headers: [string, string][], sentence: string): Buffer | undefined {
    if (!this.hasNotices) return undefined;
    const { subscriptionId, destination, version } = this.request;
    const all: [string, string][] = [
      ['subscription', 'relay'],
      ['message-id', this.ids.nextId()],
      ['destination', `/relay/${subject}`],
      ['content-type', 'text/plain;charset=utf-8'],
      ['for-subscription', subscriptionId ?? destination.text],
      ...headers,
    ];
    return this.encoding.wrap(encodeFrame('MESSAGE', all, Buffer.from(sentence), version), true);
  }

  isCongested({ outbox }: GroupMember): boolean {
    return outbox.isCongested;
  }

  isBehind({ connection }: GroupMember): boolean {
    return connection.bufferedBytes > 0;
  }

  writeTo({ connection, outbox }: GroupMember, bytes: Buffer): boolean {
    const isTaken = connection.write(bytes);
    if (!isTaken) outbox.watch(bytes.length);
    return isTaken;
  }

  whenDrained({ outbox }: GroupMember, action: () => void): void {
    outbox.whenDrained(action);
  }
}
