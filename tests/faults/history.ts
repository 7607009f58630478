/**
 * The actions and observations of the clients of a run, in order of time. The rules (rules.ts) use nothing else. A
 * session is one connection of a client: `p1#3` is the third of the client `p1`. Messages are numbered by session and
 * destination, and their body is their name. Clients do not repeat unanswered messages, so each name is sent once.
 */
import type { Effect } from './faults.js';
import type { KeptLog } from './kept-log.js';

/** `p1#3 /queue/work 17` */
export type MessageName = string;

export type HistoryEvent = { readonly at: number } &
  /** `url`: the address of its relay. */
  (
    | { readonly kind: 'connected'; readonly session: string; readonly url: string }
    /** `intended`: the client itself left. */
    | { readonly kind: 'closed'; readonly session: string; readonly code: number; readonly intended: boolean }
    /** The RECEIPT of SUBSCRIBE. `destination` is that of SEND. */
    | { readonly kind: 'subscribed'; readonly session: string; readonly destination: string }
    | { readonly kind: 'sent'; readonly session: string; readonly message: MessageName }
    /** The RECEIPT of a SEND. */
    | { readonly kind: 'confirmed'; readonly session: string; readonly message: MessageName }
    | Refusal
    | Delivered
    | Returned
    | ToldGap
    /** The relay's count of the messages of a subscription, and the client's. */
    | {
        readonly kind: 'checked';
        readonly session: string;
        readonly subscription: string;
        readonly delivered: number;
        readonly received: number;
      }
    | Trouble
    /** A client of a crowd that is larger than a relay has room for. `answer`: the relay's first line, or empty. */
    | { readonly kind: 'crowded'; readonly answer: string }
    /** A relay has become ready, or is no longer. */
    | { readonly kind: 'readiness'; readonly url: string; readonly isReady: boolean }
    /** All faults are over, every relay is ready, and every client is subscribed. */
    | { readonly kind: 'calm' }
  );

/** A fault. It begins between `at` and `fromMs`, and ends between `toMs` and `untilMs`. */
export type Trouble = {
  readonly at: number;
  readonly kind: 'fault';
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly untilMs: number;
  readonly effects: readonly Effect[];
};

export type Delivered = {
  readonly at: number;
  readonly kind: 'delivered';
  readonly session: string;
  /** The destination of the subscription. */
  readonly destination: string;
  readonly message: MessageName;
  readonly redelivered: boolean;
  readonly resent: boolean;
  /** Only of a subscription with a history. */
  readonly kept?: KeptDelivery;
};

export interface KeptDelivery {
  /** The id of the subscription. */
  readonly subscription: string;
  readonly position: string;
  readonly isReplayed: boolean;
  /** `relay-gap:true` */
  readonly isAfterGap: boolean;
}

/** The RECEIPT of SUBSCRIBE to destinations with a history. */
export type Returned = {
  readonly at: number;
  readonly kind: 'returned';
  readonly session: string;
  readonly subscription: string;
  /** The name of the history rule. */
  readonly rule: string;
  /** The destinations of SENDs that it covers. */
  readonly destinations: readonly string[];
  readonly since?: string | undefined;
  /** Undefined if the client does not show it. */
  readonly position?: string | undefined;
  readonly recovered?: boolean | undefined;
  readonly reason?: string | undefined;
};

/** The notice of a gap on a live connection. */
export type ToldGap = {
  readonly at: number;
  readonly kind: 'gap';
  readonly session: string;
  readonly subscription: string;
  readonly from: string;
  readonly to: string;
  readonly reason: string;
};

/**
 * An ERROR, or a soft error in a MESSAGE, which does not end the session. `message` is the one whose receipt it names.
 */
export type Refusal = {
  readonly at: number;
  readonly kind: 'error';
  readonly session: string;
  readonly code: string;
  /** The body. It has the reason of an interrupted replay. */
  readonly sentence?: string;
  readonly isSoft: boolean;
  readonly message?: MessageName;
};

export type EventKind = HistoryEvent['kind'];
export type EventOf<K extends EventKind> = Extract<HistoryEvent, { kind: K }>;
/** An event whose time may be missing: then it is the current time. */
type Untimed<T> = T extends unknown ? Omit<T, 'at'> & { readonly at?: number } : never;

export class History {
  readonly events: HistoryEvent[] = [];
  /** Those of history rules, by rule and then by age: added when the run is over. */
  logs: readonly KeptLog[] = [];

  constructor(readonly now: () => number) {}

  add(event: Untimed<HistoryEvent>): void {
    this.events.push({ at: this.now(), ...event });
  }

  of<K extends EventKind>(kind: K): EventOf<K>[] {
    return this.events.filter((event): event is EventOf<K> => event.kind === kind);
  }
}

export function nameOf(session: string, destination: string, number: number): MessageName {
  return `${session} ${destination} ${number}`;
}

export function partsOf(message: MessageName): { session: string; destination: string; number: number } {
  const [session = '', destination = '', number = ''] = message.split(' ');
  return { session, destination, number: Number(number) };
}

/** Queues keep messages without a consumer; topics and users do not. */
export function isQueue(destination: string): boolean {
  return destination.startsWith('/queue/');
}

export function grouped<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group) group.push(item);
    else groups.set(keyOf(item), [item]);
  }
  return groups;
}
