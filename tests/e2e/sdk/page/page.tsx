/**
 * The API that tests find in their page as `window.sdk`, and call with `page.evaluate`. Every event is reported to the
 * test (tab.ts). So the test can wait for events, also while the page is hidden and its timers hardly run.
 */
import { createClient } from 'stomp-relay-client';
import type {
  Client,
  ClientOptions,
  ConnectionState,
  Message,
  SubscribeOptions,
  Subscription,
  SubscriptionState,
} from 'stomp-relay-client';
import { countFrames } from './frames.js';
import * as scenes from './scenes.js';

/** Reports to the test, by kind. An error is reported as its code. */
export interface Reports {
  state: Plain<ConnectionState>;
  subscription: { readonly destination: string; readonly state: Plain<SubscriptionState> };
  message: { readonly destination: string; readonly data: unknown };
  /** The outcome of a publish: `confirmed`, or an error's code. */
  publish: { readonly data: unknown; readonly outcome: string };
  /**
   * Events of the page: `hidden`, `visible`, `offline`, `online`, `frozen`, `resumed`, `restored` (from the page
   * cache).
   */
  page: string;
  error: string;
}

/** Replaces a reason by its code, because errors cannot be passed to the test. */
type Plain<S> = S extends { reason?: unknown } ? Omit<S, 'reason'> & { readonly reason?: string } : S;

declare global {
  interface Window {
    sdk: typeof sdk;
    /** Provided by the test. */
    report<K extends keyof Reports>(kind: K, value: Reports[K]): void;
  }
}

let client: Client | undefined;

const sdk = {
  scenes,
  countFrames,

  /** Creates the page's client, without connecting it. */
  create(options: ClientOptions): Client {
    client = createClient(options);
    client.onState((state) => window.report('state', plain(state)));
    return client;
  },

  get client(): Client {
    if (client === undefined) throw new Error('The page has no client yet.');
    return client;
  },

  /** Reports messages and states. */
  subscribe(destination: string, options: SubscribeOptions<unknown> = {}): Subscription {
    const report = ({ data }: Message): void => window.report('message', { destination, data });
    const subscription = sdk.client.subscribe(destination, report, options);
    const reportState = (state: SubscriptionState): void =>
      window.report('subscription', { destination, state: plain(state) });
    subscription.onState(reportState);
    return subscription;
  },

  /** Reports each outcome later, and returns at once. */
  publish(destination: string, ...all: unknown[]): void {
    for (const data of all) {
      sdk.client.publish(destination, data).then(
        () => window.report('publish', { data, outcome: 'confirmed' }),
        ({ code }: { code: string }) => window.report('publish', { data, outcome: code }),
      );
    }
  },
};

function plain<S extends object>(state: S): Plain<S> {
  const { reason, error, ...rest } = state as { reason?: { code: string }; error?: { code: string } };
  return { ...rest, ...(reason && { reason: reason.code }), ...(error && { error: error.code }) } as Plain<S>;
}

window.sdk = sdk;
document.addEventListener('visibilitychange', () => window.report('page', document.visibilityState));
document.addEventListener('freeze', () => window.report('page', 'frozen'));
document.addEventListener('resume', () => window.report('page', 'resumed'));
for (const name of ['online', 'offline']) window.addEventListener(name, () => window.report('page', name));
window.addEventListener('pageshow', ({ persisted }) => persisted && window.report('page', 'restored'));
window.addEventListener('error', ({ message }) => window.report('error', message));
window.addEventListener('unhandledrejection', ({ reason }) => window.report('error', String(reason)));
