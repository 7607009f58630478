/**
 * Connections that arrive while the relay is busy wait in the kernel. Beyond the backlog the kernel drops them, and the
 * client tries again after 1 s, 3 s, 7 s. These tests suspend the listening process, so that only the backlog counts.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, jest, test } from '@jest/globals';
import { TestAuthority } from '../support/certificates.js';
import { withDeadline } from '../support/deadline.js';
import { createVhost } from '../support/rabbitmq.js';
import { RelayCli } from '../support/relay-cli.js';
import type { CliProcess } from '../support/relay-cli.js';
import { connectStomp } from '../support/stomp-client.js';

jest.setTimeout(60_000); // starts processes

/** More than Node's default backlog of 511. */
const CROWD = 900;

let cli: RelayCli;
let authority: TestAuthority;
const sockets: Socket[] = [];
const cleanUp: (() => unknown)[] = [];

beforeAll(async () => {
  cli = new RelayCli();
  authority = await TestAuthority.create();
});
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await cli.killAll();
  for (const clean of cleanUp.splice(0)) await clean();
});
afterAll(() => {
  cli.remove();
  authority.remove();
});

/** Resolves when the kernel has accepted all connections. */
async function arrive(url: string): Promise<void> {
  const { port } = new URL(url);
  let connected = 0;
  const arrivals = Array.from({ length: CROWD }, async () => {
    const socket = connect(Number(port), '127.0.0.1');
    sockets.push(socket);
    await once(socket, 'connect');
    connected++;
  });
  await withDeadline(Promise.all(arrivals), 10_000, () => `${connected} of ${CROWD} connected to ${url}`);
}

async function startEach(kind: 'alone' | 'with TLS' | 'with workers'): Promise<CliProcess> {
  if (kind === 'alone') return cli.start(['--broker', 'memory:']);
  if (kind === 'with TLS') {
    const { certFile, keyFile } = await authority.issueFiles();
    return cli.start(['--broker', 'memory:', '--tls-cert', certFile, '--tls-key', keyFile]);
  }
  const vhost = await createVhost();
  cleanUp.push(() => vhost.delete());
  return cli.start(['--broker', vhost.amqpUrl, '--workers', '2']);
}

test.each(['alone', 'with TLS', 'with workers'] as const)(
  '900 connections that arrive while the relay is busy all wait at every port (%s)',
  async (kind) => {
    const running = await startEach(kind);
    running.child.kill('SIGSTOP');
    for (const url of [running.websocketUrl, running.tcpUrl, running.adminUrl]) await arrive(url);
    running.child.kill('SIGCONT');
    for (const socket of sockets.splice(0)) socket.destroy();
    const url = kind === 'with TLS' ? running.websocketUrl : running.tcpUrl;
    const client = await connectStomp(url, {}, { ca: authority.ca });
    await client.receipt('SEND', { destination: '/topic/crowd' });
    client.destroy();
  },
);
