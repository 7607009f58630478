/** The command line: its output and its exit status. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { readPage, tableUnder } from '../support/page-tables.js';
import { runCli, startRelay } from './relay-process.js';

/** Opens a WebSocket client that never answers the closing handshake. */
async function openSilent(port: string): Promise<Socket> {
  const silent = connect(Number(port), '127.0.0.1').on('error', () => {});
  silent.write(
    `GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  await once(silent, 'data');
  return silent;
}

test('the relay prints its addresses, and each of them serves', async () => {
  const relay = await startRelay('--port', '0', '--path', '/stomp');
  expect(relay.websocketUrl).toBe(`ws://127.0.0.1:${relay.port}/stomp`);
  expect(await (await fetch(`${relay.pageUrl}page.json`)).json()).toEqual({ websocketPath: '/stomp' });
  expect(await relay.stop()).toBe(0);
});

test.each(['SIGTERM', 'SIGINT'] as const)('the relay ends with status 0 on %s', async (signal) => {
  const relay = await startRelay('--port', '0');
  expect(await relay.stop(signal)).toBe(0);
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  'open pages and streams do not delay %s when no other relay could take them over',
  async (signal) => {
    const relay = await startRelay('--port', '0');
    const page = new WebSocket(relay.websocketUrl, ['v12.stomp']);
    await new Promise((resolve) => (page.onopen = resolve));
    page.send('CONNECT\naccept-version:1.2\nhost:/\nrelay-extensions:drain,soft-errors\n\n\0');
    await new Promise((resolve) => (page.onmessage = resolve));
    const frames: unknown[] = [];
    page.onmessage = ({ data }) => void frames.push(data);
    const closed = new Promise<{ readonly code: number }>((resolve) => (page.onclose = resolve));
    const stream = await fetch(`${relay.pageUrl}api/stream?destination=/topic/data`);
    const idle = connect(Number(relay.port), '127.0.0.1').on('error', () => {}); // kept alive, as browsers do
    idle.write('GET /page.json HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await once(idle, 'data');

    const since = performance.now();
    expect(await relay.stop(signal)).toBe(0);
    expect(performance.now() - since).toBeLessThan(4_000); // with room for a busy machine; drain.graceMs is 5 s
    expect((await closed).code).toBe(1012);
    expect(frames).toEqual([]); // no request to move
    expect(await stream.text()).toContain('shutting-down');
    idle.destroy();
  },
);

test('Ctrl-C does not wait for a client that answers no closing handshake', async () => {
  const relay = await startRelay('--port', '0');
  const silent = await openSilent(relay.port);
  const since = performance.now();
  expect(await relay.stop('SIGINT')).toBe(0);
  expect(performance.now() - since).toBeLessThan(4_000);
  silent.destroy();
});

test('a second signal ends the relay at once, with status 1', async () => {
  const relay = await startRelay('--port', '0');
  const silent = await openSilent(relay.port);
  const stopped = relay.stop();
  await once(silent, 'data'); // the close frame: the relay has handled the first signal
  relay.child.kill('SIGTERM');
  expect(await stopped).toBe(1);
  silent.destroy();
});

test('api-key prints a key and its SHA-256 hash', async () => {
  const { status, stdout } = await runCli('api-key');
  expect(status).toBe(0);
  const [, key = '', keyHash] = /^key {6}([\w-]{43})\nkeyHash {2}([\da-f]{64})\n$/.exec(stdout) ?? [];
  expect(createHash('sha256').update(key).digest('hex')).toBe(keyHash);
});

test('the relay serves the OpenAPI description of its HTTP API', async () => {
  const relay = await startRelay('--port', '0');
  const response = await fetch(`${relay.pageUrl}api/openapi.yaml`);
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/yaml']);
  expect(await response.text()).toMatch(/^openapi: 3\.1\.0\n/);
  await relay.stop();
});

test('--help prints the options and --version the version, on stdout', async () => {
  const help = await runCli('--help');
  expect(help.status).toBe(0);
  expect(help.stdout).toMatch(/--port <port> .*RELAY_PORT; default 8080/s);
  const version = await runCli('--version');
  expect(version).toMatchObject({ status: 0, stderr: '' });
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('docs/command-line.md has the flags and commands of --help', async () => {
  const { stdout } = await runCli('--help');
  const [flags = '', commands = ''] = stdout.split('\nCommands:\n');
  const tables = readPage(path.resolve(import.meta.dirname, '../../docs/command-line.md'));
  const listed = (heading: string): string[] =>
    tableUnder(tables, heading).map(([cell = '']) => cell.replaceAll(/`|npm start -- /g, ''));
  const offered = (text: string): string[] =>
    [...text.matchAll(/^ {2}(\S+(?: <\w+>)?) {2,}/gm)].map(([, name]) => name!).filter((name) => name !== '--help');
  const all = [...listed('Flags and variables'), ...listed('Other commands')];
  expect(all.sort()).toEqual([...offered(flags), ...offered(commands)].sort());
});

test.each([
  [['--port', '70000'], /^stomp-relay: listen\.port is 70000 \(--port\): must be a port from 0 to 65535.*\n$/],
  [['--host', '0.0.0.0'], /^stomp-relay: listen\.host 0\.0\.0\.0 can be reached .*--allow-anonymous.*\n$/],
  [['--workers', 'auto'], /^stomp-relay: workers is "auto" \(--workers\): the embedded broker .*\n$/],
  [['--prot', '1'], /unknown option '--prot'/],
])('the bad configuration %j ends with one line on stderr and status 2', async (flags, sentence) => {
  const { status, stdout, stderr } = await runCli(...flags);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(sentence);
});

test.each(['--host', '--admin-host'])(
  'an address that this machine does not have ends with an error that names %s and status 1',
  async (flag) => {
    const ports = ['--port', '0', '--admin-port', '0', '--allow-anonymous'];
    const { status, stderr } = await runCli(flag, '203.0.113.9', ...ports);
    expect({ status, stderr: stderr.split('\n').at(-2) }).toEqual({
      status: 1,
      stderr: `stomp-relay: this machine has no address 203.0.113.9 (${flag})`,
    });
  },
);

test.each([
  ['--port', ['--admin-port', '0']],
  ['--admin-port', ['--port', '0']],
  ['--tcp-port', ['--port', '0', '--admin-port', '0']],
])('a port in use ends with an error that names the port and %s, and status 1', async (flag, others) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as AddressInfo;
  const { status, stderr, stdout } = await runCli(flag, String(port), ...others);
  taken.close();
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toContain(`stomp-relay: port ${port} is in use (${flag}): give another one, or 0 for a free one\n`);
});
