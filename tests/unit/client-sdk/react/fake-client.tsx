/** A client in memory: the test sees what the hooks ask of it, and plays the relay. Time stands still between `frame` and `pass`. */
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

class Told<S> {
  readonly listeners = new Set<Listener<S>>();
  constructor(public state: S) {}
  onState(listener: Listener<S>): () => void {
    const own: Listener<S> = (state) => listener(state);
    this.listeners.add(own);
    return () => this.listeners.delete(own);
  }
  become(state: S): void {
    act(() => {
      this.state = state;
      for (const listener of [...this.listeners]) listener(state);
    });
  }
}

export class FakeSubscription extends Told<SubscriptionState> implements Subscription {
  readonly ready = Promise.resolve();
  isOver = false;

  constructor(
    readonly destination: string,
    readonly listener: (message: Message<never>) => void,
    readonly options: SubscribeOptions<never>,
  ) {
    super({ name: 'subscribing' });
  }

  unsubscribe(): void {
    this.isOver = true;
  }
  confirm(mayHaveMissed = false): void {
    this.become({ name: 'subscribed', mayHaveMissed });
  }
  refuse(error: RelayError): void {
    this.become({ name: 'refused', error });
    act(() => this.options.onError?.(error));
  }
}

interface Asked {
  readonly destination: string;
  readonly data: unknown;
  readonly options: PublishOptions & RequestOptions<unknown>;
  /** The broker's confirm, or the service's answer. */
  succeed(data?: unknown): Promise<void>;
  fail(error: RelayError): Promise<void>;
}

export class FakeClient extends Told<ConnectionState> {
  /** `connect` and `close` calls, in order. */
  readonly calls: string[] = [];
  readonly all: FakeSubscription[] = [];
  readonly asked: Asked[] = [];

  constructor() {
    super({ name: 'idle' });
  }

  connect(): Promise<void> {
    this.calls.push('connect');
    return Promise.reject(new RelayError('closed', 'Somebody must listen.'));
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
    return this.#ask(destination, data, options) as Promise<void>;
  }
  request(destination: string, data: unknown, options: RequestOptions<never> = {}): Promise<Message> {
    return this.#ask(destination, data, options) as Promise<Message>;
  }

  /** The subscriptions that are not over. */
  get live(): FakeSubscription[] {
    return this.all.filter(({ isOver }) => !isOver);
  }
  /** A message for each subscription of the destination. */
  say(destination: string, ...bodies: unknown[]): void {
    for (const data of bodies) {
      for (const { listener, options } of this.live.filter((each) => each.destination === destination)) {
        const raw = messageOf(destination, data);
        listener((options.decode ? { ...raw, data: options.decode(raw) } : raw) as Message<never>);
      }
    }
  }

  #ask(destination: string, data: unknown, options: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.asked.push({
        destination,
        data,
        options,
        succeed: (answer) => settled(() => resolve(messageOf(destination, answer))),
        fail: (error) => settled(() => reject(error)),
      });
    });
  }
}

/** With what follows of it. */
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

/** As the provider takes it. */
export function asClient(fake: FakeClient): Client<object> {
  return fake as unknown as Client<object>;
}

/** For `wrapper` of Testing Library. */
export function within(fake: FakeClient): (props: { children: ReactNode }) => ReactNode {
  return ({ children }) => <RelayProvider client={asClient(fake)}>{children}</RelayProvider>;
}

/** For all tests of a file: time is the test's. */
export function holdTime(): void {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());
}

/** The next animation frame. */
export function frame(): void {
  act(() => jest.advanceTimersToNextFrame());
}

export function pass(ms: number): void {
  act(() => jest.advanceTimersByTime(ms));
}
