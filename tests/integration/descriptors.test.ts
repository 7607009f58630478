/** The built command with a low limit of open files: clients beyond it get an answer, and the admin port stays open. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { eventually } from '../support/deadline.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { RelayCli } from '../support/relay-cli.js';
import type { CliProcess } from '../support/relay-cli.js';
import { connectStomp } from '../support/stomp-client.js';

jest.setTimeout(60_000); // starts processes

const NOFILE = 256;
const CLIENTS = 1_000;
const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
const TRANSPORTS = {
  webSocketUrl: {
    request: `GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n\r\n`,
    accepted: 'HTTP/1.1 101 Switching Protocols',
    refused: 'HTTP/1.1 503 Service Unavailable',
    wayOut: /^Retry-After: \d+\r$/m,
  },
  tcpUrl: {
    request: 'CONNECT\naccept-version:1.2\nhost:/\n\n\0',
    accepted: 'CONNECTED',
    refused: 'ERROR',
    wayOut: /^code:too-many-sessions\n[^]*no file descriptor left .*\(nofile\)/m,
  },
} as const;

interface Line {
  readonly level: string;
  readonly msg: string;
  readonly leftOut?: number;
  readonly limit?: string;
}

let cli: RelayCli;
let vhost: Vhost;
const sockets: Socket[] = [];
const children: ChildProcess[] = [];
beforeAll(async () => {
  cli = new RelayCli();
  vhost = await createVhost();
}, 120_000);
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await cli.killAll();
});
afterAll(async () => {
  cli.remove();
  await vhost.delete();
});

/** Resolves with the first bytes of the answer; empty if the connection was closed without one. */
async function answerTo(url: string, request: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  sockets.push(socket);
  return new Promise((resolve) => {
    socket.on('connect', () => socket.write(request));
    socket.on('data', (chunk) => resolve(chunk.toString()));
    socket.on('error', () => resolve(''));
    socket.on('close', () => resolve(''));
  });
}

const firstLine = (text: string): string => text.split(/\r?\n/)[0] ?? '';

async function metrics({ adminUrl }: CliProcess): Promise<(name: string) => number> {
  const text = await (await fetch(`${adminUrl}metrics`)).text();
  return (name) =>
    Number(
      text
        .split('\n')
        .find((each) => each.startsWith(`${name} `))
        ?.slice(name.length),
    );
}

/** The bounds of the processes that serve clients, and of the primary process, which accepts for workers. */
const LIMITS = ['descriptors', 'descriptors-handover'];

describe.each([
  { transport: 'webSocketUrl', workers: 1 },
  { transport: 'tcpUrl', workers: 1 },
  { transport: 'webSocketUrl', workers: 2 },
  { transport: 'tcpUrl', workers: 2 },
] as const)('more clients than descriptors, over $transport, $workers processes', ({ transport, workers }) => {
  const { request, accepted, refused, wayOut } = TRANSPORTS[transport];

  test('each client gets an answer; health, metrics and the log report it', async () => {
    const lines: Line[] = [];
    const log = (line: string) => void lines.push(JSON.parse(line) as Line);
    const flags = workers === 1 ? [] : ['--workers', String(workers), '--broker', vhost.amqpUrl];
    const relay = await cli.start(['--log-level', 'warn', ...flags], {}, { nofile: NOFILE, log });
    const url = transport === 'tcpUrl' ? relay.tcpUrl : relay.websocketUrl;
    const answers = await Promise.all(Array.from({ length: CLIENTS }, () => answerTo(url, request)));
    expect(new Set(answers.map(firstLine))).toEqual(new Set([accepted, refused]));
    const refusals = answers.filter((answer) => firstLine(answer) === refused);
    for (const answer of refusals) expect(answer).toMatch(wayOut);

    for (const page of ['livez', 'readyz']) expect((await fetch(relay.adminUrl + page)).status).toBe(200);
    const value = await metrics(relay);
    const limit = (name: string) => LIMITS.reduce((sum, each) => sum + (value(name.replace('*', each)) || 0), 0);
    const served = CLIENTS - refusals.length;
    if (workers === 1) {
      expect(value('process_max_fds')).toBe(NOFILE);
      expect(value('process_open_fds')).toBeLessThan(NOFILE);
      expect(value('stomp_relay_limit_allowed{limit="descriptors"}')).toBe(served);
    }
    expect(value('stomp_relay_limit_used{limit="descriptors"}')).toBe(served);
    expect(limit('stomp_relay_limit_refused_total{limit="*",bound="pot"}')).toBe(refusals.length);
    const counted = () => {
      const found = lines.filter(({ msg }) => msg === 'a client was turned away before its session');
      return found.reduce((sum, { leftOut = 0 }) => sum + 1 + leftOut, 0) === refusals.length ? found : undefined;
    };
    const found = await eventually(counted, 10_000, () => 'the log does not have all of them');
    expect(found[0]).toMatchObject({ level: 'warn', address: '127.0.0.1', nofile: NOFILE });
    for (const line of found) expect(LIMITS).toContain(line.limit);

    const gone = sockets.splice(0, CLIENTS);
    for (const socket of gone) socket.destroy();
    const client = await eventually(
      () => connectStomp(url).catch(() => undefined),
      10_000,
      () => 'no place is free again',
    );
    client.destroy();
  });
});

/** Attaches a relay to an HTTP server of its own, and prints the port. */
const PROGRAM = `
import { createServer } from 'node:http';
import { pathToFileURL } from 'node:url';
const { createRelay } = await import(pathToFileURL(process.argv[1]));
const relay = createRelay({ log: { level: 'warn', format: 'json' } });
const server = createServer();
await relay.attach(server);
server.listen(0, '127.0.0.1', 511, () => console.log(server.address().port));
`;

test('an application with a relay keeps descriptors for itself: handshakes beyond those of clients get 503', async () => {
  const library = path.join(path.dirname(cli.program), 'index.js');
  const node = ['-c', `ulimit -n ${NOFILE}; exec "$0" "$@"`, process.execPath];
  const child = spawn('bash', [...node, '--input-type=module', '-e', PROGRAM, library]);
  children.push(child);
  const lines: string[] = [];
  createInterface(child.stderr).on('line', (line) => lines.push(line));
  const [port] = (await once(child.stdout, 'data')) as [Buffer];
  const { request, accepted, refused } = TRANSPORTS.webSocketUrl;
  const answers: string[] = [];
  // Fewer than the process can have open
  for (let count = 0; count < NOFILE - 40; count++) {
    answers.push(await answerTo(`ws://127.0.0.1:${String(port).trim()}/ws`, request));
  }
  expect(new Set(answers.map(firstLine))).toEqual(new Set([accepted, refused]));
  const refusals = answers.filter((answer) => firstLine(answer) === refused);
  for (const answer of refusals) expect(answer).toMatch(/^Retry-After: \d+\r$[^]*no file descriptor left/m);
  await eventually(
    () => lines.find((line) => line.includes('a client was turned away before its session')),
    10_000,
    () => 'there is no line in the log',
  );
});

describe('the start, with fewer descriptors than its options could need', () => {
  /** The lines of the log about it. */
  async function start(options: string): Promise<Line[]> {
    const folder = mkdtempSync(path.join(tmpdir(), 'descriptors-'));
    const file = path.join(folder, 'relay.yaml');
    writeFileSync(file, options);
    const lines: Line[] = [];
    const log = (line: string) => void lines.push(JSON.parse(line) as Line);
    const { child } = await cli.start(['--log-level', 'info', '--config', file], {}, { nofile: NOFILE, log });
    child.kill();
    await once(child, 'close');
    rmSync(folder, { recursive: true });
    expect(lines.length).toBeGreaterThan(0);
    return lines.filter(({ msg }) => msg.includes('nofile'));
  }

  test('warns about limits that the operator has set', async () => {
    const [line, ...others] = await start('sessionsMax: 300\n');
    expect(line).toMatchObject({ level: 'warn', nofile: NOFILE, clientsMax: 160, needed: 396 });
    expect(line?.msg).toContain('(nofile) is too low');
    expect(others).toEqual([]);
  });

  test('has a line of information for the defaults', async () => {
    const [line, ...others] = await start('{}\n');
    expect(line).toMatchObject({ level: 'info', nofile: NOFILE, clientsMax: 160, most: 60_096 });
    expect(others).toEqual([]);
  });

  test('has no line if the limits fit', async () => {
    expect(await start('sessionsMax: 20\nlisten: { httpConnectionsMax: 10 }\n')).toEqual([]);
  });
});
