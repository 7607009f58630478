/** The types of stompit that the tests use, from its documentation; the package has none. */
declare module 'stompit' {
  import type { EventEmitter } from 'node:events';
  import type { Readable, Writable } from 'node:stream';

  type Headers = Record<string, string | number>;
  type Failure = Error | null;

  interface Message extends Readable {
    readonly headers: Record<string, string>;
    readString(encoding: string, callback: (error: Failure, body: string) => void): void;
  }
  type OnMessage = (error: Failure, message: Message) => void;

  interface SendOptions {
    onReceipt?: () => void;
    onError?: (error: Error) => void;
  }
  interface Subscription {
    unsubscribe(): void;
  }
  interface Transaction {
    send(headers: Headers): Writable;
    commit(options?: SendOptions): void;
    abort(options?: SendOptions): void;
  }

  interface ConnectOptions {
    host: string;
    port: number;
    connectHeaders: Record<string, string>;
  }

  class Client extends EventEmitter {
    send(headers: Headers, options?: SendOptions): Writable;
    sendString(headers: Headers, body: string, options: SendOptions, callback: (error: Failure) => void): void;
    subscribe(headers: Headers, onMessage: OnMessage): Subscription;
    ack(message: Message, headers?: Headers, options?: SendOptions, callback?: (error: Failure) => void): void;
    nack(message: Message, headers?: Headers, options?: SendOptions, callback?: (error: Failure) => void): void;
    begin(): Transaction;
    disconnect(callback: (error: Failure) => void): void;
    destroy(): void;
  }

  class Channel extends EventEmitter {
    send(headers: Headers, body: string, callback: (error: Failure) => void): void;
    subscribe(headers: Headers, onMessage: OnMessage): Subscription;
    ack(message: Message): void;
    begin(): { send(headers: Headers, body: string): void; commit(callback: (error: Failure) => void): void };
    close(): void;
  }

  class ConnectFailover extends EventEmitter {
    constructor(servers: readonly ConnectOptions[], options?: { maxReconnects?: number; randomize?: boolean });
  }

  class ChannelPool {
    constructor(failover: ConnectFailover);
    channel(callback: (error: Failure, channel: Channel) => void): void;
    close(): void;
  }

  function connect(options: ConnectOptions, callback: (error: Failure, client: Client) => void): void;
}
