/**
 * Opens one AMQP connection, with a deadline for the whole handshake. Leaves no socket behind and no error unhandled
 * (it would end the process). Only this file knows how amqplib reports a refusal.
 */
import { connect } from 'amqplib';
import type { ChannelModel, Options } from 'amqplib';
import { REPLY } from './amqp-errors.js';
import { tlsConnectOptions, tlsProblem } from './broker-tls.js';
import type { BrokerTlsOptions } from './broker-tls.js';
import { readContentHeaders } from './content-header.js';
import { answeredWithin } from './wait-deadline.js';

/** The result of amqplib's `credentials.plain`. */
export type Credentials = NonNullable<Options.Connect['credentials']>;

export interface OpenOptions {
  readonly connectTimeoutMs: number;
  readonly heartbeatSeconds: number;
  /** For `amqps://`. */
  readonly tls?: BrokerTlsOptions | undefined;
}

/**
 * `name` appears in RabbitMQ's management page; `credentials` replace those of the url. Rejects if RabbitMQ refuses, is
 * unreachable, or takes too long.
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
  try {
    const model = await answeredWithin(opening, connectTimeoutMs, 'did not complete the handshake');
    readContentHeaders(model);
    return model;
  } catch (error) {
    isLate = true;
    throw error;
  }
}

/**
 * amqplib only offers a graceful end of a socket, which a dead peer never answers. The error makes amqplib notice the
 * end, so its heart-beat timers stop too.
 */
export function destroy(model: ChannelModel): void {
  const { stream } = model.connection as unknown as { stream?: { destroy(error: Error): void } };
  // An unhandled error would end the process
  model.on('error', () => undefined);
  stream?.destroy(new Error('closed by the relay'));
}

/** A text for the log. amqplib does not pass on RabbitMQ's text about a virtual host. */
export function connectProblem(error: Error): string {
  if (isVhostRefused(error)) return 'the virtual host does not exist, or the user has no permissions in it';
  return tlsProblem(error) ?? error.message;
}

/** connection.close instead of connection.open-ok. */
export function isVhostRefused({ message }: Error): boolean {
  return /ConnectionOpenOk; got <ConnectionClose/.test(message);
}

/** The text comes from amqplib, the number (AMQP's ACCESS_REFUSED) from RabbitMQ. The error has no other mark. */
export function isLoginRefused({ message }: Error): boolean {
  return message.startsWith(`Handshake terminated by server: ${REPLY.accessRefused} `);
}

/** Without user and password. */
export function describeUrl(url: string): string {
  if (!URL.canParse(url)) return 'an invalid address';
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

export function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, order: Math.random() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item);
}
