import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ClientGate, openGate } from '../../../../server/src/net/client-gate.js';
import { listen } from '../../../../server/src/net/listen.js';
import type { TlsPort } from '../../../../server/src/net/tls-port.js';
import type { Connection, Peer } from '../../../../server/src/transports/connection.js';
import { createTcpTransport } from '../../../../server/src/transports/tcp.js';
import { TestAuthority } from '../../../support/certificates.js';
import { openAdmissionQueue } from './open-admission-queue.js';
import { openTlsPort } from './open-tls-port.js';
import { RecordingListener } from './recording-listener.js';
import { describeTransport } from './transport-contract.js';
import type { Rig, RigClient } from './transport-contract.js';

const CLOSE_TIMEOUT_MS = 300;
const OPEN = { gate: openGate(), fullAnswer: Buffer.from('full') };

interface TcpRig extends Rig {
  connectRaw(options?: {
    allowHalfOpen: boolean;
  }): Promise<{ socket: Socket; raw: Socket; session: RecordingListener }>;
  readonly port: number;
}

interface Protection {
  readonly port: TlsPort;
  readonly ca: string;
}

async function openRig(load = { isOverloaded: false }, tls?: Protection, gate = openGate()): Promise<TcpRig> {
  const waiting: ((session: RecordingListener) => void)[] = [];
  const transport = createTcpTransport(
    { closeTimeoutMs: CLOSE_TIMEOUT_MS, keepAliveMs: 30_000, tls: tls?.port, gate, fullAnswer: OPEN.fullAnswer },
    openAdmissionQueue(load),
    (connection: Connection, peer: Peer) => waiting.shift()?.(new RecordingListener(connection, peer)),
    (connection: Connection) => {
      connection.write(Buffer.from('later'));
      connection.close(1013, '');
    },
  );
  const { port } = await transport.open(listen, { port: 0, host: '127.0.0.1', backlog: 511 });

  async function connectRaw(options = { allowHalfOpen: false }) {
    const accepted = new Promise<RecordingListener>((resolve) => waiting.push(resolve));
    const raw = connectSocket({ port, host: '127.0.0.1', ...options });
    raw.on('error', () => {});
    const socket = tls === undefined ? raw : connectTls({ socket: raw, ca: tls.ca, servername: 'localhost' });
    socket.on('error', () => {});
    return { socket, raw, session: await accepted };
  }

  return {
    port,
    closeTimeoutMs: CLOSE_TIMEOUT_MS,
    connectRaw,
    async connect() {
      const { socket, raw, session } = await connectRaw();
      return { client: new TcpClient(socket, raw), session };
    },
    get connectionCount() {
      return transport.connectionCount;
    },
    async close() {
      await transport.close();
      tls?.port.close();
    },
  };
}

class TcpClient implements RigClient {
  readonly #chunks: Buffer[] = [];
  readonly closed: Promise<void>;
  #text: string | undefined;

  constructor(
    private readonly socket: Socket,
    private readonly raw: Socket,
  ) {
    socket.on('data', (chunk) => {
      this.#chunks.push(chunk);
      this.#text = undefined;
    });
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()));
  }
  get text(): string {
    return (this.#text ??= Buffer.concat(this.#chunks).toString());
  }
  send(bytes: Buffer): void {
    this.socket.write(bytes);
  }
  async untilText(isEnough: (text: string) => boolean): Promise<void> {
    while (!isEnough(this.text)) await once(this.socket, 'data');
  }
  stopReading(): void {
    this.socket.pause();
  }
  resumeReading(): void {
    this.socket.resume();
  }
  vanish(): void {
    this.raw.resetAndDestroy();
  }
}

describeTransport('tcp', () => openRig());

describe('with TLS', () => {
  let authority: TestAuthority;
  beforeAll(async () => {
    authority = await TestAuthority.create();
  });
  afterAll(() => authority.remove());

  const openTlsRig = async () =>
    openRig({ isOverloaded: false }, { port: await openTlsPort(authority), ca: authority.ca });

  describeTransport('tcp', openTlsRig);

  test('a client that ends its side still gets its answers', async () => endsItsSide(await openTlsRig()));
});

test('a client that ends its side still gets its answers', async () => endsItsSide(await openRig()));

test('the relay cannot ask a client whether it has read', async () => {
  const { session } = await (await openRig()).connect();
  expect('confirmRead' in session.connection).toBe(false);
});

async function endsItsSide(rig: TcpRig): Promise<void> {
  const { socket, session } = await rig.connectRaw();
  socket.end('DISCONNECT');
  await session.untilCalled('end');
  expect(session.text).toBe('DISCONNECT');
  session.connection.write(Buffer.from('RECEIPT'));
  session.connection.close(1000, '');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString()).toBe('RECEIPT');
  await session.untilCalled('close');
  await rig.close();
}

test('a session that sends nothing after the client has ended its side is closed too', async () => {
  const rig = await openRig();
  const { socket, session } = await rig.connectRaw();
  socket.resume().end();
  await session.untilCalled('close');
  expect(session.calls).toEqual(['end', 'close']);
  await rig.close();
});

test('a client that never closes is cut off at the deadline', async () => {
  const rig = await openRig();
  const { socket, session } = await rig.connectRaw({ allowHalfOpen: true });
  socket.resume();
  session.connection.close(1000, '');
  await rig.close();
  expect(rig.connectionCount).toBe(0);
  socket.destroy();
});

test('a client that waits for too long during overload is rejected', async () => {
  const load = { isOverloaded: true };
  const rig = await openRig(load);
  const socket = connectSocket(rig.port, '127.0.0.1');
  const [answer] = (await once(socket, 'data')) as [Buffer];
  expect(answer.toString()).toBe('later');
  await once(socket, 'close');

  load.isOverloaded = false;
  const { client, session } = await rig.connect();
  client.send(Buffer.from('hello'));
  await session.until(() => session.text === 'hello');
  await rig.close();
});

test('a client beyond the bound on descriptors gets an answer, and a place when another has gone', async () => {
  const rig = await openRig(
    undefined,
    undefined,
    new ClientGate({ max: 1, closingMax: 1, onTurnedAway: () => undefined }),
  );
  const { socket } = await rig.connectRaw();
  const refused = connectSocket(rig.port, '127.0.0.1');
  const [answer] = (await once(refused, 'data')) as [Buffer];
  expect(answer.toString()).toBe('full');
  await once(refused, 'close');
  expect(rig.connectionCount).toBe(1);
  await rig.close();
  expect(socket.destroyed).toBe(true);
});

test('listening on a port in use rejects with EADDRINUSE', async () => {
  const rig = await openRig();
  const second = createTcpTransport(
    { closeTimeoutMs: CLOSE_TIMEOUT_MS, keepAliveMs: 30_000, ...OPEN },
    openAdmissionQueue(),
    () => {},
    () => {},
  );
  await expect(second.open(listen, { port: rig.port, host: '127.0.0.1', backlog: 511 })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  });
  await second.close();
  await rig.close();
});
