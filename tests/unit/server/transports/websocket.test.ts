import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect as connectSocket } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import type { ClientOptions } from 'ws';
import type { AdmissionQueue } from '../../../../server/src/load/admission-queue.js';
import { ClientGate } from '../../../../server/src/net/client-gate.js';
import type { Connection, Peer } from '../../../../server/src/transports/connection.js';
import { createWebSocketTransport } from '../../../../server/src/transports/websocket.js';
import type { WebSocketOptions, WebSocketTransport } from '../../../../server/src/transports/websocket.js';
import { TestAuthority } from '../../../support/certificates.js';
import type { Certificate } from '../../../support/certificates.js';
import { eventually } from '../../../support/deadline.js';
import { openAdmissionQueue } from './open-admission-queue.js';
import { RecordingListener } from './recording-listener.js';
import { describeTransport } from './transport-contract.js';
import type { Rig, RigClient } from './transport-contract.js';

const CLOSE_TIMEOUT_MS = 300;
const KNOWN = ['v12.stomp', 'v11.stomp', 'v10.stomp'];

const OPTIONS: WebSocketOptions = {
  path: '/ws',
  ownsServer: true,
  maxPayloadBytes: 2_000_000,
  beforeLoginMaxPayloadBytes: 2_000_000,
  pingIntervalMs: 0,
  deflate: false,
  closeTimeoutMs: CLOSE_TIMEOUT_MS,
  allowedOrigins: 'same',
  allowedHosts: undefined,
  boundHost: '127.0.0.1',
  trustedProxies: [],
  loopbackOnly: false,
  chooseSubProtocol: (offered) => KNOWN.find((name) => [...offered].includes(name)),
};

class WebSocketRig implements Rig {
  readonly closeTimeoutMs = CLOSE_TIMEOUT_MS;
  readonly transport: WebSocketTransport;
  readonly refusals: string[] = [];
  /** The addresses of refused clients. */
  readonly refusedAddresses: string[] = [];
  readonly #waiting: ((session: RecordingListener) => void)[] = [];

  constructor(
    options: Partial<WebSocketOptions> = {},
    readonly admissionQueue = openAdmissionQueue(),
    readonly server: Server = createServer(),
    readonly ca?: string,
  ) {
    const accept = (connection: Connection, peer: Peer) =>
      this.#waiting.shift()?.(new RecordingListener(connection, peer));
    const onRefused = (sentence: string, address: string) => {
      this.refusals.push(sentence);
      this.refusedAddresses.push(address);
    };
    this.transport = createWebSocketTransport({ ...OPTIONS, onRefused, ...options }, admissionQueue, accept);
    this.server.on('upgrade', (request, socket, head) => this.transport.handleUpgrade(request, socket, head));
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }
  get connectionCount(): number {
    return this.transport.connectionCount;
  }

  async listen(): Promise<this> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return this;
  }

  /** The next connection that the transport hands over. */
  accepted(): Promise<RecordingListener> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async open(protocols: string[] = [], options: ClientOptions = {}) {
    const accepted = this.accepted();
    const raw = connectSocket(this.port, '127.0.0.1').on('error', () => {});
    const { ca } = this;
    const ws = new WebSocket(`ws${ca === undefined ? '' : 's'}://127.0.0.1:${this.port}/ws`, protocols, {
      perMessageDeflate: false,
      createConnection: () => (ca === undefined ? raw : connectTls({ socket: raw, ca, servername: 'localhost' })),
      ...options,
    });
    ws.on('error', () => {});
    const client = new WebSocketClient(ws, raw);
    const [session] = await Promise.all([accepted, once(ws, 'open')]);
    return { ws, client, session };
  }

  connect() {
    return this.open();
  }

  /** Sends a raw handshake and returns the head and body of the answer. */
  async ask(headers: Record<string, string>, path = '/ws'): Promise<string> {
    const socket = this.openRaw(headers, path);
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
      if (answer.startsWith('HTTP/1.1 101')) socket.destroy();
    });
    await once(socket, 'close');
    return answer;
  }

  openRaw(headers: Record<string, string> = {}, path = '/ws'): Socket {
    const all: Record<string, string> = {
      Host: `127.0.0.1:${this.port}`,
      Upgrade: 'websocket',
      Connection: 'Upgrade',
      'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'Sec-WebSocket-Version': '13',
      ...headers,
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    const socket = connectSocket(this.port, '127.0.0.1').on('error', () => {});
    socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('')}\r\n`);
    return socket;
  }

  async close(): Promise<void> {
    this.admissionQueue.stop();
    await this.transport.close();
    if (!this.server.listening) return;
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }
}

class WebSocketClient implements RigClient {
  readonly messages: { text: string; isBinary: boolean }[] = [];
  readonly closed: Promise<void>;

  constructor(
    private readonly ws: WebSocket,
    private readonly raw: Socket,
  ) {
    ws.on('message', (data: Buffer, isBinary) => this.messages.push({ text: data.toString(), isBinary }));
    this.closed = new Promise((resolve) => ws.once('close', () => resolve()));
  }
  get text(): string {
    return this.messages.map(({ text }) => text).join('');
  }
  send(bytes: Buffer): void {
    this.ws.send(bytes);
  }
  async untilText(isEnough: (text: string) => boolean): Promise<void> {
    while (!isEnough(this.text)) await once(this.ws, 'message');
  }
  stopReading(): void {
    this.ws.pause();
  }
  resumeReading(): void {
    this.ws.resume();
  }
  vanish(): void {
    this.raw.resetAndDestroy();
  }
}

let rig: WebSocketRig;
const openRig = async (options: Partial<WebSocketOptions> = {}, admissionQueue?: AdmissionQueue) =>
  (rig = await new WebSocketRig(options, admissionQueue).listen());
afterEach(() => rig.close());

describeTransport('websocket', () => openRig());

describe('with TLS', () => {
  let authority: TestAuthority;
  let certificate: Certificate;
  beforeAll(async () => {
    authority = await TestAuthority.create();
    certificate = await authority.issue();
  });
  afterAll(() => authority.remove());

  async function openTlsRig(options: Partial<WebSocketOptions> = {}) {
    return (rig = await new WebSocketRig(options, undefined, createTlsServer(certificate), authority.ca).listen());
  }

  describeTransport('websocket', () => openTlsRig());

  test('the same host over plain http is another origin', async () => {
    await openTlsRig({ allowedHosts: ['app.test'] });
    const headers = { host: `app.test:${rig.port}` };
    const { session } = await rig.open([], { headers, origin: `https://app.test:${rig.port}` });
    expect(session.peer.httpHeaders['origin']).toBe(`https://app.test:${rig.port}`);
    const plain = new WebSocket(`wss://127.0.0.1:${rig.port}/ws`, {
      ca: authority.ca,
      headers,
      origin: `http://app.test:${rig.port}`,
    });
    const [error] = (await once(plain, 'error')) as [Error];
    expect(error.message).toMatch(/403/);
    expect(rig.refusals).toEqual([expect.stringMatching(/Origin http:\/\/app\.test/)]);
  });
});

describe('messages', () => {
  test('are text or binary as given, with one frame each', async () => {
    const { client, session } = await (await openRig()).open();
    const { connection } = session;
    connection.write(connection.encoding.wrap(Buffer.from('MESSAGE é\0'), true));
    connection.write(connection.encoding.wrap(Buffer.from('\n'), true));
    connection.write(connection.encoding.wrap(Buffer.from('bytes'), false));
    await client.untilText((text) => text.endsWith('bytes'));
    expect(client.messages).toEqual([
      { text: 'MESSAGE é\0', isBinary: false },
      { text: '\n', isBinary: false },
      { text: 'bytes', isBinary: true },
    ]);
  });

  test('of text, of binary data and in fragments are received alike', async () => {
    const { ws, session } = await (await openRig()).open();
    ws.send('text ');
    ws.send(Buffer.from('binary '));
    ws.send('in ', { fin: false });
    ws.send('two', { fin: true });
    await session.until(() => session.text === 'text binary in two');
    expect(session.chunks.map(String)).toEqual(['text ', 'binary ', 'in two']);
  });

  test('that are not complete count: their last fragment, and the fragments before it', async () => {
    await openRig();
    const accepted = rig.accepted();
    const socket = rig.openRaw();
    const { connection } = await accepted;
    const unfinished = async (least: number) =>
      eventually(
        () => Promise.resolve(connection.unfinishedBytes >= least ? true : undefined),
        5_000,
        () => `${connection.unfinishedBytes} bytes count`,
      );
    expect(connection.unfinishedBytes).toBe(0);
    socket.write(Buffer.from([0x01, 0x83, 0, 0, 0, 0, 0x61, 0x62, 0x63])); // a fragment: abc
    await unfinished(3);
    socket.write(Buffer.concat([Buffer.from([0x80, 0xfe, 0x10, 0x00, 0, 0, 0, 0]), Buffer.alloc(4_000, 'x')]));
    await unfinished(4_003);
    socket.write(Buffer.alloc(96, 'x'));
    await eventually(
      () => Promise.resolve(connection.unfinishedBytes === 0 ? true : undefined),
      5_000,
      () => 'the message is not complete',
    );
    socket.destroy();
  });

  test('that are sent before the answer to the handshake are not lost', async () => {
    await openRig();
    const accepted = rig.accepted();
    const socket = rig.openRaw();
    socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
    const session = await accepted;
    await session.until(() => session.text === 'hi');
    socket.destroy();
  });

  test.each([
    ['invalid UTF-8 in text', Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0xff]), 1007, /UTF-8/],
    ['a reserved bit', Buffer.from([0xc1, 0x80, 0, 0, 0, 0]), 1002, /WebSocket/],
    ['an unmasked frame', Buffer.from([0x81, 0x01, 0x41]), 1002, /WebSocket/],
    [
      'a message over the limit',
      Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 0, 0, 0, 0]),
      1009,
      /maxPayloadBytes/,
    ],
  ])('with %s are answered with a close code and a reason', async (_, bytes, code, reason) => {
    await openRig();
    const accepted = rig.accepted();
    const socket = rig.openRaw();
    const session = await accepted;
    let answer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => (answer = Buffer.concat([answer, chunk])));
    socket.write(bytes);
    await Promise.all([session.untilCalled('close'), once(socket, 'close')]);
    const close = answer.subarray(answer.indexOf('\r\n\r\n') + 4);
    expect(close[0]).toBe(0x88);
    expect(close.readUInt16BE(2)).toBe(code);
    expect(close.subarray(4).toString()).toMatch(reason);
    expect(session.text).toBe('');
  });
});

describe('closing', () => {
  test('has code and reason, which is shortened between characters', async () => {
    const { ws, session } = await (await openRig()).open();
    session.connection.close(4403, `${'x'.repeat(122)}é and more`);
    const [code, reason] = (await once(ws, 'close')) as [number, Buffer];
    expect([code, reason.toString()]).toEqual([4403, 'x'.repeat(122)]);
  });

  test('a client that does not answer is cut off at the deadline', async () => {
    await openRig();
    const accepted = rig.accepted();
    const socket = rig.openRaw().resume();
    const session = await accepted;
    session.connection.close(1000, '');
    await Promise.all([session.untilCalled('close'), once(socket, 'close')]);
  });

  test('a stopping transport closes with 1012, and then refuses', async () => {
    const { ws } = await (await openRig()).open();
    const [[code]] = await Promise.all([once(ws, 'close') as Promise<[number]>, rig.transport.close()]);
    expect(code).toBe(1012);
    expect(await rig.ask({})).toMatch(/^HTTP\/1.1 503 /);
  });
});

describe('permessage-deflate', () => {
  test('is used for clients that offer it, which then share no bytes', async () => {
    await openRig({ deflate: true });
    const plain = await rig.open();
    const deflated = await rig.open([], { perMessageDeflate: true });
    expect(plain.session.connection.canShare).toBe(true);
    expect(deflated.session.connection.canShare).toBe(false);
    expect(deflated.session.connection.encoding).not.toBe(plain.session.connection.encoding);
    expect(deflated.ws.extensions).toContain('permessage-deflate');
  });

  test('keeps order and type, raises onDrain, and flushes before the close', async () => {
    const { client, session } = await (await openRig({ deflate: true })).open([], { perMessageDeflate: true });
    const { connection } = session;
    const wrap = (text: string, isText: boolean) => connection.encoding.wrap(Buffer.from(text), isText);
    const long = 'long '.repeat(20_000);
    expect(connection.write(Buffer.concat([wrap('a', true), wrap(long, false), wrap('c'.repeat(300), true)]))).toBe(
      false,
    );
    expect(connection.bufferedBytes).toBeGreaterThan(0);
    await session.untilCalled('drain');
    expect(connection.bufferedBytes).toBe(0);
    connection.write(wrap(long, true));
    connection.close(1000, '');
    await client.closed;
    expect(client.messages).toEqual([
      { text: 'a', isBinary: false },
      { text: long, isBinary: true },
      { text: 'c'.repeat(300), isBinary: false },
      { text: long, isBinary: false },
    ]);
  });

  test('is off by default', async () => {
    const { ws, session } = await (await openRig()).open([], { perMessageDeflate: true });
    expect(ws.extensions).toBe('');
    expect(session.connection.canShare).toBe(true);
  });
});

describe('sub-protocols', () => {
  test.each([
    [['v10.stomp', 'v11.stomp', 'v12.stomp'], 'v12.stomp'],
    [['v11.stomp', 'mqtt', 'v10.stomp'], 'v11.stomp'],
    [[], undefined],
  ])('offered as %j are answered with %s', async (offered, chosen) => {
    const { ws, session } = await (await openRig()).open(offered);
    expect(ws.protocol).toBe(chosen ?? '');
    expect(session.peer.subProtocol).toBe(chosen);
  });

  test('are not echoed if none is known', async () => {
    const answer = await (await openRig()).ask({ 'Sec-WebSocket-Protocol': 'mqtt, wamp' });
    expect(answer).toMatch(/^HTTP\/1.1 101 /);
    expect(answer).not.toMatch(/sec-websocket-protocol/i);
  });
});

describe('clients that may connect', () => {
  const OK = /^HTTP\/1.1 101 /;
  const FORBIDDEN = /^HTTP\/1.1 403 /;

  test('pages of the same origin, and clients that are not browsers', async () => {
    await openRig();
    expect(await rig.ask({})).toMatch(OK);
    expect(await rig.ask({ Origin: `http://127.0.0.1:${rig.port}` })).toMatch(OK);
    expect(await rig.ask({ Host: 'localhost', Origin: 'https://localhost' })).toMatch(OK);
    expect(await rig.ask({ Host: 'localhost:443', Origin: 'https://localhost' })).toMatch(OK);
  });

  test.each(['https://evil.example', 'null', 'http://127.0.0.1', 'http://127.0.0.1.evil.example:80'])(
    'not pages of %s; the answer names the option',
    async (origin) => {
      const answer = await (await openRig()).ask({ Origin: origin });
      expect(answer).toMatch(FORBIDDEN);
      expect(answer).toContain(`Origin ${origin} may not connect`);
      expect(answer).toContain('--allow-origin (RELAY_ALLOW_ORIGIN)');
      expect(rig.refusals).toHaveLength(1);
    },
  );

  test('refusals are logged with the address in X-Forwarded-For only behind a trusted proxy', async () => {
    const headers = { Origin: 'https://evil.example', 'X-Forwarded-For': '203.0.113.9' };
    await (await openRig()).ask(headers);
    expect(rig.refusedAddresses).toEqual(['127.0.0.1']);
    await rig.close();
    await (await openRig({ trustedProxies: ['127.0.0.1'] })).ask(headers);
    expect(rig.refusedAddresses).toEqual(['203.0.113.9']);
  });

  test('pages of the listed origins only, or of all origins', async () => {
    await openRig({ allowedOrigins: ['https://app.example'] });
    expect(await rig.ask({ Origin: 'https://app.example' })).toMatch(OK);
    expect(await rig.ask({ Origin: 'https://app.example:444' })).toMatch(FORBIDDEN);
    expect(await rig.ask({ Origin: `http://127.0.0.1:${rig.port}` })).toMatch(FORBIDDEN);
    await rig.close();
    await openRig({ allowedOrigins: ['same', 'https://app.example'] });
    expect(await rig.ask({ Origin: 'https://app.example' })).toMatch(OK);
    expect(await rig.ask({ Origin: `http://127.0.0.1:${rig.port}` })).toMatch(OK);
    expect(await rig.ask({ Origin: 'https://evil.example' })).toMatch(FORBIDDEN);
    await rig.close();
    await openRig({ allowedOrigins: '*' });
    expect(await rig.ask({ Origin: 'https://anywhere.example' })).toMatch(OK);
  });

  test('on loopback only by a name of loopback (DNS rebinding)', async () => {
    await openRig();
    for (const host of ['localhost', 'LOCALHOST:1', '127.0.0.1:9', '[::1]:8080']) {
      expect(await rig.ask({ Host: host })).toMatch(OK);
    }
    const answer = await rig.ask({ Host: 'rebound.example', Origin: 'http://rebound.example' });
    expect(answer).toMatch(FORBIDDEN);
    expect(answer).toContain('Host rebound.example is not one of');
    expect(answer).toContain('--allow-host (RELAY_ALLOW_HOST)');
  });

  test('on other addresses by any name, or by the listed names', async () => {
    await openRig({ boundHost: '0.0.0.0' });
    expect(await rig.ask({ Host: 'relay.example' })).toMatch(OK);
    await rig.close();
    await openRig({ boundHost: '0.0.0.0', allowedHosts: ['relay.example', 'other.example:81'] });
    expect(await rig.ask({ Host: 'relay.example:8080' })).toMatch(OK);
    expect(await rig.ask({ Host: 'other.example:81' })).toMatch(OK);
    expect(await rig.ask({ Host: 'other.example:82' })).toMatch(FORBIDDEN);
    expect(await rig.ask({ Host: 'localhost' })).toMatch(FORBIDDEN);
  });
});

test.each(['127.0.0.1', '127.8.9.10', '::1', '::ffff:127.0.0.1', '10.0.0.7', '::ffff:10.0.0.7', 'fe80::1', undefined])(
  'loopbackOnly: a client that connects to the address %s',
  async (localAddress) => {
    const transport = createWebSocketTransport(
      { ...OPTIONS, allowedHosts: ['*'], loopbackOnly: true },
      openAdmissionQueue(),
      () => undefined,
    );
    const socket = new PassThrough();
    const request = { url: '/ws', method: 'GET', headers: { host: 'any' }, socket: { localAddress } };
    transport.handleUpgrade(request as unknown as IncomingMessage, socket, Buffer.alloc(0));
    const answer = (await buffer(socket)).toString();
    // An admitted request gets 400, because it lacks the rest of the handshake.
    const isLocal = localAddress?.includes('127.') === true || localAddress === '::1';
    expect(answer).toMatch(isLocal ? /^HTTP\/1.1 400/ : /^HTTP\/1.1 403[^]*authenticator/);
    await transport.close();
  },
);

describe('the handshake', () => {
  test.each([
    ['another path', {}, '/elsewhere', 404],
    ['another upgrade', { Upgrade: 'h2c' }, '/ws', 400],
    ['an old version', { 'Sec-WebSocket-Version': '7' }, '/ws', 400],
    ['a bad key', { 'Sec-WebSocket-Key': 'short' }, '/ws', 400],
    ['a body', { 'Content-Length': '5' }, '/ws', 400],
    ['a body of unknown length', { 'Transfer-Encoding': 'chunked' }, '/ws', 400],
  ])('%s is refused', async (_, headers, path, status) => {
    expect(await (await openRig()).ask(headers, path)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  test('Content-Length: 0 is not a body', async () => {
    expect(await (await openRig()).ask({ 'Content-Length': '0' })).toMatch(/^HTTP\/1.1 101 /);
  });

  test('a body is not parsed as frames', async () => {
    await openRig();
    const socket = rig.openRaw({ 'Content-Length': '8' });
    socket.write(Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69]));
    expect((await buffer(socket)).toString()).toMatch(/^HTTP\/1.1 400 .*\n\r?\n.*no body/s);
    expect(rig.connectionCount).toBe(0);
    expect(rig.refusals).toEqual(['The request of a WebSocket handshake has no body.']);
  });

  test('a query does not change the path', async () => {
    expect(await (await openRig()).ask({}, '/ws?token=x')).toMatch(/^HTTP\/1.1 101 /);
  });

  test('on a server of the application other paths are ignored', async () => {
    await openRig({ ownsServer: false });
    const upgrade = once(rig.server, 'upgrade') as Promise<[unknown, Socket]>;
    const answer = rig.ask({}, '/other');
    const [, socket] = await upgrade;
    socket.end('HTTP/1.1 418 Teapot\r\nConnection: close\r\n\r\n');
    expect(await answer).toMatch(/^HTTP\/1.1 418 /);
  });

  test('keeps only the headers that sessions need', async () => {
    await openRig();
    const accepted = rig.accepted();
    const socket = rig.openRaw({ Cookie: 'a=b', Authorization: 'Bearer t', 'X-Other': 'dropped' });
    const { peer } = await accepted;
    expect(peer.httpHeaders).toEqual({
      cookie: 'a=b',
      authorization: 'Bearer t',
      host: `127.0.0.1:${rig.port}`,
    });
    expect(peer.transport).toBe('websocket');
    socket.destroy();
  });
});

describe('during overload', () => {
  let load: { isOverloaded: boolean };
  beforeEach(() => {
    load = { isOverloaded: false };
  });
  const untilWaiting = async (count: number) => {
    while (rig.admissionQueue.waiting < count) await new Promise((resolve) => setImmediate(resolve));
  };

  test('existing sessions work, new clients wait, and further ones get 503; after that all waiting are admitted', async () => {
    await openRig({}, openAdmissionQueue(load, 60_000));
    const { client, session } = await rig.connect();
    load.isOverloaded = true;
    const waiting = Array.from({ length: 50 }, () => rig.open());
    await untilWaiting(50);
    expect(await rig.ask({})).toMatch(/^HTTP\/1.1 503 [^]*\nRetry-After: ([2-9]|10)\r\n[^]*overloaded/);

    client.send(Buffer.from('up'));
    session.connection.write(session.connection.encoding.wrap(Buffer.from('down'), true));
    await Promise.all([session.until(() => session.text === 'up'), client.untilText((text) => text === 'down')]);
    expect(rig.connectionCount).toBe(1);

    load.isOverloaded = false;
    await Promise.all(waiting);
    expect(rig.connectionCount).toBe(51);
    expect(rig.admissionQueue.rejected).toBe(1);
  });

  test('a client that waits for too long gets 503 with Retry-After', async () => {
    load.isOverloaded = true;
    await openRig({}, openAdmissionQueue(load));
    expect(await rig.ask({})).toMatch(/^HTTP\/1.1 503 [^]*\nRetry-After: \d+\r\n/);
  });

  test('waiting and new clients get 503 when the relay stops', async () => {
    load.isOverloaded = true;
    await openRig({}, openAdmissionQueue(load, 60_000));
    const waiting = rig.ask({});
    await untilWaiting(1);
    rig.admissionQueue.stop();
    for (const answer of [await waiting, await rig.ask({})]) expect(answer).toMatch(/^HTTP\/1.1 503 [^]*shutting down/);
  });

  test('a client that leaves while it waits does not affect others', async () => {
    load.isOverloaded = true;
    await openRig({}, openAdmissionQueue(load, 60_000));
    const impatient = rig.openRaw();
    await untilWaiting(1);
    impatient.resetAndDestroy();
    const other = rig.open();
    await untilWaiting(2);
    load.isOverloaded = false;
    await other;
  });
});

describe('questions whether the client has read', () => {
  const ask = (connection: Connection) => new Promise<void>((resolve) => connection.confirmRead!(resolve));
  const wrapped = ({ encoding }: Connection, text: string) => encoding.wrap(Buffer.from(text), true);

  /** The events of the client, in order: the text of messages, and the payloads of pings. */
  function eventsOf(ws: WebSocket): string[] {
    const events: string[] = [];
    ws.on('message', (data: Buffer) => events.push(data.toString('latin1', 0, 10)));
    ws.on('ping', (data: Buffer) => events.push(`ping ${data.toString()}`));
    return events;
  }

  test.each([false, true])('follow all earlier messages, and have a number (deflate: %s)', async (deflate) => {
    const { ws, session } = await (await openRig({ deflate })).open([], { perMessageDeflate: deflate });
    const { connection } = session;
    const events = eventsOf(ws);
    connection.write(wrapped(connection, 'a'.repeat(100_000)));
    connection.write(wrapped(connection, 'b'));
    await ask(connection);
    expect(events).toEqual(['aaaaaaaaaa', 'b', 'ping 1']);
    connection.write(wrapped(connection, 'c'));
    await ask(connection);
    expect(events).toEqual(['aaaaaaaaaa', 'b', 'ping 1', 'c', 'ping 2']);
  });

  test('are not answered while the client does not read, although the kernel has taken all bytes', async () => {
    const { client, session } = await (await openRig()).open();
    const { connection } = session;
    client.stopReading();
    connection.write(wrapped(connection, 'unread'));
    let isRead = false;
    const read = ask(connection).then(() => (isRead = true));
    expect(connection.bufferedBytes).toBe(0);
    // Another client's question is answered in that time
    await ask((await rig.open()).session.connection);
    expect([isRead, client.text]).toEqual([false, '']);
    client.resumeReading();
    await read;
    expect(client.text).toBe('unread');
  });

  test('stay open at pongs that are empty, early, late or of another number', async () => {
    const { ws, session } = await (await openRig()).open([], { autoPong: false });
    const { connection } = session;
    const answers: string[] = [];
    const pong = async (payload: string) => {
      session.calls.length = 0;
      ws.pong(payload);
      await session.untilCalled('alive');
    };
    await pong('1');
    connection.confirmRead!(() => answers.push('first'));
    for (const payload of ['', '0', '2', '01', '1 ', 'x'.repeat(125)]) await pong(payload);
    expect(answers).toEqual([]);
    await pong('1');
    connection.confirmRead!(() => answers.push('second'));
    await pong('1');
    expect(answers).toEqual(['first']);
    await pong('2');
    await pong('2');
    expect(answers).toEqual(['first', 'second']);
  });

  test('are answered by a client that answers only the latest of several pings', async () => {
    const { ws, session } = await (await openRig({ pingIntervalMs: 40 })).open([], { autoPong: false });
    let isRead = false;
    session.connection.confirmRead!(() => (isRead = true));
    const payloads: string[] = [];
    const latest = new Promise<void>((resolve) =>
      ws.on('ping', (data: Buffer) => {
        payloads.push(data.toString());
        if (payloads.length === 2) resolve(ws.pong(data));
      }),
    );
    await latest;
    await session.untilCalled('alive');
    expect([isRead, payloads]).toEqual([true, ['1', '1']]);
    while (payloads.at(-1) !== '') await once(ws, 'ping'); // without a question a ping is empty
  });

  test('are no sign of life: a client that does not answer is cut off', async () => {
    const { ws, session } = await (await openRig({ pingIntervalMs: 40 })).open([], { autoPong: false });
    session.connection.confirmRead!(() => session.calls.push('data'));
    await Promise.all([session.untilCalled('close'), once(ws, 'close')]);
    expect(session.calls).toEqual(['close']);
  });

  test('are dropped when the connection closes', async () => {
    const { ws, session } = await (await openRig()).open([], { autoPong: false });
    session.connection.confirmRead!(() => session.calls.push('data'));
    await once(ws, 'ping');
    session.connection.close(1000, '');
    ws.pong('1');
    await session.untilCalled('close');
    expect(session.calls).toEqual(['close']);
  });
});

describe('pings', () => {
  test('a pong is a sign of life', async () => {
    const { session } = await (await openRig({ pingIntervalMs: 40 })).open();
    await session.until(() => session.calls.filter((call) => call === 'alive').length > 4);
    expect(session.calls).not.toContain('close');
  });

  test('a client that does not answer is cut off', async () => {
    await openRig({ pingIntervalMs: 40 });
    const accepted = rig.accepted();
    const socket = rig.openRaw().resume();
    const session = await accepted;
    await Promise.all([session.untilCalled('close'), once(socket, 'close')]);
    expect(session.calls).toEqual(['close']);
  });

  test('data is a sign of life too', async () => {
    await openRig({ pingIntervalMs: 40 });
    const accepted = rig.accepted();
    const socket = rig.openRaw();
    const session = await accepted;
    let pings = 0;
    socket.on('data', (chunk: Buffer) => {
      if (chunk.at(-2) !== 0x89) return;
      pings++;
      socket.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x0a])); // a heart-beat instead of a pong
    });
    await session.until(() => session.text.length > 5);
    expect(pings).toBeGreaterThan(5);
    expect(session.calls).not.toContain('close');
    socket.destroy();
  });

  test('a silent client is not cut off while the relay does not read from it', async () => {
    await openRig({ pingIntervalMs: 40 });
    const silent = rig.openRaw().resume();
    const paused = await rig.accepted();
    paused.connection.pause();
    const other = rig.openRaw().resume();
    const cutOff = await rig.accepted();
    await cutOff.untilCalled('close');
    expect(paused.calls).toEqual([]);
    silent.destroy();
    other.destroy();
  });

  test('a client is not cut off while earlier bytes wait for it', async () => {
    await openRig({ pingIntervalMs: 40 });
    const slowSocket = rig.openRaw();
    const slow = await rig.accepted();
    slowSocket.pause();
    const wrapped = slow.connection.encoding.wrap(Buffer.alloc(1_000_000, 'x'), true);
    while (slow.connection.bufferedBytes < 1_000_000) slow.connection.write(wrapped);
    const other = rig.openRaw().resume();
    await (await rig.accepted()).untilCalled('close');
    expect(slow.calls).not.toContain('close');
    slowSocket.destroy();
    other.destroy();
  });
});

test('on a server without a gate, handshakes beyond the bound on descriptors get 503', async () => {
  const reports: string[] = [];
  const onTurnedAway = (address: string, limit: string) => void reports.push(`${address} ${limit}`);
  const gate = new ClientGate({ max: 1, closingMax: 1, onTurnedAway });
  rig = await new WebSocketRig({ gate, ownsServer: false }).listen();
  const { ws, session } = await rig.open();
  expect(await rig.ask({})).toMatch(/^HTTP\/1.1 503 .*\r\nRetry-After: \d+\r\n.*\(nofile\)/s);
  expect(reports).toEqual(['127.0.0.1 descriptors']);
  ws.close();
  await session.untilCalled('close');
  expect(gate.used).toBe(0);
});
