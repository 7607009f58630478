/**
 * Helpers of the black-box tests: relays for a whole test file, clients that are closed after each test, and unique
 * names. All access is through sockets.
 */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect } from '@jest/globals';
import type { ConfigInput, RelayHooks } from '../../../server/src/index.js';
import { BROKERS, createBroker, startRelay, TRANSPORTS } from '../../support/relay.js';
import type { TestBroker, TestRelay } from '../../support/relay.js';
import { connectStomp, openStomp } from '../../support/stomp-client.js';
import type { OpenOptions, RawHeaders, ReceivedFrame, StompClient } from '../../support/stomp-client.js';

export type Transport = (typeof TRANSPORTS)[number];
export type BrokerKind = (typeof BROKERS)[number];
export const VERSIONS = ['1.0', '1.1', '1.2'] as const;

/** Each broker over each transport. */
export const EVERYWHERE = BROKERS.flatMap((broker) => TRANSPORTS.map((transport) => ({ broker, transport })));

export interface Stage {
  /** The relays, all on one broker. */
  readonly relays: readonly TestRelay[];
  /** The first relay. */
  readonly relay: TestRelay;
  readonly broker: TestBroker;
  /** Opens a connected client at relay number `instance`. */
  connect(transport: Transport, headers?: Record<string, string>, more?: ClientOptions): Promise<StompClient>;
  /** Opens a connection without CONNECT. */
  open(transport: Transport, more?: ClientOptions): Promise<StompClient>;
}

export interface ClientOptions extends OpenOptions {
  readonly instance?: number;
}

interface StageOptions {
  readonly instances?: number;
  readonly config?: ConfigInput;
  readonly hooks?: RelayHooks;
}

/** Call it inside `describe`: starts relays before all tests, closes clients after each, stops relays after all. */
export function stageRelays(kind: BrokerKind, { instances = 1, config, hooks }: StageOptions = {}): Stage {
  const relays: TestRelay[] = [];
  const clients: StompClient[] = [];
  let broker: TestBroker | undefined;

  beforeAll(async () => {
    broker = await createBroker(kind);
    for (let i = 0; i < instances; i++) relays.push(await startRelay(broker.url, config, hooks));
  }, 60_000);
  afterEach(() => clients.splice(0).forEach((client) => client.destroy()));
  afterAll(async () => {
    await Promise.all(relays.map((relay) => relay.stop()));
    await broker?.delete();
  });

  const urlOf = (transport: Transport, instance = 0) => (relays[instance] as TestRelay)[transport];
  const kept = (client: StompClient) => {
    clients.push(client);
    return client;
  };
  return {
    relays,
    get relay() {
      return relays[0] as TestRelay;
    },
    get broker() {
      return broker as TestBroker;
    },
    connect: async (transport, headers, more = {}) =>
      kept(await connectStomp(urlOf(transport, more.instance), headers, more)),
    open: async (transport, more = {}) => kept(await openStomp(urlOf(transport, more.instance), more)),
  };
}

export const unique = (prefix = 'x'): string => `${prefix}-${randomBytes(5).toString('hex')}`;

/** Expects an ERROR with the properties of every ERROR, followed by the end of the connection. */
export async function expectRefusal(
  client: StompClient,
  code: string,
  receipt?: string,
  closeCode?: number,
): Promise<ReceivedFrame> {
  const error = await client.expectError({ code, 'content-type': 'text/plain;charset=utf-8' });
  expect(error.headers['message']).toMatch(/\w+/);
  expect(error.headers['receipt-id']).toBe(receipt);
  expect(Number(error.headers['content-length'])).toBe(error.body.length);
  expect(error.body.toString()).toMatch(/^["A-Z0-9].*\.$/s);
  expect(client.received().filter((each) => each.command !== 'MESSAGE')).toEqual([]);
  const { code: closedWith } = await client.expectClose();
  if (closeCode !== undefined && client.subProtocol !== '') expect(closedWith).toBe(closeCode);
  return error;
}

/** Sends a frame with a receipt and expects an ERROR with its receipt-id. */
export async function refuses(
  client: StompClient,
  command: string,
  headers: RawHeaders,
  code: string,
  body: string | Buffer = '',
): Promise<ReceivedFrame> {
  const pairs = Array.isArray(headers) ? (headers as [string, string][]) : Object.entries(headers);
  client.sendFrame(command, [...pairs, ['receipt', 'refused']], body);
  return expectRefusal(client, code, 'refused');
}

/** The body of the next frame, which must be a MESSAGE. */
export async function nextBody(client: StompClient, headers: Record<string, string> = {}): Promise<string> {
  return (await client.expectFrame('MESSAGE', headers)).body.toString();
}

/** The next bodies, in order. */
export async function nextBodies(client: StompClient, count: number): Promise<string[]> {
  const bodies: string[] = [];
  while (bodies.length < count) bodies.push(await nextBody(client));
  return bodies;
}

/**
 * All MESSAGE bodies that reach the client before a message that it now sends to itself. An empty result proves that no
 * further message was on its way, without waiting for time.
 */
export async function bodiesUntilNow(client: StompClient): Promise<string[]> {
  const destination = `/topic/${unique('fence')}`;
  const id = unique('fence');
  await client.receipt('SUBSCRIBE', { id, destination });
  client.sendFrame('SEND', { destination }, 'fence');
  await client.take((f) => f.command === 'MESSAGE' && f.headers['subscription'] === id, 'the fence');
  await client.receipt('UNSUBSCRIBE', { id });
  const bodies: string[] = [];
  while (client.received().length > 0) bodies.push(await nextBody(client));
  return bodies;
}
