/** The unmodified library @stomp/stompjs over `ws` in Node. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type { StompConfig } from '@stomp/stompjs';
import { ReconnectionTimeMode, TickerStrategy, Versions } from '@stomp/stompjs';
import { WebSocket } from 'ws';
import { BROKERS, createBroker, startRelay } from '../../support/relay.js';
import type { TestBroker, TestRelay } from '../../support/relay.js';
import { startClient } from './stompjs-client.js';
import type { TestClient } from './stompjs-client.js';

const name = () => `stompjs-${randomUUID()}`;
/** Characters of one to four bytes, and characters with a meaning in STOMP or AMQP. */
const TEXT = 'plain é ü 漢字 😀👩‍👩‍👧 \\n \\ : \r\n\t "quoted"';

describe.each(BROKERS)('stompjs, %s', (kind) => {
  let broker: TestBroker;
  let relay: TestRelay;
  const started: TestClient[] = [];

  beforeAll(async () => {
    broker = await createBroker(kind);
    relay = await startRelay(broker.url, { session: { heartBeat: { sendMs: 100, expectMs: 100 } } });
  });
  afterEach(async () => {
    for (const { client } of started.splice(0)) await client.deactivate({ force: true });
  });
  afterAll(async () => {
    await relay?.stop();
    await broker?.delete();
  });

  const start = async (config: StompConfig = {}): Promise<TestClient> => {
    const client = await startClient(relay.webSocketUrl, config);
    started.push(client);
    return client;
  };

  test('stompjs with default options connects with 1.2, subscribes, publishes and disconnects', async () => {
    const { client, connections, closes, subscribe, debug, unhandled } = await start();
    expect(client.connectedVersion).toBe('1.2');
    expect(connections.all[0]?.headers['server']).toMatch(/^stomp-relay\//);
    const destination = `/topic/${name()}`;
    const messages = await subscribe(destination);
    client.publish({ destination, body: TEXT, headers: { 'content-type': 'text/plain', 'x-own': 'value' } });
    const message = await messages.next();
    expect(message.body).toBe(TEXT);
    expect(message.headers).toMatchObject({ destination, 'content-type': 'text/plain', 'x-own': 'value' });
    await client.deactivate();
    expect(await closes.next()).toEqual({ code: 1000 });
    expect(unhandled.all).toEqual([]);
    // frames have random hexadecimal ids, which may contain "bad"
    const remarks = debug.filter((line) => !/^(<<<|>>>) /.test(line));
    expect(remarks.filter((line) => /warn|error|bad|unhandled|fail|did not/i.test(line))).toEqual([]);
  });

  test('stompjs works with a webSocketFactory', async () => {
    const webSocketFactory = () => new WebSocket(relay.webSocketUrl, ['v12.stomp']);
    const { client, subscribe } = await start({ webSocketFactory: webSocketFactory as never });
    const destination = `/queue/${name()}`;
    const messages = await subscribe(destination);
    client.publish({ destination, body: 'x' });
    expect((await messages.next()).body).toBe('x');
  });

  test('stompjs receives each message of a queue once, and leaves none behind', async () => {
    const { client, subscribe } = await start();
    const destination = `/queue/${name()}`;
    const messages = await subscribe(destination);
    const bodies = Array.from({ length: 500 }, (_, index) => `${index}`);
    for (const body of bodies) client.publish({ destination, body });
    expect((await messages.take(bodies.length)).map(({ body }) => body)).toEqual(bodies);
    await client.deactivate();
    const next = await start();
    const rest = await next.subscribe(destination);
    next.client.publish({ destination, body: 'end' });
    expect((await rest.next()).body).toBe('end');
    expect(messages.all.filter(({ headers }) => headers['redelivered'] !== 'false')).toEqual([]);
  });

  test('stompjs sends and receives binary bodies with NULs', async () => {
    const { client, subscribe } = await start();
    const destination = `/topic/${name()}`;
    const messages = await subscribe(destination);
    const binaryBody = Uint8Array.from({ length: 1024 }, (_, n) => n % 256);
    client.publish({ destination, binaryBody, headers: { 'content-type': 'application/octet-stream' } });
    expect(Buffer.from((await messages.next()).binaryBody)).toEqual(Buffer.from(binaryBody));
  });

  test('stompjs sends and receives text with a NUL and an empty body', async () => {
    const { client, subscribe } = await start();
    const destination = `/topic/${name()}`;
    const messages = await subscribe(destination);
    client.publish({ destination, body: 'before\0after' });
    client.publish({ destination, body: '' });
    expect((await messages.take(2)).map(({ body }) => body)).toEqual(['before\0after', '']);
  });

  test('stompjs works with skipContentLengthHeader', async () => {
    const { client, subscribe } = await start();
    const destination = `/topic/${name()}`;
    const messages = await subscribe(destination);
    client.publish({ destination, body: TEXT, skipContentLengthHeader: true });
    expect((await messages.next()).body).toBe(TEXT);
  });

  // an odd size splits characters, and text may be split inside a surrogate pair
  test.each([
    ['text', false, 8 * 1024],
    ['text in small pieces', false, 64],
    ['bytes, in pieces of an odd size', true, 7],
  ])('stompjs works with splitLargeFrames: %s', async (_name, forceBinaryWSFrames, maxWebSocketChunkSize) => {
    const { client, subscribe } = await start({ splitLargeFrames: true, maxWebSocketChunkSize, forceBinaryWSFrames });
    const destination = `/topic/${name()}`;
    const messages = await subscribe(destination);
    const body = 'é漢x'.repeat(5_000);
    client.publish({ destination, body });
    expect((await messages.next()).body).toBe(body);
  });

  test('stompjs works with forceBinaryWSFrames', async () => {
    const { client, subscribe } = await start({ forceBinaryWSFrames: true });
    const destination = `/topic/${name()}`;
    const messages = await subscribe(destination);
    client.publish({ destination, body: TEXT });
    expect((await messages.next()).body).toBe(TEXT);
  });

  test('stompjs works with appendMissingNULLonIncoming, although the relay sends every NUL', async () => {
    const { client, subscribe, unhandled } = await start({ appendMissingNULLonIncoming: true });
    const destination = `/topic/${name()}`;
    const messages = await subscribe(destination);
    for (const body of ['one', '', 'two\0', 'three']) client.publish({ destination, body });
    expect((await messages.take(4)).map(({ body }) => body)).toEqual(['one', '', 'two\0', 'three']);
    expect(unhandled.all).toEqual([]);
  });

  test.each([TickerStrategy.Interval, TickerStrategy.Worker])(
    'stompjs and the relay exchange heart-beats with the strategy %s',
    async (heartbeatStrategy) => {
      let beats = 0;
      let resolveBeats: (() => void) | undefined;
      const fiveBeats = new Promise<void>((resolve) => (resolveBeats = resolve));
      const onHeartbeatReceived = () => void (++beats === 5 && resolveBeats?.());
      const times = { heartbeatIncoming: 100, heartbeatOutgoing: 100, heartbeatStrategy, onHeartbeatReceived };
      const { client, receipt, closes, debug } = await start(times);
      await fiveBeats;
      // without the client's heart-beats, the relay would have closed the session by now
      await receipt((id) => client.publish({ destination: `/topic/${name()}`, body: 'x', headers: { receipt: id } }));
      expect(debug).toContain('<<< PONG');
      expect(debug).toContain('>>> PING');
      expect(closes.all).toEqual([]);
    },
  );

  test('stompjs gets receipts of SUBSCRIBE, SEND, UNSUBSCRIBE and of a SEND in a transaction', async () => {
    const { client, receipt, subscribe } = await start();
    const destination = `/queue/${name()}`;
    await subscribe(destination, { id: 'own-id' });
    await receipt((id) => client.publish({ destination, body: 'x', headers: { receipt: id } }));
    await receipt((id) => client.unsubscribe('own-id', { receipt: id }));
    const transaction = client.begin();
    await receipt((id) => {
      client.publish({ destination, headers: { transaction: transaction.id, receipt: id } });
      transaction.commit();
    });
    client.begin().abort();
    await receipt((id) => client.publish({ destination, headers: { receipt: id } }));
  });

  test('stompjs sends ACK and NACK', async () => {
    const { client, receipt, subscribe } = await start();
    const destination = `/queue/${name()}`;
    const messages = await subscribe(destination, { ack: 'client-individual', 'prefetch-count': '1' });
    await receipt((id) => client.publish({ destination, body: 'one', headers: { receipt: id } }));
    await receipt((id) => client.publish({ destination, body: 'two', headers: { receipt: id } }));
    const first = await messages.next();
    first.nack();
    const again = await messages.next();
    expect([first.body, again.body]).toEqual(['one', 'one']);
    expect([first.headers['redelivered'], again.headers['redelivered']]).toEqual(['false', 'true']);
    again.ack();
    const second = await messages.next();
    expect(second.body).toBe('two');
    second.ack();
  });

  test('stompjs commits and aborts transactions', async () => {
    const { client, subscribe } = await start();
    const destination = `/topic/${name()}`;
    const messages = await subscribe(destination);
    const [kept, dropped] = [client.begin(), client.begin()];
    client.publish({ destination, body: 'committed', headers: { transaction: kept.id } });
    client.publish({ destination, body: 'aborted', headers: { transaction: dropped.id } });
    client.publish({ destination, body: 'first' });
    dropped.abort();
    kept.commit();
    client.publish({ destination, body: 'last' });
    expect((await messages.take(3)).map(({ body }) => body)).toEqual(['first', 'committed', 'last']);
  });

  test('stompjs resumes a durable subscription from another client', async () => {
    const destination = `/topic/${name()}`;
    const connectHeaders = { login: name() };
    const durable = { id: 'mine', durable: 'true', 'auto-delete': 'false' };
    const publisher = await start();
    const before = await start({ connectHeaders });
    await before.subscribe(destination, durable);
    await before.client.deactivate();
    await publisher.receipt((id) =>
      publisher.client.publish({ destination, body: 'missed', headers: { receipt: id } }),
    );
    const after = await start({ connectHeaders });
    const messages = await after.subscribe(destination, durable);
    expect((await messages.next()).body).toBe('missed');
    await after.receipt((id) => after.client.unsubscribe('mine', { durable: 'true', receipt: id }));
  });

  test('a bad SUBSCRIBE calls onStompError of stompjs, and the connection closes', async () => {
    const { client, errors, closes } = await start();
    client.subscribe('/no-such-kind/x', () => undefined);
    const error = await errors.next();
    expect(error.headers['code']).toBe('invalid-destination');
    expect(error.body).toContain('/no-such-kind/x');
    expect((await closes.next()).code).toBeGreaterThanOrEqual(4000);
  });

  test('stompjs reconnects after its connection was cut, and can subscribe again', async () => {
    const { client, connections, subscribe } = await start({
      reconnectDelay: 10,
      reconnectTimeMode: ReconnectionTimeMode.EXPONENTIAL,
    });
    client.forceDisconnect();
    await connections.next();
    const destination = `/topic/${name()}`;
    const messages = await subscribe(destination);
    client.publish({ destination, body: 'back' });
    expect((await messages.next()).body).toBe('back');
  });

  // within the limits of stompjs: it trims values, misreads a backslash before n, r or c, and has no escapes for 1.1
  test.each([
    ['1.2', 'a:b\nc "é" 漢 😀 \r C:\\dir http://x:1/'],
    ['1.1', 'b "é" 漢 😀'],
    ['1.0', 'a:b "é" 漢 😀 C:\\new http://x:1/'],
  ])('stompjs sends and receives header values in STOMP %s', async (version, value) => {
    const { client, subscribe } = await start({ stompVersions: new Versions([version]) });
    expect(client.connectedVersion).toBe(version);
    const destination = `/topic/${name()}`;
    const messages = await subscribe(destination);
    client.publish({ destination, body: 'x', headers: { 'x-value': value } });
    const { headers } = await messages.next();
    expect(headers['x-value']).toBe(value);
  });

  test('stompjs sends and receives a body of 1 MiB', async () => {
    const { client, subscribe } = await start();
    const destination = `/topic/${name()}`;
    const messages = await subscribe(destination);
    const body = '0123456789abcdef'.repeat(64 * 1024);
    client.publish({ destination, body });
    expect((await messages.next()).body).toBe(body);
  });
});

test('stompjs reconnects by itself when a new relay replaces the old one', async () => {
  const first = await startRelay();
  const port = Number(new URL(first.webSocketUrl).port);
  const started = await startClient(first.webSocketUrl, { reconnectDelay: 10 });
  await first.stop();
  expect((await started.closes.next()).code).toBe(1012);
  const second = await startRelay('memory:', { listen: { port } });
  await started.connections.next();
  await started.client.deactivate();
  await second.stop();
});
