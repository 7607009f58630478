/** TLS of the relay: every port, one or several workers, and a certificate that changes at run time. */
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { connect as connectSocket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { PeerCertificate } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { TestAuthority } from '../support/certificates.js';
import { eventually } from '../support/deadline.js';
import { createVhost } from '../support/rabbitmq.js';
import { RelayCli } from '../support/relay-cli.js';
import { startRelay } from '../support/relay.js';
import { connectStomp } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';

jest.setTimeout(60_000); // starts processes and waits for failing connections

let authority: TestAuthority;
const cleanUp: (() => unknown)[] = [];

beforeAll(async () => {
  authority = await TestAuthority.create();
});
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});
afterAll(() => authority.remove());

async function connect(url: string, headers: Record<string, string> = {}): Promise<StompClient> {
  const client = await connectStomp(url, headers, { ca: authority.ca });
  cleanUp.push(() => client.destroy());
  return client;
}

async function certificateOf(url: string): Promise<PeerCertificate> {
  const { port } = new URL(url);
  const socket = connectTls({ port: Number(port), host: '127.0.0.1', ca: authority.ca });
  await once(socket, 'secureConnect');
  const certificate = socket.getPeerCertificate();
  socket.destroy();
  return certificate;
}

async function protocolOf(url: string): Promise<string | null> {
  const socket = connectTls({ port: Number(new URL(url).port), host: '127.0.0.1', ca: authority.ca });
  await once(socket, 'secureConnect');
  const protocol = socket.getProtocol();
  socket.destroy();
  return protocol;
}

async function fetchSecurely(url: string): Promise<{ status: number | undefined; body: string }> {
  const request = get(url, { ca: authority.ca });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response.setEncoding('utf8')) body += chunk;
  return { status: response.statusCode, body };
}

test('with TLS, pages, WebSocket and TCP are encrypted and exchange messages; the admin port stays plain', async () => {
  const tls = await authority.issueFiles();
  const relay = await startRelay('memory:', { listen: { tls } });
  cleanUp.push(() => relay.stop());
  expect([relay.pageUrl, relay.webSocketUrl, relay.tcpUrl, relay.adminUrl].map((url) => new URL(url).protocol)).toEqual(
    ['https:', 'wss:', 'tls:', 'http:'],
  );
  const browser = await connect(relay.webSocketUrl);
  const service = await connect(relay.tcpUrl);
  await browser.receipt('SUBSCRIBE', { id: '0', destination: '/topic/secrets' });
  const large = 'x'.repeat(1_000_000);
  await service.receipt('SEND', { destination: '/topic/secrets' }, large);
  expect((await browser.expectFrame('MESSAGE')).body.toString() === large).toBe(true);
  expect(await fetchSecurely(`${relay.pageUrl}page.json`)).toEqual({ status: 200, body: '{"websocketPath":"/ws"}' });
  expect((await fetch(`${relay.adminUrl}livez`)).status).toBe(200);
  await expect(fetch(relay.pageUrl.replace('https:', 'http:'))).rejects.toThrow();
});

/** The cipher that a port and a client of TLS 1.2 with such ciphers agree on, or the code of the refusal. */
async function cipherOf(url: string, ciphers: string): Promise<string> {
  const { port } = new URL(url);
  const options = { host: '127.0.0.1', ca: authority.ca, ciphers, maxVersion: 'TLSv1.2' } as const;
  const socket = connectTls({ port: Number(port), ...options });
  try {
    await once(socket, 'secureConnect');
    return socket.getCipher().name;
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    socket.destroy();
  }
}

test('TLS 1.2 has only ciphers with forward secrecy and authenticated encryption, on both ports', async () => {
  const tls = await authority.issueFiles({ keyType: 'RSA' });
  const relay = await startRelay('memory:', { listen: { tls } });
  cleanUp.push(() => relay.stop());
  const lax = createTlsServer({ cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile) });
  lax.on('tlsClientError', () => undefined).listen(0, '127.0.0.1');
  await once(lax, 'listening');
  cleanUp.push(() => lax.close());
  const laxUrl = `tls://127.0.0.1:${(lax.address() as AddressInfo).port}`;
  const [cbc, rsa] = ['ECDHE-RSA-AES128-SHA256', 'AES128-GCM-SHA256'];
  for (const cipher of [cbc, rsa]) expect(await cipherOf(laxUrl, cipher)).toBe(cipher);
  for (const url of [relay.pageUrl, relay.tcpUrl]) {
    for (const cipher of [cbc, rsa]) expect(await cipherOf(url, cipher)).toMatch(/^ERR_SSL_.*HANDSHAKE_FAILURE$/);
    for (const cipher of ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-CHACHA20-POLY1305']) {
      expect(await cipherOf(url, cipher)).toBe(cipher);
    }
    expect(await protocolOf(url)).toBe('TLSv1.3');
  }
});

test('a slow client over TLS is disconnected as without TLS, and others are not delayed', async () => {
  const tls = await authority.issueFiles();
  const relay = await startRelay('memory:', { listen: { tls }, session: { outboxMaxBytes: 5 * 1024 * 1024 } });
  cleanUp.push(() => relay.stop());
  const [slow, healthy, sender] = await Promise.all(
    [relay.webSocketUrl, relay.webSocketUrl, relay.tcpUrl].map((url) => connect(url)),
  );
  for (const each of [slow, healthy]) await each!.receipt('SUBSCRIBE', { id: '0', destination: '/topic/flood' });
  slow!.pause();
  const megabyte = 'x'.repeat(1_000_000);
  for (let count = 0; count < 40; count++) {
    await sender!.receipt('SEND', { destination: '/topic/flood' }, megabyte);
    await healthy!.expectFrame('MESSAGE');
  }
  slow!.resume();
  expect((await slow!.take(({ command }) => command === 'ERROR', 'ERROR')).headers['code']).toBe('slow-consumer');
});

test('with TLS, stop() ends sessions in order and does not wait for pending handshakes', async () => {
  const tls = await authority.issueFiles();
  const relay = await startRelay('memory:', { listen: { tls } });
  const client = await connect(relay.webSocketUrl);
  const silent = connectSocket(Number(new URL(relay.tcpUrl).port), '127.0.0.1').on('error', () => undefined);
  await once(silent, 'connect');
  const closed = new Promise((resolve) => silent.once('close', resolve));
  await Promise.all([relay.stop(), client.expectClose(1012), closed]);
});

describe('the command line', () => {
  let cli: RelayCli;
  beforeAll(() => {
    cli = new RelayCli();
  }, 120_000);
  afterEach(() => cli.killAll());
  afterAll(() => cli.remove());

  test('invalid certificate files end the command with the reason', async () => {
    const { certFile, keyFile } = await authority.issueFiles();
    const others = await authority.issueFiles();
    const ended = async (...flags: string[]) => {
      const { status, stderr } = await cli.run(flags);
      return `${status} ${stderr}`;
    };
    expect(await ended('--tls-cert', certFile)).toMatch(
      /^2 stomp-relay: listen\.tls\.keyFile .*must be the name of a file/,
    );
    expect(await ended('--tls-cert', authority.file('none'), '--tls-key', keyFile)).toMatch(
      /^2 stomp-relay: listen\.tls cannot be used: ENOENT.*none/,
    );
    expect(await ended('--tls-cert', certFile, '--tls-key', others.keyFile)).toMatch(
      /^2 stomp-relay: listen\.tls cannot be used: the key in .* does not belong to the certificate in/,
    );
  });

  test('all workers use the certificate and, after a change of the files, the new one', async () => {
    const vhost = await createVhost();
    cleanUp.push(() => vhost.delete());
    const files = await authority.issueFiles({ names: ['127.0.0.1', 'before.test'] });
    const flags = [
      '--broker',
      vhost.amqpUrl,
      '--workers',
      '2',
      '--tls-cert',
      files.certFile,
      '--tls-key',
      files.keyFile,
    ];
    const running = await cli.start(flags);
    cleanUp.push(() => cli.killAll());
    const clients = [];
    for (let count = 0; count < 4; count++) clients.push(await connect(running.websocketUrl));
    clients.push(await connect(running.tcpUrl));
    for (const each of clients) await each.receipt('SUBSCRIBE', { id: '0', destination: '/topic/all' });
    await clients[0]!.receipt('SEND', { destination: '/topic/all' }, 'hello');
    for (const each of clients) expect((await each.expectFrame('MESSAGE')).body.toString()).toBe('hello');
    const next = await authority.issueFiles({ names: ['127.0.0.1', 'after.test'] });
    copyFileSync(next.keyFile, files.keyFile);
    copyFileSync(next.certFile, files.certFile);
    // workers take turns: four connections in a row reach both
    await eventually(
      async () => {
        for (let count = 0; count < 4; count++) {
          if (!(await certificateOf(running.websocketUrl)).subjectaltname?.includes('after.test')) return undefined;
        }
        return true;
      },
      20_000,
      () => 'a worker still uses the old certificate',
    );
    writeFileSync(files.keyFile, 'broken');
    expect(clients.map(({ isClosed }) => isClosed)).not.toContain(true);
    await connect(running.tcpUrl);
  }, 60_000);
});
