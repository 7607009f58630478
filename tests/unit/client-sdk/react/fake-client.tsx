/**
 * A client in memory. A test reads the calls of the hooks and acts as the relay. Time passes only in `frame` and
 * `pass`.
 */
import { afterEach, beforeEach, jest } from '@jest/globals';
import { act } from '@testing-library/react';
import type { ReactNode } from 'react';
import { RelayError } from 'stomp-relay-client';
import type {
  Client,
  ConnectionState,
  Message,
  PublishOptions,
  RequestOptions,
  SubscribeOptions,
  Subscription,
  SubscriptionState,
} from 'stomp-relay-client';
import { RelayProvider } from 'stomp-relay-client/react';

type Listener<T> = (value: T) => void;

class Observable<S> {
  readonly listeners = new Set<Listener<S>>();
  constructor(public state: S) {}
  onState(listener: Listener<S>): () => void {
    const own: Listener<S> = (state) => listener(state);
    this.listeners.add(own);
    return () => this.listeners.delete(own);
  }
  setState(state: S): void {
    act(() => {
      this.state = state;
      for (const listener of [...this.listeners]) listener(state);
    });
  }
}

export class FakeSubscription extends Observable<SubscriptionState> implements Subscription {
  readonly ready = Promise.resolve();
  hasEnded = false;

  constructor(
    readonly destination: string,
    readonly listener: (message: Message<never>) => void,
    readonly options: SubscribeOptions<never>,
  ) {
    super({ name: 'subscribing' });
  }

  unsubscribe(): void {
    this.hasEnded = true;
  }
  confirm(mayHaveMissed = false): void {
    this.setState({ name: 'subscribed', mayHaveMissed });
  }
  /** The client subscribes again later. */
  retry(reason: RelayError): void {
    this.setState({ name: 'subscribing', reason });
  }
  refuse(error: RelayError): void {
    this.setState({ name: 'refused', error });
    act(() => this.options.onError?.(error));
  }
}

interface PendingCall {
  readonly destination: string;
  readonly data: unknown;
  readonly options: PublishOptions & RequestOptions<unknown>;
  /** The broker's confirm, or the service's answer. */
  succeed(data?: unknown): Promise<void>;
  fail(error: RelayError): Promise<void>;
}

export class FakeClient extends Observable<ConnectionState> {
  /** `connect` and `close` calls, in order. */
  readonly calls: string[] = [];
  readonly all: FakeSubscription[] = [];
  readonly pendingCalls: PendingCall[] = [];

  constructor() {
    super({ name: 'idle' });
  }

  connect(): Promise<void> {
    this.calls.push('connect');
    return Promise.reject(new RelayError('closed', 'The caller must handle this.'));
  }
  close(): Promise<void> {
    this.calls.push('close');
    return Promise.resolve();
  }
  subscribe(
    destination: string,
    listener: (message: Message<never>) => void,
    options: SubscribeOptions<never> = {},
  ): Subscription {
    const subscription = new FakeSubscription(destination, listener, options);
    this.all.push(subscription);
    return subscription;
  }
  publish(destination: string, data: unknown, options: PublishOptions = {}): Promise<void> {
    return this.#record(destination, data, options) as Promise<void>;
  }
  request(destination: string, data: unknown, options: RequestOptions<never> = {}): Promise<Message> {
    return this.#record(destination, data, options) as Promise<Message>;
  }

  /** The subscriptions that have not ended. */
  get live(): FakeSubscription[] {
    return this.all.filter(({ hasEnded }) => !hasEnded);
  }
  /** Delivers messages to all subscriptions of the destination. */
  deliver(destination: string, ...bodies: unknown[]): void {
    for (const data of bodies) {
      for (const { listener, options } of this.live.filter((each) => each.destination === destination)) {
        const raw = messageOf(destination, data);
        listener((options.decode ? { ...raw, data: options.decode(raw) } : raw) as Message<never>);
      }
    }
  }

  #record(destination: string, data: unknown, options: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.pendingCalls.push({
        destination,
        data,
        options,
        succeed: (answer) => settled(() => resolve(messageOf(destination, answer))),
        fail: (error) => settled(() => reject(error)),
      });
    });
  }
}

/** Settles a promise and runs the effects of it. */
function settled(settle: () => void): Promise<void> {
  return act(async () => {
    settle();
    await Promise.resolve();
  });
}

export function messageOf<T>(destination: string, data: T): Message<T> {
  const body = JSON.stringify(data);
  return { destination, data, headers: {}, body, bytes: new Uint8Array(), ack() {}, nack() {} };
}

/** The fake with the type that the provider needs. */
export function asClient(fake: FakeClient): Client<object> {
  return fake as unknown as Client<object>;
}

/** The `wrapper` option of Testing Library. */
export function within(fake: FakeClient): (props: { children: ReactNode }) => ReactNode {
  return ({ children }) => <RelayProvider client={asClient(fake)}>{children}</RelayProvider>;
}

/** Fakes the timers for all tests of a file. */
export function fakeTime(): void {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());
}

/** Advances to the next animation frame. */
export function frame(): void {
  act(() => jest.advanceTimersToNextFrame());
}

export function pass(ms: number): void {
  act(() => jest.advanceTimersByTime(ms));
}
