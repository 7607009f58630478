/** The log contains the refusals of clients, within bounds, and a slow or missing reader does not block the relay. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess, StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createLog } from '../../server/src/process/json-log.js';
import { eventually, withDeadline } from '../support/deadline.js';
import { freePorts } from '../support/free-ports.js';
import { createVhost } from '../support/rabbitmq.js';
import { RelayCli } from '../support/relay-cli.js';
import { startRelay } from '../support/relay.js';
import { connectStomp, openStomp } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';

jest.setTimeout(60_000); // starts processes

const FOREIGN = { headers: { origin: 'https://evil.example' } };
const cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

async function refuseHandshakes(url: string, count: number): Promise<void> {
  for (let each = 0; each < count; each++) await expect(openStomp(url, FOREIGN)).rejects.toThrow('HTTP 403');
}

describe('refusals', () => {
  interface Line {
    readonly level: string;
    readonly msg: string;
    readonly leftOut?: number;
  }
  const lines: Line[] = [];

  async function start() {
    lines.length = 0;
    const log = createLog({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line) as Line) });
    const authenticator = {
      authenticate: ({ login = '', passcode }: { login?: string | undefined; passcode?: string | undefined }) =>
        Promise.resolve(passcode === 'right' ? { name: login, anonymous: false, claims: {} } : undefined),
    };
    const policy = {
      allows: (_: unknown, __: unknown, { text }: { text: string }) => !text.startsWith('/topic/secret'),
    };
    const relay = await startRelay('memory:', {}, { log, authenticator, policy });
    cleanUp.push(() => relay.stop());
    return relay;
  }

  /** Resolves when the lines with this text stand for `count` events. */
  function counted(msg: string, count: number): Promise<Line[]> {
    const found = () => lines.filter((line) => line.msg === msg);
    const sum = () => found().reduce((total, { leftOut = 0 }) => total + 1 + leftOut, 0);
    return eventually(
      () => (sum() === count ? found() : undefined),
      10_000,
      () => `${sum()} of ${count} "${msg}"`,
    );
  }

  test('refused logins, SENDs, SUBSCRIBEs and handshakes are logged with user, address and reason, at most one line a second of a kind', async () => {
    const relay = await start();
    const began = Date.now();
    for (let each = 0; each < 30; each++) {
      const guesser = await openStomp(relay.tcpUrl);
      guesser.sendFrame('CONNECT', { 'accept-version': '1.2', login: 'anna', passcode: `guess-${each}` });
      await guesser.expectError({ code: 'authentication-failed' });
    }
    const connectAnna = () =>
      connectStomp(relay.webSocketUrl, { login: 'anna', passcode: 'right', 'relay-extensions': 'soft-errors' });
    const client = await connectAnna();
    cleanUp.push(() => client.destroy());
    for (const command of ['SEND', 'SUBSCRIBE']) {
      for (let each = 0; each < 30; each++) client.sendFrame(command, { id: `${each}`, destination: '/topic/secret' });
    }
    await refuseHandshakes(relay.webSocketUrl, 30);

    const [login] = await counted('CONNECT refused: authentication failed', 30);
    const address = '127.0.0.1';
    const code = 'access-denied';
    expect(login).toMatchObject({ level: 'warn', login: 'anna', address, code: 'authentication-failed' });
    for (const command of ['SEND', 'SUBSCRIBE']) {
      const [refused] = await counted(`${command} refused: access denied`, 30);
      expect(refused).toMatchObject({ level: 'warn', user: 'anna', address, code, destination: '/topic/secret' });
      expect(refused).toHaveProperty('session');
    }
    const [handshake] = await counted('WebSocket handshake refused: 403', 30);
    expect(handshake).toMatchObject({ level: 'warn', address, reason: expect.stringContaining('evil.example') });
    const seconds = Math.ceil((Date.now() - began) / 1_000);
    for (const msg of new Set(lines.map((line) => line.msg))) {
      expect(lines.filter((line) => line.msg === msg).length).toBeLessThanOrEqual(seconds + 1);
    }
    expect(JSON.stringify(lines)).not.toContain('guess-');
  });

  test('refused HTTP requests are logged with user, address and reason', async () => {
    const relay = await start();
    const api = `${relay.pageUrl}api/`;
    const publish = (passcode: string) =>
      fetch(`${api}messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Basic ${btoa(`anna:${passcode}`)}` },
        body: JSON.stringify({ destination: '/topic/secret', body: 'x' }),
      });
    expect((await publish('wrong')).status).toBe(401);
    expect((await publish('right')).status).toBe(403);
    const [failed] = await counted('HTTP request refused: authentication-failed', 1);
    expect(failed).toMatchObject({ level: 'warn', address: '127.0.0.1', request: 'POST /api/messages', status: 401 });
    const [denied] = await counted('HTTP request refused: access-denied', 1);
    expect(denied).toMatchObject({ level: 'warn', user: 'anna', address: '127.0.0.1', destination: '/topic/secret' });
    const stream = await fetch(`${api}stream?destination=/topic/secret`, {
      headers: { authorization: `Basic ${btoa('anna:right')}` },
    });
    expect(stream.status).toBe(403);
    await counted('HTTP request refused: access-denied', 2);
  });
});

describe('the command', () => {
  let cli: RelayCli;
  beforeAll(() => {
    cli = new RelayCli();
  }, 60_000);
  afterAll(() => cli.remove());

  /** A full pipe without a reader. */
  function fullPipe(): { readonly input: number; readonly output: number } {
    const folder = mkdtempSync(path.join(tmpdir(), 'relay-log-'));
    const name = path.join(folder, 'pipe');
    execFileSync('mkfifo', [name]);
    const output = openSync(name, constants.O_RDONLY | constants.O_NONBLOCK);
    const filler = openSync(name, constants.O_WRONLY | constants.O_NONBLOCK);
    const input = openSync(name, constants.O_WRONLY);
    expect(() => {
      for (;;) writeSync(filler, 'x');
    }).toThrow('EAGAIN');
    cleanUp.push(() => {
      for (const each of [output, filler, input]) closeSync(each);
      rmSync(folder, { recursive: true });
    });
    return { input, output };
  }

  interface Running {
    readonly child: ChildProcess;
    readonly webSocketUrl: string;
    readonly adminUrl: string;
    stop(signal?: NodeJS.Signals): Promise<number | null>;
  }

  /** Starts the command on known ports, as stdout may be missing. Resolves when the relay is ready. */
  async function start(stdio: StdioOptions, flags: readonly string[] = []): Promise<Running> {
    const [port, adminPort] = await freePorts(2);
    const ports = ['--port', String(port), '--admin-port', String(adminPort)];
    const all = [cli.program, ...ports, '--log-level', 'debug', ...flags];
    const child = spawn(process.execPath, all, { stdio });
    const exited = once(child, 'exit').then(([status]) => status as number | null);
    cleanUp.push(() => {
      child.kill('SIGKILL');
      return exited;
    });
    const adminUrl = `http://127.0.0.1:${adminPort}`;
    const isReady = () =>
      fetch(`${adminUrl}/readyz`).then(
        ({ ok }) => ok || undefined,
        () => undefined,
      );
    await eventually(isReady, 30_000, () => 'the relay is not ready');
    const stop = (signal: NodeJS.Signals = 'SIGTERM') => {
      child.kill(signal);
      return withDeadline(exited, 20_000, () => 'the relay does not end');
    };
    return { child, adminUrl, webSocketUrl: `ws://127.0.0.1:${port}/ws`, stop };
  }

  async function refuseLogin(url: string): Promise<void> {
    const client = await openStomp(url);
    client.sendFrame('CONNECT', { 'accept-version': '9.9' });
    await client.expectError({ code: 'unsupported-version' });
  }

  async function check({ webSocketUrl }: Running, healthy: StompClient): Promise<void> {
    await refuseHandshakes(webSocketUrl, 100);
    for (let each = 0; each < 100; each++) await refuseLogin(webSocketUrl);
    await healthy.receipt('SEND', { destination: '/topic/log', 'content-type': 'text/plain' }, 'goes on');
    expect((await healthy.expectFrame('MESSAGE')).body.toString()).toBe('goes on');
    healthy.destroy();
  }

  async function subscriber({ webSocketUrl }: Running): Promise<StompClient> {
    const client = await connectStomp(webSocketUrl);
    await client.receipt('SUBSCRIBE', { id: '0', destination: '/topic/log' });
    return client;
  }

  test.each(['alone', 'with workers'])('a stderr without a reader does not block the relay (%s)', async (kind) => {
    const flags = ['--broker', 'memory:'];
    if (kind === 'with workers') {
      const vhost = await createVhost();
      cleanUp.push(() => vhost.delete());
      flags.splice(0, 2, '--broker', vhost.amqpUrl, '--workers', '2');
    }
    const { input, output } = fullPipe();
    const running = await start(['ignore', 'ignore', input], flags);
    await check(running, await subscriber(running));
    expect(await (await fetch(`${running.adminUrl}/metrics`)).text()).toContain(
      'stomp_relay_log_lines_dropped_total 0\n',
    );

    // When the pipe is read, the waiting lines arrive.
    const read = Buffer.alloc(65_536);
    let log = '';
    const hasCome = () => {
      try {
        log += read.toString('utf8', 0, readSync(output, read));
      } catch {
        return undefined;
      }
      return log.includes('"WebSocket handshake refused: 403"') || undefined;
    };
    await eventually(hasCome, 10_000, () => `the log is only ${log.slice(-1_000)}`);
    const lines = log.slice(log.indexOf('{')).trimEnd().split('\n');
    for (const line of lines) expect(() => JSON.parse(line) as unknown).not.toThrow();
    expect(await running.stop()).toBe(0);
  });

  test('a stderr without a reader does not delay the end of the relay', async () => {
    const running = await start(['ignore', 'ignore', fullPipe().input], ['--broker', 'memory:']);
    expect(await running.stop()).toBe(0);
  });

  test('a full disk does not end the relay', async () => {
    const full = openSync('/dev/full', 'w');
    cleanUp.push(() => closeSync(full));
    const running = await start(['ignore', full, full], ['--broker', 'memory:']);
    await check(running, await subscriber(running));
    expect(await running.stop()).toBe(0);
  });

  test('a closed stdout and stderr do not end the relay', async () => {
    const running = await start(['ignore', 'pipe', 'pipe'], ['--broker', 'memory:']);
    running.child.stdout?.destroy();
    running.child.stderr?.destroy();
    await check(running, await subscriber(running));
    expect(await running.stop()).toBe(0);
  });

  test('a terminal that closes stops the relay in order', async () => {
    const running = await start(['ignore', 'ignore', 'ignore'], ['--broker', 'memory:']);
    const client = await connectStomp(running.webSocketUrl);
    const stopped = running.stop('SIGHUP');
    running.child.kill('SIGHUP'); // shell and kernel each send one
    await client.expectClose(1012);
    await stopped;
    expect(running.child.signalCode).toBe('SIGHUP'); // an abort of Node would be SIGABRT
  });

  test.each([
    ['in a flag is warned about, and not logged', true],
    ['in a variable is not warned about', false],
  ])('a password of the broker %s', async (_, isFlag) => {
    const broker = 'amqp://relay:s3cret-pass@127.0.0.1:1';
    const flags = ['--port', '0', '--admin-port', '0', '--log-format', 'json', ...(isFlag ? ['--broker', broker] : [])];
    const env = { ...process.env, ...(!isFlag && { RELAY_BROKER: broker }) };
    const child = spawn(process.execPath, [cli.program, ...flags], { env, stdio: ['ignore', 'ignore', 'pipe'] });
    const exited = once(child, 'exit');
    cleanUp.push(() => (child.kill('SIGKILL'), exited));
    const lines: string[] = [];
    for await (const line of createInterface(child.stderr)) {
      lines.push(line);
      if (line.includes('cannot reach RabbitMQ')) break;
    }
    const warned = lines
      .filter((line) => line.includes('a flag has a password'))
      .map((line) => JSON.parse(line) as object);
    expect(warned).toEqual(isFlag ? [expect.objectContaining({ flag: '--broker', variable: 'RELAY_BROKER' })] : []);
    expect(lines.join('\n')).not.toContain('s3cret-pass');
  });

  test('a command that cannot print its result ends with one error line and status 1', async () => {
    const full = openSync('/dev/full', 'w');
    cleanUp.push(() => closeSync(full));
    const child = spawn(process.execPath, [cli.program, 'api-key'], { stdio: ['ignore', full, 'pipe'] });
    const exited = once(child, 'exit') as Promise<[number | null]>;
    const [stderr, [status]] = await Promise.all([text(child.stderr!), exited]);
    expect([status, stderr]).toEqual([1, 'stomp-relay: stdout cannot be written to (ENOSPC)\n']);
  });
});
