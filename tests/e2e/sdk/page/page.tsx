/**
 * What the tests find in their page as `window.sdk`, and drive with `page.evaluate`. Whatever happens is reported to the test
 * (tab.ts), so that it can wait for it, also while the page is hidden and its timers hardly run.
 */
import { createClient } from 'stomp-relay-client';
import type { Client, ClientOptions, ConnectionState, Subscription, SubscriptionState } from 'stomp-relay-client';
import { countFrames } from './frames.js';
import * as scenes from './scenes.js';

/** What a test hears of, by its kind. Errors come as their codes. */
export interface Reports {
  state: Plain<ConnectionState>;
  subscription: { readonly destination: string; readonly state: Plain<SubscriptionState> };
  message: { readonly destination: string; readonly data: unknown };
  /** How a publish ended: `taken`, or an error's code. */
  publish: { readonly data: unknown; readonly outcome: string };
  /** Of the page itself: `hidden`, `visible`, `offline`, `online`, `frozen`, `resumed`, `restored` (from the page cache). */
  page: string;
  error: string;
}

/** A reason is its code: errors do not survive the way to the test. */
type Plain<S> = S extends { reason?: unknown } ? Omit<S, 'reason'> & { readonly reason?: string } : S;

declare global {
  interface Window {
    sdk: typeof sdk;
    /** Given by the test. */
    report<K extends keyof Reports>(kind: K, value: Reports[K]): void;
  }
}

let client: Client | undefined;

const sdk = {
  scenes,
  countFrames,

  /** Makes the page's client, without connecting it. */
  create(options: ClientOptions): Client {
    client = createClient(options);
    client.onState((state) => window.report('state', plain(state)));
    return client;
  },

  get client(): Client {
    if (client === undefined) throw new Error('The page has no client yet.');
    return client;
  },

  /** Reports what comes. */
  subscribe(destination: string): Subscription {
    const subscription = sdk.client.subscribe(destination, ({ data }) =>
      window.report('message', { destination, data }),
    );
    const tell = (state: SubscriptionState): void =>
      window.report('subscription', { destination, state: plain(state) });
    subscription.onState(tell);
    return subscription;
  },

  /** Reports how it ends, and returns before. */
  publish(destination: string, ...all: unknown[]): void {
    for (const data of all) {
      sdk.client.publish(destination, data).then(
        () => window.report('publish', { data, outcome: 'taken' }),
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
