import { once, EventEmitter } from 'node:events';
import type { Connection, ConnectionListener, Peer } from '../../../../server/src/transports/connection.js';

/** The listener of a connection: records all events, and lets a test wait for them. */
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
    this.#record('data');
  }
  onAlive(): void {
    this.#record('alive');
  }
  onDrain(): void {
    this.#record('drain');
  }
  onEnd(): void {
    this.#record('end');
  }
  onClose(): void {
    this.#record('close');
  }

  /** Resolves when `isTrue` returns true. It is evaluated after each event. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await once(this.#events, 'call');
  }

  untilCalled(name: string): Promise<void> {
    return this.until(() => this.calls.includes(name));
  }

  #record(call: string): void {
    this.calls.push(call);
    this.#events.emit('call');
  }
}
