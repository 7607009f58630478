/**
 * Opening one AMQP connection, by whoever needs one: a deadline over all of the handshake, no socket left behind, and no
 * error that nobody hears (it would end the process). How amqplib says that it was refused is known here only.
 */
import { connect } from 'amqplib';
import type { ChannelModel, Options } from 'amqplib';
import { REPLY } from './amqp-errors.js';
import { type BrokerTlsOptions, tlsConnectOptions, tlsProblem } from './broker-tls.js';
import { answeredWithin } from './wait-deadline.js';

/** As amqplib's `credentials.plain` makes them. */
export type Credentials = NonNullable<Options.Connect['credentials']>;

export interface OpenOptions {
  readonly connectTimeoutMs: number;
  readonly heartbeatSeconds: number;
  /** For `amqps://`. */
  readonly tls?: BrokerTlsOptions | undefined;
}

/**
 * `name` is what RabbitMQ's management shows; `credentials` stand in for those of the url. Rejects where RabbitMQ refuses, is
 * away, or takes too long.
 */
export async function openModel(
  url: string,
  name: string,
  { connectTimeoutMs, heartbeatSeconds, tls }: OpenOptions,
  credentials?: Credentials,
): Promise<ChannelModel> {
  const address = new URL(url);
  if (!address.searchParams.has('heartbeat')) address.searchParams.set('heartbeat', String(heartbeatSeconds));
  const opening = connect(address.href, {
    ...(address.protocol === 'amqps:' ? tlsConnectOptions(tls) : {}),
    noDelay: true,
    keepAlive: true,
    timeout: connectTimeoutMs,
    clientProperties: { product: 'stomp-relay', connection_name: `stomp-relay ${name}` },
    ...(credentials && { credentials }),
  });
  let isLate = false;
  opening.then(
    (model) => {
      if (isLate) destroy(model);
    },
    () => undefined,
  );
  return answeredWithin(opening, connectTimeoutMs, 'did not complete the handshake').catch((error: Error) => {
    isLate = true;
    throw error;
  });
}

/**
 * amqplib ends a socket politely, which a peer that is gone never answers, and offers no other way. The error makes it
 * notice, so that its heart-beat timers end too.
 */
export function destroy(model: ChannelModel): void {
  const { stream } = model.connection as unknown as { stream?: { destroy(error: Error): void } };
  // perhaps nobody listens to it yet, and an error that nobody hears ends the process
  model.on('error', () => undefined);
  stream?.destroy(new Error('closed by the relay'));
}

/** Words for the log. What RabbitMQ says of a virtual host, asked for after the login, amqplib does not pass on. */
export function connectProblem(error: Error): string {
  if (isVhostRefused(error)) return 'the virtual host does not exist, or the user has no permissions in it';
  return tlsProblem(error) ?? error.message;
}

/** Connection.close in the place of connection.open-ok. */
export function isVhostRefused({ message }: Error): boolean {
  return /ConnectionOpenOk; got <ConnectionClose/.test(message);
}

/** The text is amqplib's; the number, AMQP's ACCESS_REFUSED, is RabbitMQ's: the error has no other sign of it. */
export function isLoginRefused({ message }: Error): boolean {
  return message.startsWith(`Handshake terminated by server: ${REPLY.accessRefused} `);
}

/** Without user and password. */
export function describeUrl(url: string): string {
  if (!URL.canParse(url)) return 'an address that is no URL';
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

export function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
