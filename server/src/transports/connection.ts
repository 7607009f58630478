/**
 * A client's connection, whatever carries it. A transport knows nothing of STOMP, a session nothing of ws or net:
 * bytes come in through the listener, wrapped frames go out through `write`.
 */

/** How frames become bytes on the wire. One object for all connections of a kind, so that bytes can be shared. */
export interface Encoding {
  /** Part of a group's key: connections with the same encoding object can be sent the same bytes. */
  readonly name: string;
  /**
   * Makes of one whole STOMP frame (or heart-beat EOL) the bytes that `Connection.write` takes.
   * `isText` says that the frame is valid UTF-8; wires that know no difference ignore it.
   */
  wrap(frame: Buffer, isText: boolean): Buffer;
  /**
   * The same for the beginning of a frame. The other `restBytes` of it are written behind it as they are: a large body that
   * many frames share is not copied into each. Only where connections `canShare`.
   */
  wrapBeginning(beginning: Buffer, restBytes: number, isText: boolean): Buffer;
}

/** What a connection tells its session. Calls are never made from inside `write`, `pause`, `resume` or `close`. */
export interface ConnectionListener {
  /** Bytes of the STOMP stream, in order, cut anywhere. MUST NOT be called while the connection is closed. */
  onData(chunk: Buffer): void;
  /** A sign of life without data, such as a WebSocket pong. */
  onAlive(): void;
  /** Before `welcome`: the client sends more than this at once. Nothing more of it is read. */
  onTooLong?(maxBytes: number): void;
  /** The bytes that `bufferedBytes` counted have gone to the kernel. */
  onDrain(): void;
  /** The peer will send nothing more, but still reads (TCP half-close). What stays open is closed by the transport soon. */
  onEnd?(): void;
  /** Once, last: both directions are over, for whatever reason. */
  onClose(): void;
}

/** Whose a connection is until its session has it. */
export const NO_LISTENER: ConnectionListener = { onData() {}, onAlive() {}, onDrain() {}, onClose() {} };

/** Facts about the peer, known when the connection is accepted. */
export interface Peer {
  readonly transport: 'websocket' | 'tcp';
  /** The peer's IP address, as text. */
  readonly address: string;
  /** Headers of the HTTP upgrade request (lower-case names); empty on TCP. */
  readonly httpHeaders: Readonly<Record<string, string | string[] | undefined>>;
  /** The negotiated WebSocket sub-protocol, such as `v12.stomp`; absent where none was. */
  readonly subProtocol?: string;
}

export interface Connection {
  /**
   * `~` and a UUID: unique on all instances, hard to guess, and no user's name (`auth/principal`), as it is the name by which
   * a session without a login is reached.
   */
  readonly id: string;
  readonly encoding: Encoding;
  /** False where the wire needs work for each connection (permessage-deflate): then frames are not shared in groups. */
  readonly canShare: boolean;
  /** Bytes written and not yet taken by the kernel. */
  readonly bufferedBytes: number;
  /** Bytes that the kernel has taken since the connection began: grows while the peer reads, also within one large write. */
  readonly sentBytes: number;
  /** Set once, in the same tick in which the transport hands the connection over. */
  listener: ConnectionListener;
  /**
   * Writes bytes made by this connection's `encoding`, or several such results one after the other.
   * MUST keep the order of calls. Dropped in silence when the connection is closing or closed.
   * Returns false when bytes stay buffered here: `onDrain` follows.
   */
  write(wrapped: Buffer): boolean;
  /** The client has logged in. Until then, a transport that puts messages together takes only small ones. */
  onLoggedIn(): void;
  /** Stops reading; bytes already read may still arrive. */
  pause(): void;
  resume(): void;
  /**
   * Flushes what was written, then closes. `code` is a WebSocket close code, `reason` at most 123 bytes; TCP has
   * no use for either. A peer that does not answer within 2 s is cut off. Calling it again changes nothing.
   */
  close(code: number, reason: string): void;
}

/**
 * Where a transport hands over what it accepted. The listener MUST be set before this returns. `peer` is nobody's to keep:
 * a browser's headers can be larger than its session.
 */
export type AcceptConnection = (connection: Connection, peer: Peer) => void;
