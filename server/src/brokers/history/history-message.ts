/** A message of a history, with its place in the log. The ring keeps it, and all replays share it. */
import type { Message, Position, RoutedMessage } from '../broker.js';
import type { ReplayedMessage } from '../history.js';
import { digestOf, formatPosition } from './position.js';
import type { Marker } from './position.js';

/** The last marker before an entry. Undefined until a marker has been read; then all entries before it stay unproven. */
export interface Anchor {
  marker: Marker | undefined;
}

export class HistoryMessage implements RoutedMessage, ReplayedMessage {
  readonly headers: Message['headers'];
  readonly body: Buffer;
  readonly toSession: string | undefined;
  readonly resent: boolean;
  #digest: number | undefined;
  #position: Position | undefined;

  constructor(
    /** As the log had it. */
    readonly original: RoutedMessage,
    readonly key: string,
    readonly offset: number,
    private readonly rule: string,
    private readonly anchor: Anchor,
  ) {
    this.headers = original.headers;
    this.body = original.body;
    this.toSession = original.toSession;
    this.resent = original.resent;
  }

  get message(): this {
    return this;
  }

  get origin(): RoutedMessage['origin'] {
    return this.original.origin;
  }

  /** Computed when it is first read: nothing is hashed for messages that no client gets. */
  get digest(): number {
    return (this.#digest ??= digestOf(this.key, this.original));
  }

  /** Sealed once: each group, and each replay, that has the message reads it. */
  get position(): Position | undefined {
    const { marker } = this.anchor;
    return (this.#position ??= marker && formatPosition(this.offset, this.digest, marker));
  }

  get historyId(): string {
    return `h${this.rule}-${this.offset}`;
  }
}
