/**
 * A client's connection, on any transport. Transports do not depend on STOMP, and sessions do not depend on ws or net:
 * bytes come in through the listener, wrapped frames go out through `write`.
 */

/** Encodes frames for the wire. All connections of a kind have the same object, so that they can share bytes. */
export interface Encoding {
  /** Part of a group's key: connections with the same encoding can share bytes. */
  readonly name: string;
  /**
   * Encodes one whole STOMP frame (or heart-beat EOL) for `Connection.write`. `isText`: the frame is valid UTF-8.
   * Encodings without text messages ignore it.
   */
  wrap(frame: Buffer, isText: boolean): Buffer;
  /**
   * Encodes the beginning of a frame. The other `restBytes` are written after it as they are, so that a large body
   * shared by many frames is not copied. Only for connections that `canShare`.
   */
  wrapBeginning(beginning: Buffer, restBytes: number, isText: boolean): Buffer;
}

/** The events of a connection. They are never raised from inside `write`, `pause`, `resume` or `close`. */
export interface ConnectionListener {
  /** Bytes of the STOMP stream, in order, cut anywhere. MUST NOT be called while the connection is closed. */
  onData(chunk: Buffer): void;
  /** A sign of life without data, such as a WebSocket pong. */
  onAlive(): void;
  /** Before `onLoggedIn`: the client sends a message larger than this. Its further input is dropped. */
  onTooLong?(maxBytes: number): void;
  /** The kernel has taken all buffered bytes. */
  onDrain(): void;
  /** The peer has ended its side but still reads (TCP half-close). The transport closes the connection soon. */
  onEnd?(): void;
  /** Raised once, last: both directions are closed, for any reason. */
  onClose(): void;
}

/** Listener used until a session takes over the connection. */
export const NO_LISTENER: ConnectionListener = { onData() {}, onAlive() {}, onDrain() {}, onClose() {} };

/** Facts about the peer, known when the connection is accepted. */
export interface Peer {
  readonly transport: 'websocket' | 'tcp';
  /** The peer's IP address. */
  readonly address: string;
  /** Headers of the HTTP upgrade request (lower-case names); empty on TCP. */
  readonly httpHeaders: Readonly<Record<string, string | string[] | undefined>>;
  /** The negotiated WebSocket sub-protocol, such as `v12.stomp`, if any. */
  readonly subProtocol?: string;
}

export interface Connection {
  /**
   * `~` and a UUID: unique on all instances, and hard to guess. It is the user name of a session without a login, and
   * cannot be the name of any other user (`auth/principal`).
   */
  readonly id: string;
  readonly encoding: Encoding;
  /** False if every connection needs its own encoding work (permessage-deflate); then groups do not share frames. */
  readonly canShare: boolean;
  /** Bytes written and not yet taken by the kernel. */
  readonly bufferedBytes: number;
  /** Bytes of a message that the client has begun and not completed, if the transport reassembles messages. */
  readonly unfinishedBytes: number;
  /** Bytes that the kernel has taken since the start. It grows while the peer reads, also within one large write. */
  readonly sentBytes: number;
  /** Set once, in the tick in which the transport hands the connection over. */
  listener: ConnectionListener;
  /**
   * Writes one or several results of this connection's `encoding`. MUST keep the order of calls. Does nothing if the
   * connection is closing or closed. Returns false if bytes stay buffered; then `onDrain` follows.
   */
  write(wrapped: Buffer): boolean;
  /**
   * Asks whether the client has received everything that was written before. `onRead` is called when it has, and never
   * if the connection ends before. MUST NOT be called again before that. Undefined if the protocol cannot ask (TCP).
   */
  confirmRead?(onRead: () => void): void;
  /** The client has logged in. Before that, a transport that reassembles messages accepts only small ones. */
  onLoggedIn(): void;
  /** Stops reading; bytes already read may still arrive. */
  pause(): void;
  resume(): void;
  /**
   * Flushes written bytes, then closes. `code` is a WebSocket close code, `reason` has at most 123 bytes; TCP ignores
   * both. A peer that does not answer within 2 s is cut off. Further calls have no effect.
   */
  close(code: number, reason: string): void;
  /** Cuts the connection, and drops what it holds. `onClose` follows. */
  cutOff(): void;
}

/**
 * Receives accepted connections. The listener MUST be set before it returns. Do not keep `peer`, because a browser's
 * headers can be larger than its session.
 */
export type AcceptConnection = (connection: Connection, peer: Peer) => void;
