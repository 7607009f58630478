/** Divides the file descriptors of a process: a reserve for what the relay itself opens, and the rest for clients. */
export interface DescriptorOptions {
  readonly broker: { readonly kind: 'memory' | 'rabbitmq' };
  readonly rabbitmq: { readonly publishChannels: number; readonly connectionsMax: number };
  readonly auth: { readonly authenticators: readonly { readonly kind: string; readonly checksMax?: number }[] };
}

export interface DescriptorPlan {
  /** The limit of the process; undefined if it is not known. */
  readonly limit: number | undefined;
  /** Maximum number of connections of clients; Infinity if the limit of the process is not known. */
  readonly clientsMax: number;
  /** Number of further descriptors for clients that were turned away, and again for those that were evicted. */
  readonly closingMax: number;
  /** Maximum number of connections at the admin port. */
  readonly adminMax: number;
  /** The part that is not for clients. */
  readonly reserve: number;
}

/** Node itself, the listeners, standard streams, watched files, pages of the demo, name lookups. */
const PROCESS = 48;
/** AMQP connections besides those of `publishChannels` and `connectionsMax`: the relay's own, and for questions. */
const AMQP_OWN = 6;
/** Connections to a login service of the application, or for keys of tokens. */
const OTHER_LOGINS = 8;
/** The largest parts of the reserve; a small limit makes them smaller. */
const ADMIN_MAX = 100;
const CLOSING_MAX = 64;
const SMALL_PART = 1 / 16;
/** Clients get at least this part, whatever the reserve needs. */
const CLIENTS_PART = 1 / 4;

/** `limit` is undefined if it is not known. */
export function planDescriptors(limit: number | undefined, options: DescriptorOptions): DescriptorPlan {
  const { broker, rabbitmq, auth } = options;
  const part = (max: number): number => Math.min(max, Math.max(1, Math.floor((limit ?? Infinity) * SMALL_PART)));
  const [adminMax, closingMax] = [part(ADMIN_MAX), part(CLOSING_MAX)];
  const brokers = broker.kind === 'memory' ? 0 : rabbitmq.publishChannels + rabbitmq.connectionsMax + AMQP_OWN;
  const logins = auth.authenticators.reduce((sum, each) => sum + loginConnections(each), 0);
  const reserve = PROCESS + adminMax + 2 * closingMax + brokers + logins;
  const clientsMax = limit === undefined ? Infinity : Math.max(limit - reserve, Math.ceil(limit * CLIENTS_PART));
  return { limit, clientsMax, closingMax, adminMax, reserve };
}

function loginConnections({ kind, checksMax = OTHER_LOGINS }: { kind: string; checksMax?: number }): number {
  return kind === 'anonymous' || kind === 'users' ? 0 : checksMax;
}
