/** The authenticators `users` and `http`: over STOMP and HTTP, alone and combined. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { hashPassword } from '../../server/src/auth/logins/password-hash.js';
import type { ConfigInput } from '../../server/src/index.js';
import { eventually } from '../support/deadline.js';
import { recordingLog } from '../support/recording-log.js';
import type { RecordingLog } from '../support/recording-log.js';
import { RelayCli } from '../support/relay-cli.js';
import { startRelay } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp, openStomp } from '../support/stomp-client.js';
import type { ReceivedFrame, StompClient } from '../support/stomp-client.js';

const PASSCODE = 'correct horse';
const API_KEY = 'k3y-of-the-relay';

let folder: string;
let passwordHash: string;
let service: Server;
let serviceUrl: string;
const clients: StompClient[] = [];
const relays: TestRelay[] = [];
let log: RecordingLog;

/** The answers of the login service, by login. */
const ANSWERS: Readonly<Record<string, readonly [status: number, body?: unknown]>> = {
  bob: [200, { name: 'bob', claims: { role: 'admin' } }],
  brief: [200, { name: 'brief', expiresAt: Date.now() / 1_000 - 1 }],
  unusable: [200, { name: 'line\nbreak' }],
  unknown: [204],
  ann: [204],
  barred: [403],
  broken: [500],
  odd: [200, { user: 'odd' }],
};

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'logins-'));
  passwordHash = await hashPassword(PASSCODE);
  service = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { login } = JSON.parse(Buffer.concat(chunks).toString()) as { login: string };
      if (login === 'slow') return; // never
      if (request.headers['x-api-key'] !== API_KEY) return void response.writeHead(500).end();
      const [status, body] = ANSWERS[login] ?? [500];
      response.writeHead(status).end(body === undefined ? '' : JSON.stringify(body));
    });
  });
  await once(service.listen(0, '127.0.0.1'), 'listening');
  serviceUrl = `http://127.0.0.1:${(service.address() as AddressInfo).port}/`;
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(relays.splice(0).map((relay) => relay.stop()));
  const lines = log.lines.join('\n');
  for (const secret of [PASSCODE, API_KEY, passwordHash]) expect(lines).not.toContain(secret);
});
afterAll(async () => {
  service.closeAllConnections();
  await once(service.close(), 'close');
  rmSync(folder, { recursive: true });
});

const users = () => ({ kind: 'users' as const, users: [{ name: 'ann', passwordHash }] });
const http = () => ({ kind: 'http' as const, url: serviceUrl, headers: { 'x-api-key': API_KEY } });

async function start(authenticators: object[]): Promise<TestRelay> {
  log = recordingLog();
  const auth = { authenticators } as ConfigInput['auth'];
  const relay = await startRelay('memory:', { auth }, { log });
  relays.push(relay);
  return relay;
}

async function logIn({ webSocketUrl }: TestRelay, login: string, passcode = PASSCODE): Promise<StompClient> {
  const client = await connectStomp(webSocketUrl, { login, passcode });
  clients.push(client);
  return client;
}

async function refusal(
  { webSocketUrl }: TestRelay,
  login: string,
  passcode = PASSCODE,
): Promise<[ReceivedFrame, number]> {
  const client = await openStomp(webSocketUrl);
  clients.push(client);
  client.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', login, passcode });
  const error = await client.expectError();
  return [error, (await client.expectClose()).code];
}

describe('users', () => {
  test('a user logs in by passcode; a wrong passcode and an unknown name get the same ERROR', async () => {
    const relay = await start([users()]);
    const ann = await logIn(relay, 'ann');
    await ann.receipt('SUBSCRIBE', { id: 's', destination: '/topic/user' });
    await ann.receipt('SEND', { destination: '/topic/user', user: 'root' });
    expect((await ann.expectFrame('MESSAGE')).headers['user']).toBe('ann');

    const [wrong, wrongCode] = await refusal(relay, 'ann', 'wrong');
    const [unknown, unknownCode] = await refusal(relay, 'unknown');
    expect(wrong.headers).toMatchObject({ code: 'authentication-failed' });
    expect(unknown.headers).toEqual(wrong.headers);
    expect(unknown.body).toEqual(wrong.body);
    expect([wrongCode, unknownCode]).toEqual([4401, 4401]);
  });

  test('a changed users file counts for new logins, and existing sessions stay', async () => {
    const file = path.join(folder, 'users.json');
    writeFileSync(file, JSON.stringify([{ name: 'ann', passwordHash }]));
    const relay = await start([{ kind: 'users', file }]);
    const ann = await logIn(relay, 'ann');
    writeFileSync(file, JSON.stringify([{ name: 'anna', passwordHash }]));
    const isRead = () => log.lines.find((line) => line.includes('read again'));
    await eventually(isRead, 15_000, () => 'the relay has not read the file again');
    await refusal(relay, 'ann');
    await logIn(relay, 'anna');
    await ann.receipt('SEND', { destination: '/topic/still' });
  });

  test('a flood of guesses is bounded, and other sessions are not affected', async () => {
    const relay = await start([{ ...users(), checksMax: 1, waitingMax: 3 }]);
    const ann = await logIn(relay, 'ann');
    await ann.receipt('SUBSCRIBE', { id: 's', destination: '/topic/flood' });
    const flood = Promise.all(
      Array.from({ length: 40 }, async (_, i) => (await refusal(relay, 'ann', `guess ${i}`))[0].headers['code']),
    );
    for (let i = 0; i < 20; i++) {
      await ann.receipt('SEND', { destination: '/topic/flood', n: String(i) });
      expect((await ann.expectFrame('MESSAGE')).headers['n']).toBe(String(i));
    }
    await logIn(relay, 'ann'); // a cached login does not wait for a check
    const codes = await flood;
    expect(codes.filter((code) => code === 'authentication-failed').length).toBeGreaterThanOrEqual(4);
    expect(codes.filter((code) => code === 'authentication-unavailable').length).toBeGreaterThan(0);
    expect(new Set(codes).size).toBe(2);
  });
});

describe('a login service', () => {
  test('a login service names the user of a client', async () => {
    const bob = await logIn(await start([http()]), 'bob');
    await bob.receipt('SUBSCRIBE', { id: 's', destination: '/user/queue/mine' });
    await bob.receipt('SEND', { destination: '/user/bob/queue/mine' });
    expect((await bob.expectFrame('MESSAGE')).headers['user']).toBe('bob');
  });

  test.each([
    ['unknown', 'authentication-failed', 4401],
    ['barred', 'authentication-failed', 4401],
    ['unusable', 'authentication-failed', 4401],
    ['brief', 'token-expired', 4410],
    ['broken', 'authentication-unavailable', 1013],
    ['odd', 'authentication-unavailable', 1013],
    ['slow', 'authentication-unavailable', 1013],
  ])('a login service answer for %s gives ERROR %s and close code %i', async (login, code, closeCode) => {
    const [error, closed] = await refusal(await start([{ ...http(), checkTimeoutMs: 200 }]), login);
    expect(error.headers).toMatchObject({ code });
    expect(error.body.toString()).not.toContain(PASSCODE);
    expect(closed).toBe(closeCode);
  });

  test('a failing login service is logged with the reason', async () => {
    const relay = await start([http()]);
    await refusal(relay, 'broken');
    expect(log.lines.join('\n')).toMatch(/answered with status 500/);
  });
});

test('a login unknown to one authenticator goes to the next; a refused login does not', async () => {
  const relay = await start([users(), http()]);
  await logIn(relay, 'ann');
  await logIn(relay, 'bob');
  expect((await refusal(relay, 'ann', 'wrong'))[0].headers['code']).toBe('authentication-failed');
  const reversed = await start([http(), users()]);
  await logIn(reversed, 'ann');
  expect((await refusal(reversed, 'barred'))[0].headers['code']).toBe('authentication-failed');
});

test('logins of the authenticator users count for HTTP requests', async () => {
  const { pageUrl } = await start([users()]);
  const post = (login: string) =>
    fetch(new URL('/api/messages', pageUrl), {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(login).toString('base64')}`,
        'content-type': 'application/json',
      },
      body: JSON.stringify({ destination: '/topic/http', body: 'x' }),
      signal: AbortSignal.timeout(10_000),
    });
  expect((await post(`ann:${PASSCODE}`)).ok).toBe(true);
  expect((await post('ann:wrong')).status).toBe(401);
});

describe('the command line', () => {
  let cli: RelayCli;
  beforeAll(() => {
    cli = new RelayCli();
  }, 120_000);
  afterEach(() => cli.killAll());
  afterAll(() => cli.remove());

  async function run(input: string): Promise<{ status: number; out: string; err: string }> {
    const child = spawn(process.execPath, [cli.program, 'hash-password'], { timeout: 30_000 });
    const [out, err]: [string[], string[]] = [[], []];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk.toString()));
    child.stdin.end(input);
    const [status] = (await once(child, 'close')) as [number];
    return { status, out: out.join(''), err: err.join('') };
  }

  test('hash-password prints a hash with which the user can log in', async () => {
    log = recordingLog();
    const { status, out, err } = await run(`${PASSCODE}\n`);
    expect([status, err]).toEqual([0, '']);
    expect(out).toMatch(/^\$scrypt\$[^\n]+\n$/);
    const config = path.join(folder, 'relay.yaml');
    const yaml = `auth:\n  authenticators:\n    - kind: users\n      users:\n        - { name: ann, passwordHash: '${out.trim()}' }\n`;
    writeFileSync(config, yaml);
    const relay = await cli.start(['--config', config]);
    const ann = await connectStomp(relay.websocketUrl, { login: 'ann', passcode: PASSCODE });
    clients.push(ann);
    await expect(connectStomp(relay.websocketUrl, { login: 'ann', passcode: 'wrong' })).rejects.toThrow(/ERROR/);
  }, 30_000);

  test('hash-password without a password ends with an error and status 1', async () => {
    log = recordingLog();
    expect(await run('')).toEqual({ status: 1, out: '', err: 'stomp-relay: no password was given\n' });
  });
});
