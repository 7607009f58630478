import { expect, test } from '@jest/globals';
import { readSettings, SettingsError } from '../../../../examples/row-streamer/settings.js';

const read = (line: string, env: Record<string, string> = {}) => readSettings(line.split(' '), env);

test('defaults apply to missing flags', () => {
  expect(readSettings(['--query', ' select 1; '], {})).toEqual({
    isHelp: false,
    query: 'select 1',
    topic: '/topic/data',
    rowsPerSecond: Infinity,
    windowMax: 100,
    batchMax: 100,
    isLoop: false,
    isCounted: false,
    waitMs: 60_000,
    databaseUrl: undefined,
    relay: { url: 'ws://127.0.0.1:8080/ws' },
  });
});

test('the demo has its own query and rate, and counts its rows', () => {
  expect(read('--demo')).toMatchObject({
    rowsPerSecond: 20,
    isCounted: true,
    query: expect.stringContaining('generate_series'),
  });
  expect(read('--demo --rate 0.5')).toMatchObject({ rowsPerSecond: 0.5 });
});

test('flags take precedence over variables; credentials are variables only', () => {
  const env = {
    DATABASE_URL: 'postgres://a/b',
    RELAY_URL: 'wss://relay/ws',
    RELAY_LOGIN: 'rows',
    RELAY_PASSCODE: 'secret',
  };
  expect(read('--demo', env)).toMatchObject({
    databaseUrl: 'postgres://a/b',
    relay: { url: 'wss://relay/ws', login: 'rows', passcode: 'secret' },
  });
  expect(read('--demo --database postgresql://c/d --relay ws://other/ws', env)).toMatchObject({
    databaseUrl: 'postgresql://c/d',
    relay: { url: 'ws://other/ws' },
  });
  expect(read('--demo', { RELAY_TOKEN: 'abc' })).toMatchObject({ relay: { token: 'abc' } });
});

test('--help needs no other flag', () => {
  expect(read('--help')).toEqual({ isHelp: true });
});

test.each([
  ['--loop', 'Nothing to publish'],
  ['--query=', 'Nothing to publish'],
  ['--demo --query x', 'Either --query or --demo'],
  ['--demo --window 0', '--window is a whole number from 1 to 256'],
  ['--demo --window 257', '--window is a whole number from 1 to 256'],
  ['--demo --window 1.5', "'1.5'"],
  ['--demo --batch 10001', '--batch is a whole number from 1 to 10,000'],
  ['--demo --rate fast', "--rate is a number from 0.01 to 1,000,000, not 'fast'"],
  ['--demo --rate 0', '--rate is a number'],
  ['--demo --rate=-1', '--rate is a number'],
  ['--demo --rate 1e3', '--rate is a number'],
  ['--demo --wait 0', '--wait is a whole number'],
  ['--demo --topic data', '--topic is a destination such as /topic/data'],
  ['--demo --relay amqp://x', '--relay is a URL that begins with ws:// or wss://'],
  ['--demo --database mysql://x', '--database is a URL that begins with postgres:// or postgresql://'],
  ['--demo --speed 5', "Unknown option '--speed'"],
  ['--demo more', "Unexpected argument 'more'"],
])('%s is refused', (line, sentence) => {
  expect(() => read(line)).toThrow(SettingsError);
  expect(() => read(line)).toThrow(sentence);
});

test('an error does not repeat a URL that may contain a password', () => {
  const refused = () => read('--demo', { DATABASE_URL: 'mysql://me:secret@host/db' });
  expect(refused).toThrow('DATABASE_URL is a URL that begins with postgres://');
  expect(refused).not.toThrow('secret');
});
