/** Subscriptions to destinations with a history, and the clients that have them. */
import type { History, KeptDelivery } from './history.js';

/** A subscription to destinations with a history. */
export interface KeptSpec {
  readonly subscribe: string;
  /** The name of the history rule. */
  readonly rule: string;
  /** The destinations of SENDs that it covers. */
  readonly destinations: readonly string[];
}

/** The part of a returning client that a run uses. */
export interface ReturningClient {
  readonly name: string;
  readonly session: string | undefined;
  readonly isConnected: boolean;
  readonly isSubscribed: boolean;
  activate(): void;
  wants(destination: string): boolean;
  /** It no longer leaves by itself. */
  stay(): void;
  leave(): Promise<void>;
}

/** Adds a MESSAGE of such a subscription. */
export function addKept(
  history: History,
  session: string,
  subscription: string,
  message: string,
  headers: Readonly<Record<string, string | undefined>>,
): void {
  const kept: KeptDelivery = {
    subscription,
    position: headers['relay-position'] ?? '',
    isReplayed: headers['relay-replayed'] === 'true',
    isAfterGap: headers['relay-gap'] === 'true',
  };
  history.add({
    kind: 'delivered',
    session,
    destination: destinationOf(message),
    message,
    redelivered: headers['redelivered'] === 'true',
    resent: headers['relay-resent'] === 'true',
    kept,
  });
}

/** The destination of the SEND, which the pattern of the subscription does not show. */
function destinationOf(message: string): string {
  return message.split(' ')[1] ?? '';
}
