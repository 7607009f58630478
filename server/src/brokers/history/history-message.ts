/** A message of a history: what the log has, with its place. The ring keeps it, and all replays share it. */
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

  constructor(
    private readonly inner: RoutedMessage,
    readonly key: string,
    readonly offset: number,
    private readonly rule: string,
    private readonly anchor: Anchor,
  ) {
    this.headers = inner.headers;
    this.body = inner.body;
    this.toSession = inner.toSession;
    this.resent = inner.resent;
  }

  get message(): this {
    return this;
  }

  get origin(): RoutedMessage['origin'] {
    return this.inner.origin;
  }

  /** Computed when it is first read: nothing is hashed for messages that no client gets. */
  get digest(): number {
    return (this.#digest ??= digestOf(this.key, this.inner));
  }

  get position(): Position | undefined {
    const { marker } = this.anchor;
    return marker && formatPosition(this.offset, this.digest, marker);
  }

  get historyId(): string {
    return `h${this.rule}-${this.offset}`;
  }
}
