/** The start of Centrifugo, with a program of its name that only listens where its configuration says. */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startCentrifugo } from '../../../bench/src/centrifugo.js';
import { missing } from '../../../bench/src/peers.js';
import { Processes } from '../../../bench/src/processes.js';

const PROGRAM = `#!${process.execPath}
const { readFileSync } = require('node:fs');
const { address, port } = JSON.parse(readFileSync(process.argv[3], 'utf8')).http_server;
require('node:net').createServer().listen(port, address);
`;

const before = process.env['PATH'];
let folder: string;
let processes: Processes;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'programs-'));
  process.env['PATH'] = folder;
  processes = new Processes();
});
afterEach(async () => {
  await processes.stopAll();
  process.env['PATH'] = before;
  rmSync(folder, { recursive: true });
});

function install(program: string): void {
  const file = path.join(folder, program);
  writeFileSync(file, PROGRAM);
  chmodSync(file, 0o755);
}

/** The configuration of the program that was started. */
function configuration(): unknown {
  const name = readdirSync(processes.directory).find((file) => file.endsWith('.json'));
  return JSON.parse(readFileSync(path.join(processes.directory, name ?? ''), 'utf8'));
}

test('without its program it is left out, by name', () => {
  expect(missing('centrifugo')).toBe('Centrifugo (memory engine) is left out: centrifugo is not on the PATH');
  expect(missing('centrifugo-redis')).toBe('Centrifugo on Redis is left out: centrifugo is not on the PATH');
  install('centrifugo');
  expect(missing('centrifugo')).toBeUndefined();
});

test('it listens on the loopback interface only, and its channels have no history', async () => {
  install('centrifugo');
  const { port, path: urlPath, serverPids, brokerPids } = await startCentrifugo(processes);
  expect(configuration()).toMatchObject({
    http_server: { address: '127.0.0.1', port },
    usage_stats: { disabled: true },
    http_api: { disabled: true },
    client: { insecure: true },
    channel: { without_namespace: expect.not.objectContaining({ history_size: expect.anything() }) },
    engine: { type: 'memory' },
  });
  expect(urlPath).toBe('/connection/websocket');
  expect([serverPids.length, brokerPids.length]).toEqual([1, 0]);
});

test('recoverable channels keep more messages than any client misses', async () => {
  install('centrifugo');
  await startCentrifugo(processes, { isRecoverable: true });
  expect(configuration()).toMatchObject({
    channel: { without_namespace: { history_size: 1_000, force_recovery: true } },
  });
});

test('a Redis is its engine and its broker', async () => {
  install('centrifugo');
  const redis = { port: 6_379, pid: 17, stop: () => Promise.resolve() };
  const { brokerPids } = await startCentrifugo(processes, { redis });
  expect(brokerPids).toEqual([17]);
  expect(configuration()).toMatchObject({ engine: { type: 'redis', redis: { address: 'redis://127.0.0.1:6379' } } });
});
