/** The unmodified library stompit over TCP: bodies as streams, failover, and its own limits for frames. */
import { randomBytes, randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import stompit from 'stompit';
import type { Channel, Client, Message } from 'stompit';
import { Inbox } from '../../../server/src/contract/test-inbox.js';
import { withDeadline } from '../../support/deadline.js';
import { freePorts } from '../../support/free-ports.js';
import { BROKERS, createBroker, startRelay } from '../../support/relay.js';
import type { TestBroker, TestRelay } from '../../support/relay.js';

const WAIT_MS = 10_000;
const name = () => `stompit-${randomUUID()}`;

interface Received {
  readonly message: Message;
  readonly body: Buffer;
}

const connectOptions = (port: number, headers: Record<string, string> = {}) => ({
  host: '127.0.0.1',
  port,
  connectHeaders: { host: '/', login: 'stompit', 'heart-beat': '5000,5000', ...headers },
});

function promised<T>(
  description: string,
  start: (callback: (error: Error | null, value: T) => void) => void,
): Promise<T> {
  const done = new Promise<T>((resolve, reject) => start((error, value) => (error ? reject(error) : resolve(value))));
  return withDeadline(done, WAIT_MS, () => description);
}

describe.each(BROKERS)('stompit, %s', (kind) => {
  let broker: TestBroker;
  let relay: TestRelay;
  let port: number;
  const started: Client[] = [];

  beforeAll(async () => {
    broker = await createBroker(kind);
    relay = await startRelay(broker.url);
    port = Number(new URL(relay.tcpUrl).port);
  });
  afterEach(() => started.splice(0).forEach((client) => client.destroy()));
  afterAll(async () => {
    await relay?.stop();
    await broker?.delete();
  });

  async function start(): Promise<{ client: Client; errors: Inbox<Error> }> {
    const client = await promised<Client>('connect', (callback) => stompit.connect(connectOptions(port), callback));
    started.push(client);
    const errors = new Inbox<Error>('error');
    client.on('error', errors.add);
    return { client, errors };
  }

  const send = (client: Client, headers: Record<string, string>, body: string | Buffer) =>
    promised<void>('RECEIPT of SEND', (callback) =>
      client.send(headers, { onReceipt: () => callback(null, undefined) }).end(body),
    );

  /** stompit has no receipts for SUBSCRIBE. Frames are handled in order, so the receipt of a later SEND serves. */
  async function subscribe(client: Client, headers: Record<string, string>): Promise<Inbox<Received>> {
    const received = new Inbox<Received>(headers['destination'] ?? '');
    client.subscribe(headers, (error, message) => {
      if (!error)
        void buffer(message).then(
          (body) => received.add({ message, body }),
          () => undefined,
        );
    });
    await send(client, { destination: `/topic/${name()}` }, 'fence');
    return received;
  }

  test('an ERROR ends the stompit client with its message', async () => {
    const { client, errors } = await start();
    client.subscribe({ destination: '/nowhere/at-all' }, () => undefined);
    expect((await errors.next()).message).toBe('invalid destination');
  });

  test('stompit connects, subscribes, sends and disconnects', async () => {
    const { client, errors } = await start();
    const destination = `/topic/${name()}`;
    const received = await subscribe(client, { destination });
    await send(client, { destination, 'content-type': 'text/plain', 'x-own': 'a:b\\c\nd é' }, 'hello é 😀');
    const { message, body } = await received.next();
    expect(body.toString()).toBe('hello é 😀');
    expect(message.headers).toMatchObject({ destination, 'content-type': 'text/plain', 'x-own': 'a:b\\c\nd é' });
    await promised<void>('disconnect', (callback) => client.disconnect((error) => callback(error, undefined)));
    expect(errors.all).toEqual([]);
  });

  test('stompit sends ACK and NACK in mode client-individual', async () => {
    const { client } = await start();
    const destination = `/queue/${name()}`;
    const received = await subscribe(client, { destination, ack: 'client-individual', 'prefetch-count': '1' });
    await send(client, { destination }, 'one');
    await send(client, { destination }, 'two');
    const first = await received.next();
    client.nack(first.message);
    const again = await received.next();
    expect([first, again].map(({ message }) => message.headers['redelivered'])).toEqual(['false', 'true']);
    client.ack(again.message);
    const second = await received.next();
    expect([again, second].map(({ body }) => body.toString())).toEqual(['one', 'two']);
    client.ack(second.message);
  });

  test('stompit commits and aborts transactions', async () => {
    const { client } = await start();
    const destination = `/topic/${name()}`;
    const received = await subscribe(client, { destination });
    const [kept, dropped] = [client.begin(), client.begin()];
    kept.send({ destination }).end('committed');
    dropped.send({ destination }).end('aborted');
    await send(client, { destination }, 'first');
    dropped.abort();
    await promised<void>('COMMIT', (callback) => kept.commit({ onReceipt: () => callback(null, undefined) }));
    expect((await received.take(2)).map(({ body }) => body.toString())).toEqual(['first', 'committed']);
  });

  test('stompit sends and receives a large body as a stream', async () => {
    const { client } = await start();
    const destination = `/topic/${name()}`;
    const received = await subscribe(client, { destination });
    const body = randomBytes(3 * 1024 * 1024);
    const chunks = Readable.from(Array.from({ length: 48 }, (_, n) => body.subarray(n * 65_536, (n + 1) * 65_536)));
    await pipeline(chunks, client.send({ destination, 'content-length': body.length }));
    const all = await received.next();
    expect(all.body.equals(body)).toBe(true);
  });

  test('stompit reads frames up to its own limits: lines of 1,024 bytes, 64 headers', async () => {
    const { client, errors } = await start();
    const destination = `/topic/${name()}`;
    const received = await subscribe(client, { destination });
    const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`x-${n}`, String(n)]));
    await send(client, { destination, long: 'x'.repeat(1_000), ...many }, 'x');
    const { message } = await received.next();
    expect(message.headers).toMatchObject({ long: 'x'.repeat(1_000), ...many });
    expect(errors.all).toEqual([]);
  });

  test('headers that the relay creates stay far below the limit of stompit, 1,024 bytes a line', async () => {
    const { client, errors } = await start();
    const destination = `/queue/${name()}${'q'.repeat(180)}`;
    const received = await subscribe(client, { destination, ack: 'client' });
    await send(client, { destination, 'reply-to': `/temp-queue/${'t'.repeat(200)}` }, 'x');
    const { message } = await received.next();
    expect(Math.max(...Object.values(message.headers).map((value) => String(value).length))).toBeLessThan(256);
    client.ack(message);
    await send(client, { destination: `/topic/${name()}` }, 'fence');
    expect(errors.all).toEqual([]);
  });

  test('the channel pool of stompit uses the second server if the first is down', async () => {
    const [unusedPort = 0] = await freePorts(1);
    const servers = [connectOptions(unusedPort), connectOptions(port)];
    const pool = new stompit.ChannelPool(new stompit.ConnectFailover(servers, { maxReconnects: 3, randomize: false }));
    try {
      const channel = await promised<Channel>('channel', (callback) => pool.channel(callback));
      const destination = `/queue/${name()}`;
      const received = new Inbox<string>(destination);
      channel.subscribe({ destination, ack: 'client-individual' }, (error, message) => {
        if (error) return;
        message.readString('utf8', (_failure, body) => {
          channel.ack(message);
          received.add(body);
        });
      });
      await promised<void>('RECEIPT', (callback) =>
        channel.send({ destination }, 'one', (error) => callback(error, undefined)),
      );
      const transaction = channel.begin();
      transaction.send({ destination }, 'two');
      await promised<void>('COMMIT', (callback) => transaction.commit((error) => callback(error, undefined)));
      expect(await received.take(2)).toEqual(['one', 'two']);
    } finally {
      pool.close();
    }
  });
});
