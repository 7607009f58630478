/** The built command with a low limit of open files: clients beyond it get an answer, and the admin port stays open. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { eventually } from '../support/deadline.js';
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
}

let cli: RelayCli;
const sockets: Socket[] = [];
beforeAll(() => {
  cli = new RelayCli();
}, 120_000);
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await cli.killAll();
});
afterAll(() => cli.remove());

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

describe.each(['webSocketUrl', 'tcpUrl'] as const)('more clients than descriptors, over %s', (transport) => {
  const { request, accepted, refused, wayOut } = TRANSPORTS[transport];

  test('each client gets an answer; health, metrics and the log report it', async () => {
    const lines: Line[] = [];
    const log = (line: string) => void lines.push(JSON.parse(line) as Line);
    const relay = await cli.start(['--log-level', 'warn'], {}, { nofile: NOFILE, log });
    const warning = await eventually(
      () => lines.find(({ msg }) => msg.includes('(nofile) is too low')),
      10_000,
      () => 'there is no warning',
    );
    expect(warning).toMatchObject({ level: 'warn', nofile: NOFILE, needed: expect.any(Number) });

    const url = transport === 'tcpUrl' ? relay.tcpUrl : relay.websocketUrl;
    const answers = await Promise.all(Array.from({ length: CLIENTS }, () => answerTo(url, request)));
    expect(new Set(answers.map(firstLine))).toEqual(new Set([accepted, refused]));
    const refusals = answers.filter((answer) => firstLine(answer) === refused);
    for (const answer of refusals) expect(answer).toMatch(wayOut);

    for (const page of ['livez', 'readyz']) expect((await fetch(relay.adminUrl + page)).status).toBe(200);
    const value = await metrics(relay);
    expect(value('process_max_fds')).toBe(NOFILE);
    expect(value('process_open_fds')).toBeLessThan(NOFILE);
    expect(value('stomp_relay_limit_used{limit="descriptors"}')).toBe(CLIENTS - refusals.length);
    expect(value('stomp_relay_limit_allowed{limit="descriptors"}')).toBe(CLIENTS - refusals.length);
    expect(value('stomp_relay_limit_refused_total{limit="descriptors",bound="pot"}')).toBe(refusals.length);
    const counted = () => {
      const found = lines.filter(({ msg }) => msg === 'a client was turned away before its session');
      return found.reduce((sum, { leftOut = 0 }) => sum + 1 + leftOut, 0) === refusals.length ? found : undefined;
    };
    const found = await eventually(counted, 10_000, () => 'the log does not have all of them');
    expect(found[0]).toMatchObject({ level: 'warn', address: '127.0.0.1', limit: 'descriptors', nofile: NOFILE });

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

test('with enough descriptors for its options, the relay logs no warning', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'descriptors-'));
  const file = path.join(folder, 'relay.yaml');
  writeFileSync(file, 'sessionsMax: 20\nlisten: { httpConnectionsMax: 10 }\n');
  const lines: string[] = [];
  const options = { nofile: NOFILE, log: (line: string) => void lines.push(line) };
  const { child } = await cli.start(['--log-level', 'info', '--config', file], {}, options);
  child.kill();
  await once(child, 'close');
  rmSync(folder, { recursive: true });
  expect(lines.length).toBeGreaterThan(0);
  expect(lines.filter((line) => line.includes('nofile'))).toEqual([]);
});
