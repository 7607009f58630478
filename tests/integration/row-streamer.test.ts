/** examples/row-streamer on a real PostgreSQL, with relays that restart. */
import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createClient } from 'stomp-relay-client';
import { WebSocket } from 'ws';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { eventually } from '../support/deadline.js';
import { freePorts } from '../support/free-ports.js';
import { startPostgres } from '../support/postgres.js';
import type { Postgres } from '../support/postgres.js';
import { RelayCli } from '../support/relay-cli.js';
import { BROKERS, createBroker, startRelay } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp } from '../support/stomp-client.js';
import type { ReceivedFrame } from '../support/stomp-client.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const ROOT = path.resolve(import.meta.dirname, '../..');
/** A copy of the example with a client SDK built from the sources, inside the repository for its other packages. */
const BUILD = path.join(ROOT, '.cache', `row-streamer-${randomUUID()}`);

jest.setTimeout(60_000); // starts processes

let postgres: Postgres;
beforeAll(async () => {
  buildExample();
  postgres = await startPostgres();
}, 600_000);
afterAll(async () => {
  await postgres?.stop();
  rmSync(BUILD, { recursive: true, force: true });
});

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

function buildExample(): void {
  const sdk = path.join(BUILD, 'node_modules/stomp-relay-client');
  mkdirSync(sdk, { recursive: true });
  cpSync(path.join(ROOT, 'examples/row-streamer'), BUILD, {
    recursive: true,
    filter: (file) => !file.endsWith('package.json'), // Jest warns about two packages with one name
  });
  writeFileSync(path.join(BUILD, 'package.json'), JSON.stringify({ type: 'module' }));
  writeFileSync(path.join(sdk, 'package.json'), JSON.stringify({ type: 'module', exports: './index.js' }));
  const source = path.join(ROOT, 'client-sdk/src/core/index.ts');
  const flags = ['--bundle', '--format=esm', '--packages=external', '--log-level=warning'];
  const outfile = path.join(sdk, 'index.js');
  execFileSync(path.join(ROOT, 'node_modules/.bin/esbuild'), [source, ...flags, `--outfile=${outfile}`]);
}

interface Streamer {
  readonly child: ChildProcess;
  readonly out: Inbox<string>;
  readonly errors: Inbox<string>;
  /** Exit status and signal. */
  readonly ended: Promise<unknown>;
}

function stream(flags: readonly string[], environment: Record<string, string> = {}): Streamer {
  const child = spawn(process.execPath, [path.join(BUILD, 'main.js'), ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, DATABASE_URL: postgres.url, ...environment },
  });
  const ended = once(child, 'close').then(([code, signal]: unknown[]) => signal ?? code);
  cleanUp.push(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  const [out, errors] = [new Inbox<string>('stdout'), new Inbox<string>('stderr')];
  createInterface(child.stdout).on('line', out.add);
  createInterface(child.stderr).on('line', errors.add);
  return { child, out, errors, ended };
}

async function relayOn(...given: Parameters<typeof startRelay>): Promise<TestRelay> {
  const relay = await startRelay(...given);
  cleanUp.push(() => relay.stop());
  return relay;
}

const newTopic = (): string => `/topic/rows.${randomUUID()}`;

/** Collects the frames of a plain STOMP client. */
async function listen(relay: TestRelay, destination: string): Promise<Inbox<ReceivedFrame>> {
  const client = await connectStomp(relay.webSocketUrl);
  const frames = new Inbox<ReceivedFrame>(destination);
  await client.receipt('SUBSCRIBE', { id: 's', destination });
  const listening = (async () => {
    for (;;) frames.add(await client.nextFrame(60_000));
  })().catch(() => undefined);
  cleanUp.push(async () => {
    client.destroy();
    await listening;
  });
  return frames;
}

interface Row {
  readonly n: number;
}

/** Collects the rows of a subscriber with the SDK. */
async function listenWithSdk(relay: TestRelay, destination: string): Promise<Inbox<Row>> {
  const client = createClient({
    url: relay.webSocketUrl,
    createWebSocket: (url, protocols) => new WebSocket(url, protocols) as never,
  });
  cleanUp.push(() => client.close());
  const rows = new Inbox<Row>(destination);
  await client.subscribe<Row>(destination, ({ data }) => rows.add(data)).ready;
  return rows;
}

const rowOf = ({ body }: ReceivedFrame): Row => JSON.parse(body.toString()) as Row;
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

/** The open database sessions of the streamer. */
const sessions = () =>
  postgres.query<{ state: string }>(`select state from pg_stat_activity where application_name = 'row-streamer'`);

const summaryOf = ({ out }: Streamer): string => out.all.at(-1) ?? '';

describe.each(BROKERS)('with the broker %s', (kind) => {
  test('all rows arrive in order as JSON, numbered within one run', async () => {
    const broker = await createBroker(kind);
    cleanUp.push(() => broker.delete());
    const relay = await relayOn(broker.url);
    const topic = newTopic();
    const frames = await listen(relay, topic);
    const streamer = stream([
      ...['--query', `select n, 'row ' || n as name from generate_series(1, 1000) as n order by n;`],
      ...['--relay', relay.webSocketUrl, '--topic', topic, '--batch', '64', '--window', '32', '--count'],
    ]);
    expect(await streamer.ended).toBe(0);
    const received = await frames.take(1_000);
    expect(received.map(rowOf)).toEqual(upTo(1_000).map((n) => ({ n, name: `row ${n}` })));
    const run = /run (\w+)/.exec(streamer.out.all[0] ?? '')?.[1];
    expect(received.map(({ headers }) => headers['idempotency-key'])).toEqual(upTo(1_000).map((n) => `${run}-${n}`));
    expect(received[0]?.headers).toMatchObject({ destination: topic, 'content-type': 'application/json' });
    expect(summaryOf(streamer)).toMatch(/^published 1,000 of 1,000 rows in 0:\d\d \([\d,]+ rows\/s\)$/);
    expect(streamer.errors.all).toEqual([]);
    expect(await sessions()).toEqual([]);
  });
});

describe('rows', () => {
  test('values of all types arrive with every digit, microsecond and byte', async () => {
    const relay = await relayOn();
    const topic = newTopic();
    const frames = await listen(relay, topic);
    const streamer = stream(
      [
        '--query',
        `select 9223372036854775807 as big, 0.10::numeric as price, 1.5::float8 as number, 'NaN'::float8 as odd, null as nothing,
        date '2026-01-31' as day, timestamp '2026-01-31 12:00:00.123456' as local, interval '1 day 2 hours' as pause,
        timestamptz '2026-01-31 12:00:00.123456Z' as at, '\\x00ff'::bytea as bytes, '{"a":[1]}'::jsonb as json,
        array[1, null] as list, array[0.10] as prices, true as yes`,
        ...['--relay', relay.webSocketUrl, '--topic', topic],
      ],
      { PGOPTIONS: '-c timezone=Asia/Kolkata' },
    );
    expect(rowOf(await frames.next())).toEqual({
      ...{ big: '9223372036854775807', price: '0.10', number: 1.5, odd: 'NaN', nothing: null },
      ...{ day: '2026-01-31', local: '2026-01-31T12:00:00.123456', pause: '1 day 02:00:00' },
      ...{ at: '2026-01-31T17:30:00.123456+05:30', bytes: 'AP8=', json: { a: [1] } },
      ...{ list: [1, null], prices: ['0.10'], yes: true },
    });
    expect(await streamer.ended).toBe(0);
  });

  test('--demo streams rows of numbers without a table', async () => {
    const relay = await relayOn();
    const topic = newTopic();
    const frames = await listen(relay, topic);
    const streamer = stream(['--demo', '--rate', '1000', '--relay', relay.webSocketUrl, '--topic', topic]);
    const rows = (await frames.take(100)).map(rowOf);
    rows.forEach((row, index) => {
      expect(row).toEqual({
        ...{ row: index + 1, at: expect.stringMatching(/^2026-01-01T\d\d:\d\d:00\+00:00$/) },
        ...{ oslo: expect.any(Number), lisbon: expect.any(Number), cairo: expect.any(Number) },
      });
    });
    streamer.child.kill('SIGINT');
    expect(await streamer.ended).toBe(0);
  });

  test('--loop repeats the query and continues the numbering', async () => {
    const relay = await relayOn();
    const topic = newTopic();
    const frames = await listen(relay, topic);
    const streamer = stream([
      ...['--query', 'select n from generate_series(1, 3) as n', '--loop'],
      ...['--relay', relay.webSocketUrl, '--topic', topic],
    ]);
    const received = await frames.take(7);
    expect(received.map((frame) => rowOf(frame).n)).toEqual([1, 2, 3, 1, 2, 3, 1]);
    expect(received.map(({ headers }) => headers['idempotency-key']?.split('-')[1])).toEqual(upTo(7).map(String));
    streamer.child.kill('SIGTERM');
    expect(await streamer.ended).toBe(0);
  });
});

describe('back-pressure', () => {
  test('while confirms are missing, PostgreSQL produces no more rows than window and batch', async () => {
    const relay = await relayOn();
    const proxy = await TcpProxy.start(relay.webSocketUrl);
    cleanUp.push(() => proxy.close());
    const topic = newTopic();
    const frames = await listen(relay, topic);
    // each produced row holds a lock, so the rows can be counted
    const streamer = stream([
      ...['--query', 'select n, pg_try_advisory_lock_shared(n) as made from generate_series(1, 4000) as n'],
      ...['--relay', proxy.url(relay.webSocketUrl), '--topic', topic],
      ...['--window', '25', '--batch', '10', '--rate', '1000'],
    ]);
    await frames.next();
    proxy.hold('answers');
    await streamer.out.until(isFull, 30_000, 'no line with a full window');
    const lines = streamer.out.all.length;
    const confirmed = Number(/^(\d+) rows/.exec(streamer.out.all.at(-1) ?? '')?.[1]);
    await frames.atLeast(confirmed + 25);
    expect(await rowsProduced()).toBeLessThanOrEqual(confirmed + 25 + 10);
    await streamer.out.atLeast(lines + 1); // it has had time to continue
    expect(await rowsProduced()).toBeLessThanOrEqual(confirmed + 25 + 10);
    expect(frames.all.length).toBe(confirmed + 25);
    proxy.restore();
    expect(await streamer.ended).toBe(0);
    expect(frames.all.map((frame) => rowOf(frame).n)).toEqual(upTo(4_000));
  });

  const isFull = (lines: readonly string[]): boolean => lines.at(-1)?.includes('25 in flight') === true;

  const rowsProduced = async (): Promise<number> => {
    const [locks] = await postgres.query<{ count: string }>(
      `select count(*) from pg_locks where locktype = 'advisory'`,
    );
    return Number(locks?.count);
  };
});

describe('a relay that fails', () => {
  let cli: RelayCli;
  beforeAll(() => {
    cli = new RelayCli();
  }, 120_000);
  afterEach(() => cli.killAll());
  afterAll(() => cli?.remove());

  test('when the relay is killed with unconfirmed rows, all rows arrive in order, and with the SDK once each', async () => {
    const broker = await createBroker('rabbitmq');
    cleanUp.push(() => broker.delete());
    const other = await relayOn(broker.url);
    const [port] = await freePorts(1);
    const flags = ['--broker', broker.url, '--port', String(port)];
    const killed = await cli.start(flags);
    const proxy = await TcpProxy.start(killed.websocketUrl);
    cleanUp.push(() => proxy.close());
    const topic = newTopic();
    const [frames, rows] = [await listen(other, topic), await listenWithSdk(other, topic)];
    const streamer = stream([
      ...['--query', 'select n from generate_series(1, 600) as n', '--rate', '300'],
      ...['--relay', proxy.url(killed.websocketUrl), '--topic', topic],
    ]);
    await frames.atLeast(50);
    proxy.hold('answers');
    await frames.atLeast(frames.all.length + 20); // the broker has these rows, but the streamer has no confirms
    killed.child.kill('SIGKILL');
    await killed.exited;
    proxy.reset();
    proxy.restore();
    await cli.start(flags);
    expect(await streamer.ended).toBe(0);
    await rows.atLeast(600);
    expect(rows.all.map(({ n }) => n)).toEqual(upTo(600));
    const raw = frames.all.map((frame) => rowOf(frame).n);
    expect([...new Set(raw)]).toEqual(upTo(600));
    expect(raw.length).toBeGreaterThan(600); // some have arrived twice
    expect(streamer.out.all).toContain('relay: connected again');
    expect(summaryOf(streamer)).toMatch(/^published 600 rows in /);
  });

  test('when a relay with its embedded broker is replaced, the streamer continues with the new one', async () => {
    const relay = await startRelay();
    const { port } = new URL(relay.webSocketUrl);
    const topic = newTopic();
    const before = await listen(relay, topic);
    const streamer = stream([
      ...['--query', 'select n from generate_series(1, 600) as n', '--rate', '300'],
      ...['--relay', relay.webSocketUrl, '--topic', topic],
    ]);
    await before.atLeast(50);
    await relay.stop();
    await relayOn('memory:', { listen: { port: Number(port), tcpPort: 0, adminPort: 0 } });
    expect(await streamer.ended).toBe(0);
    expect(summaryOf(streamer)).toMatch(/^published 600 rows in /);
  });

  test('a relay that is away longer than --wait ends the streamer with one sentence and status 1', async () => {
    const [port] = await freePorts(1);
    const streamer = stream(['--demo', '--wait', '1', '--relay', `ws://127.0.0.1:${port}/ws`]);
    expect(await streamer.ended).toBe(1);
    expect(streamer.errors.all).toEqual([expect.stringMatching(/^relay: .*1000 ms/)]);
    expect(summaryOf(streamer)).toMatch(/^published 0 of 10,080 rows .*; \d+ more sent, not confirmed$/);
  });

  test.each([
    ['login', { auth: { authenticators: [{ kind: 'users' as const, users: [] }] } }],
    ['topic', { policy: { rules: [] } }],
  ])('a refused %s ends the streamer with one sentence and status 1, without another attempt', async (_, options) => {
    const relay = await relayOn('memory:', options);
    const streamer = stream(['--demo', '--relay', relay.webSocketUrl], {
      RELAY_LOGIN: 'rows',
      RELAY_PASSCODE: 'hidden',
    });
    expect(await streamer.ended).toBe(1);
    expect(streamer.errors.all).toEqual([expect.stringMatching(/^relay: /)]);
    expect([...streamer.out.all, ...streamer.errors.all].join()).not.toContain('hidden');
  });
});

describe('a stop', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    '%s during a stream waits for the confirms of sent rows and closes all connections',
    async (signal) => {
      const relay = await relayOn();
      const topic = newTopic();
      const frames = await listen(relay, topic);
      const streamer = stream([
        ...['--query', 'select n from generate_series(1, 100000) as n', '--rate', '500'],
        ...['--relay', relay.webSocketUrl, '--topic', topic],
      ]);
      await frames.atLeast(60);
      streamer.child.kill(signal);
      streamer.child.kill(signal); // npm forwards a signal that the terminal has already sent
      expect(await streamer.ended).toBe(0);
      const [, confirmed] = /^stopped: published (\d+) rows in [^;]*$/.exec(summaryOf(streamer)) ?? [];
      await frames.atLeast(Number(confirmed));
      expect(frames.all.map((frame) => rowOf(frame).n)).toEqual(upTo(Number(confirmed)));
      expect(streamer.errors.all).toEqual([]);
      expect(await sessions()).toEqual([]);
    },
  );

  test.each([[[]], [['--count']]])('SIGTERM cancels a query that would not end (flags %j)', async (flags) => {
    const relay = await relayOn();
    const streamer = stream(['--query', 'select pg_sleep(3600)', '--relay', relay.webSocketUrl, ...flags]);
    const isRunning = async () => (await sessions()).some(({ state }) => state === 'active') || undefined;
    await eventually(isRunning, 15_000, () => 'the query does not run');
    streamer.child.kill('SIGTERM');
    expect(await streamer.ended).toBe(0);
    expect(await sessions()).toEqual([]);
    expect(streamer.errors.all).toEqual([]);
  });
});

describe('a database', () => {
  test('the streamer waits for a database that starts later', async () => {
    const relay = await relayOn();
    await postgres.kill();
    const streamer = stream(['--query', 'select 1 as n', '--relay', relay.webSocketUrl, '--topic', newTopic()]);
    expect(await streamer.out.next()).toMatch(/^database: .*ECONNREFUSED.*; trying again$/);
    await postgres.start();
    expect(await streamer.ended).toBe(0);
    expect(summaryOf(streamer)).toMatch(/^published 1 rows/);
  });

  test('a missing database ends the streamer with one sentence and status 1', async () => {
    const [port] = await freePorts(1);
    const streamer = stream(['--demo', '--wait', '1', '--database', `postgres://me:hidden@127.0.0.1:${port}/none`]);
    expect(await streamer.ended).toBe(1);
    expect(streamer.out.all).toContainEqual(expect.stringMatching(/^database: .*ECONNREFUSED.*; trying again$/));
    expect(streamer.errors.all).toEqual([expect.stringMatching(/^database: .*ECONNREFUSED/)]);
    expect([...streamer.out.all, ...streamer.errors.all].join()).not.toContain('hidden');
  });

  test('a database that refuses the login ends the streamer at once, without the password in the output', async () => {
    const url = new URL(postgres.url);
    url.password = 'hidden';
    const streamer = stream(['--demo', '--database', url.href]);
    expect(await streamer.ended).toBe(1);
    expect(streamer.errors.all).toEqual(['database: password authentication failed for user "tester" (28P01)']);
    expect(streamer.out.all).toEqual([]);
  });

  test('a database that fails during a stream ends the streamer with status 1, after the confirms of the rows read', async () => {
    const relay = await relayOn();
    const topic = newTopic();
    const frames = await listen(relay, topic);
    const streamer = stream([
      ...['--query', 'select n from generate_series(1, 100000) as n', '--rate', '500', '--batch', '10'],
      ...['--relay', relay.webSocketUrl, '--topic', topic],
    ]);
    await frames.atLeast(50);
    await postgres.kill();
    expect(await streamer.ended).toBe(1);
    await postgres.start();
    expect(streamer.errors.all).toEqual([
      expect.stringMatching(/^database: (the connection was lost: \S|terminating connection)/),
    ]);
    const [, confirmed] = /^published (\d+) rows in [^;]*$/.exec(summaryOf(streamer)) ?? [];
    await frames.atLeast(Number(confirmed));
    expect(frames.all.map((frame) => rowOf(frame).n)).toEqual(upTo(Number(confirmed)));
  });

  test.each([
    ['a row that fails', 'select 10 / (5 - n) as n from generate_series(1, 9) as n', 'division by zero (22012)'],
    ['an invalid query', 'selec 1', 'syntax error at or near "selec" (42601)'],
    ['a query that writes', 'create table x (n int)', 'cannot execute CREATE TABLE in a read-only transaction (25006)'],
    ['two columns of one name', 'select 1 as n, 2 as n', 'two columns are called n: give one another name, with "as"'],
  ])('%s ends the streamer with one sentence and status 1', async (_, query, sentence) => {
    const relay = await relayOn();
    const streamer = stream(['--query', query, '--relay', relay.webSocketUrl]);
    expect(await streamer.ended).toBe(1);
    expect(streamer.errors.all).toEqual([`database: ${sentence}`]);
  });
});

test('an invalid setting ends the streamer with its name, its range and status 1', async () => {
  const streamer = stream(['--demo', '--window', '0']);
  expect(await streamer.ended).toBe(1);
  expect(streamer.out.all).toEqual([]);
  expect(streamer.errors.all).toEqual([
    "--window is a whole number from 1 to 256, not '0'.",
    '--help lists the settings.',
  ]);
});
