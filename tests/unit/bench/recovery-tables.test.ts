import { expect, test } from '@jest/globals';
import {
  behindTable,
  centrifugoReturnsTable,
  returnsTable,
  warmStartTable,
} from '../../../bench/src/growth/recovery-tables.js';

const RETURNS = {
  clients: 10_000,
  missed: 100,
  recovered: 10_000,
  answeredSeconds: 15,
  deliveredSeconds: 16,
  lagP99Ms: 100,
  relayMicrosPerMessage: 3,
  relayMicrosPerSession: 300,
  relayCpuSeconds: 4,
  wrong: 0,
};

const states = (table: string): string[] =>
  table
    .split('\n')
    .slice(2)
    .map((line) => line.split('|').at(-2)!.trim())
    .filter((state) => state !== '');

test('goals are met at their limits, and missed beyond them', () => {
  expect(states(returnsTable(RETURNS))).toEqual(['met', 'met', 'met', 'met', 'met']);
  const worse = { recovered: 9_999, wrong: 1, answeredSeconds: 15.1, lagP99Ms: 101, relayMicrosPerMessage: 3.01 };
  expect(states(returnsTable({ ...RETURNS, ...worse }))).toEqual(Array(5).fill('missed'));
});

test('each engine of Centrifugo has a column, which names how its clients were lost', () => {
  const figures = {
    clients: 10_000,
    missed: 100,
    recovered: 9_999,
    answeredSeconds: 3,
    deliveredSeconds: 4,
    serverMicrosPerMessage: 0.5,
    serverCpuSeconds: 2,
    redisCpuSeconds: 0,
    serverMicrosPerSession: 160,
    wrong: 0,
  };
  const table = centrifugoReturnsTable([
    { ...figures, engine: 'centrifugo' },
    { ...figures, engine: 'centrifugo-redis', recovered: 10_000, wrong: 7 },
  ]);
  expect(table.split('\n')[0]).toMatch(/memory engine; clients were cut.*on Redis; the server was killed/);
  expect(table).toContain('| recovered | 9,999 | 10,000 |');
  expect(table).toContain('| lost, duplicate or out of order | 0 | 7 |');
});

test('a gap that is read twice misses its goal', () => {
  const result = {
    clients: 100,
    missed: 10_000,
    recovered: 100,
    seconds: 2.1,
    readers: 1,
    timesRead: 2,
    relayCpuSeconds: 1,
    rabbitCpuSeconds: 0.1,
    wrong: 0,
  };
  expect(states(behindTable(result))).toEqual(['met', 'met', 'missed', 'met', 'missed']);
  expect(behindTable(result)).toContain('| messages that each has missed | 10,000 |');
});

test('a start has a goal for the time and one for the CPU', () => {
  const result = {
    messages: 100_000,
    readySeconds: 31,
    emptyReadySeconds: 1,
    relayMicrosPerMessage: 12,
    rabbitMicrosPerMessage: 20,
    ringBytesPerMessage: 800,
    relayBytesPerMessage: 900,
    diskBytesPerMessage: 300,
  };
  expect(states(warmStartTable(result))).toEqual(['missed', 'met']);
});
