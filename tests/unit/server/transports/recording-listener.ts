import { once, EventEmitter } from 'node:events';
import type { Connection, ConnectionListener, Peer } from '../../../../server/src/transports/connection.js';

/** The session's side of a connection: keeps what it is told, and lets a test wait for it. */
export class RecordingListener implements ConnectionListener {
  readonly chunks: Buffer[] = [];
  readonly calls: string[] = [];
  readonly #events = new EventEmitter();

  constructor(
    readonly connection: Connection,
    readonly peer: Peer,
  ) {
    connection.listener = this;
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString();
  }

  onData(chunk: Buffer): void {
    this.chunks.push(Buffer.from(chunk));
    this.#tell('data');
  }
  onAlive(): void {
    this.#tell('alive');
  }
  onDrain(): void {
    this.#tell('drain');
  }
  onEnd(): void {
    this.#tell('end');
  }
  onClose(): void {
    this.#tell('close');
  }

  /** Resolves when `isTrue` is, looking at it after each call. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await once(this.#events, 'call');
  }

  untilCalled(name: string): Promise<void> {
    return this.until(() => this.calls.includes(name));
  }

  #tell(call: string): void {
    this.calls.push(call);
    this.#events.emit('call');
  }
}
