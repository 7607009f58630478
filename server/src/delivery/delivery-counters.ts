import type { SlowPolicy } from './slow-policy.js';

/** Counts what groups write. */
export interface GroupCounters {
  /** Adds messages and bytes, each as the sum over all members. */
  countOut(messages: number, bytes: number): void;
  /** A message was too large, and `members` did not get it. */
  countTooLarge(members: number): void;
}

/** Plain numbers that the hot path adds to. Metrics read them. */
export class DeliveryCounters implements GroupCounters {
  messagesOut = 0;
  /** Bytes of MESSAGE frames, as written to the wire. */
  messageBytesOut = 0;
  /** Messages that a slow client's policy left out. */
  readonly dropped: Partial<Record<SlowPolicy, number>> = { 'drop-oldest': 0, latest: 0 };
  /** Messages above `messageMaxBytes`, counted once for each subscription that did not get one. */
  messagesTooLarge = 0;
  /** Clients that have left the shared write temporarily. */
  slowMembers = 0;

  countOut(messages: number, bytes: number): void {
    this.messagesOut += messages;
    this.messageBytesOut += bytes;
  }

  countTooLarge(members: number): void {
    this.messagesTooLarge += members;
  }
}
