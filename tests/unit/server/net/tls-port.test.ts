import { once } from 'node:events';
import { copyFileSync, writeFileSync } from 'node:fs';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectSocket } from 'node:net';
import { connect as connectTls, createServer } from 'node:tls';
import type { PeerCertificate, Server, TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Inbox } from '../../../../server/src/contract/test-inbox.js';
import { openGate } from '../../../../server/src/net/client-gate.js';
import { TlsPort } from '../../../../server/src/net/tls-port.js';
import type { HandshakeDone, TlsPortOptions } from '../../../../server/src/net/tls-port.js';
import { TestAuthority } from '../../../support/certificates.js';
import type { CertificateFiles } from '../../../support/certificates.js';
import { eventually, withDeadline } from '../../../support/deadline.js';

const WAIT_MS = 10_000;

let authority: TestAuthority;
beforeAll(async () => {
  authority = await TestAuthority.create();
});
afterAll(() => authority.remove());

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

interface Logged {
  readonly details: object;
  readonly message: string;
}

function openPort(files: CertificateFiles, options: Partial<TlsPortOptions> = {}) {
  const log = new Inbox<Logged>('log');
  const add = (details: object, message: string): void => log.add({ details, message });
  const bounds = { handshakeTimeoutMs: 10_000, unfinishedMax: 100, gate: openGate() };
  const port = new TlsPort({ ...files, minVersion: 'TLSv1.2', ...bounds, ...options }, { info: add, warn: add }, 5);
  cleanUp.push(() => port.close());
  return { port, log };
}

async function listen(port: TlsPort, event: HandshakeDone = 'secureConnection') {
  const server: Server = event === 'upgrade' ? createHttpsServer(port.serverOptions) : createServer(port.serverOptions);
  port.guard(server, event);
  server.on('secureConnection', (socket) => socket.on('error', () => undefined));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp.push(() => server.close());
  return { server, number: (server.address() as AddressInfo).port };
}

/** Connects without a handshake. */
function connectRaw(number: number): Socket {
  const socket = connectSocket(number, '127.0.0.1').on('error', () => undefined);
  cleanUp.push(() => socket.destroy());
  return socket;
}

async function connect(number: number): Promise<TLSSocket> {
  const socket = connectTls({ port: number, host: '127.0.0.1', ca: authority.ca }).on('error', () => undefined);
  cleanUp.push(() => socket.destroy());
  const opened = once(socket, 'secureConnect').then(() => socket);
  const refused = once(socket, 'close').then(() => Promise.reject(new Error('refused')));
  return withDeadline(Promise.race([opened, refused]), WAIT_MS, () => 'neither connected nor refused');
}

async function certificateAt(number: number): Promise<PeerCertificate> {
  const socket = await connect(number);
  const certificate = socket.getPeerCertificate();
  socket.destroy();
  return certificate;
}

async function isOver(socket: Socket): Promise<void> {
  const closed = new Promise((resolve) => socket.once('close', resolve)); // also by RST
  if (!socket.closed) await withDeadline(closed, WAIT_MS, () => 'it stays open');
}

describe('at the start', () => {
  test('errors name files that are missing or do not match', async () => {
    const files = await authority.issueFiles();
    const others = await authority.issueFiles();
    const missing = authority.file('missing.pem');
    expect(() => openPort({ ...files, keyFile: missing })).toThrow(/ENOENT.*missing\.pem/);
    expect(() => openPort({ ...files, certFile: files.keyFile })).toThrow(/key\.pem holds no certificate in PEM/);
    expect(() => openPort({ ...files, keyFile: files.certFile })).toThrow(/cert\.pem holds no private key in PEM/);
    expect(() => openPort({ ...files, keyFile: others.keyFile })).toThrow(
      `the key in ${others.keyFile} does not belong to the certificate in ${files.certFile}`,
    );
  });

  test('an expired certificate is used, with a warning', async () => {
    const { log } = openPort(await authority.issueFiles({ validDays: -1 }));
    expect(await log.next()).toMatchObject({ message: 'the certificate has expired' });
  });
});

describe('files that change', () => {
  test('give new connections the new certificate; existing connections stay', async () => {
    const files = await authority.issueFiles({ names: ['localhost', '127.0.0.1', 'before.test'] });
    const { port, log } = openPort(files);
    const { number } = await listen(port);
    const old = await connect(number);
    expect((await certificateAt(number)).subjectaltname).toContain('before.test');
    const next = await authority.issueFiles({ names: ['127.0.0.1', 'after.test'] });
    copyFileSync(next.keyFile, files.keyFile);
    copyFileSync(next.certFile, files.certFile);
    await log.until((all) => all.some(({ message }) => message.includes('have been read again')));
    expect((await certificateAt(number)).subjectaltname).toContain('after.test');
    expect(old.destroyed).toBe(false);
  });

  test('the old pair stays in use while only one file is new, or one is malformed', async () => {
    const files = await authority.issueFiles({ names: ['127.0.0.1', 'before.test'] });
    const { port, log } = openPort(files);
    const { number } = await listen(port);
    const next = await authority.issueFiles({ names: ['127.0.0.1', 'after.test'] });
    copyFileSync(next.certFile, files.certFile);
    const { details } = await log.next();
    expect(details).toMatchObject({ reason: expect.stringMatching(/does not belong to the certificate/) });
    expect((await certificateAt(number)).subjectaltname).toContain('before.test');
    writeFileSync(files.keyFile, 'half a k');
    expect((await log.next()).details).toMatchObject({ reason: expect.stringMatching(/no private key/) });
    expect((await certificateAt(number)).subjectaltname).toContain('before.test');
    copyFileSync(next.keyFile, files.keyFile);
    expect((await log.next()).message).toMatch(/have been read again/);
    expect((await certificateAt(number)).subjectaltname).toContain('after.test');
    expect(JSON.stringify(log.all)).not.toContain('half a k');
  });
});

describe('an unfinished connection', () => {
  test.each(['secureConnection', 'upgrade'] as const)('has a deadline for the handshake (%s)', async (event) => {
    const { port } = openPort(await authority.issueFiles(), { handshakeTimeoutMs: 100 });
    const { number } = await listen(port, event);
    const silent = connectRaw(number);
    const slow = connectRaw(number);
    slow.write(Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00])); // the header of a ClientHello of 512 bytes
    const drip = setInterval(() => slow.write(Buffer.alloc(1)), 10);
    cleanUp.push(() => clearInterval(drip));
    await Promise.all([isOver(silent), isOver(slow)]);
  });

  test.each(['secureConnection', 'upgrade'] as const)('counts towards unfinishedMax (%s)', async (event) => {
    const { port } = openPort(await authority.issueFiles(), { unfinishedMax: 3 });
    const { number, server } = await listen(port, event);
    const unfinished: Socket[] = [];
    for (let count = 0; count < 3; count++) {
      unfinished.push(connectRaw(number));
      await once(server, 'connection');
    }
    await isOver(connectRaw(number));
    await expect(connect(number)).rejects.toThrow();
    for (const socket of unfinished) socket.destroy();
    await eventually(
      () => connect(number).catch(() => undefined),
      WAIT_MS,
      () => 'no connection is accepted',
    );
  });

  test('no longer counts when it is finished, nor after its end', async () => {
    const { port } = openPort(await authority.issueFiles(), { unfinishedMax: 2 });
    const { number } = await listen(port);
    for (let round = 0; round < 3; round++) {
      const clients = [];
      for (let count = 0; count < 4; count++) clients.push(await connect(number));
      for (const client of clients) client.destroy();
      await Promise.all(clients.map(isOver));
    }
    const waiting = [connectRaw(number), connectRaw(number)];
    await eventually(
      () =>
        connect(number).then(
          () => undefined,
          () => true,
        ),
      WAIT_MS,
      () => 'a third connection is accepted',
    );
    expect(waiting.map(({ destroyed }) => destroyed)).toEqual([false, false]);
  });

  test('is cut off if it does not use TLS; other connections are not', async () => {
    const { port } = openPort(await authority.issueFiles());
    const { number } = await listen(port);
    const other = await connect(number);
    const plain = connectRaw(number);
    plain.write('CONNECT\naccept-version:1.2\n\n\0');
    await isOver(plain);
    expect(other.destroyed).toBe(false);
  });

  test('is cut off when the port closes', async () => {
    const { port } = openPort(await authority.issueFiles());
    const { number, server } = await listen(port);
    const waiting = connectRaw(number);
    await once(server, 'connection');
    port.close();
    await isOver(waiting);
  });
});

test('a TLS version below minVersion is refused', async () => {
  const { port } = openPort(await authority.issueFiles(), { minVersion: 'TLSv1.3' });
  const { number } = await listen(port);
  const old = connectTls({ port: number, host: '127.0.0.1', ca: authority.ca, maxVersion: 'TLSv1.2' });
  const [error] = (await once(old, 'error')) as [Error];
  expect(error.message).toMatch(/protocol version/);
  expect((await connect(number)).getProtocol()).toBe('TLSv1.3');
});
