/** README.md: its figures are those of docs/benchmark.md, and its flags exist. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { SETTINGS } from '../../../server/src/config.js';
import { readPage } from '../../support/page-tables.js';
import type { PageTable } from '../../support/page-tables.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const README = path.join(ROOT, 'README.md');

/** Heading and column of docs/benchmark.md by row of README's table; `part` counts the values of a cell. */
const SOURCES = [
  { row: /1,000 subscribers of a topic/, heading: /^fan-out to 1,000, 128 B/, column: 'deliveries/s' },
  { row: /^CPU of a delivery/, heading: /^fan-out to 1,000, 128 B/, column: 'CPU µs/delivery' },
  { row: /idle session/, heading: /^5,000 sessions/, column: 'RSS KiB/session' },
  { row: /^new sessions a second/, heading: /^5,000 sessions/, column: 'connects/s' },
  { row: /^median latency/, heading: /^10 messages a second/, column: 'p50 / p99 / p99.9 ms', ratio: 'p50 ms' },
  { row: /500 pairs/, heading: /^500 pairs, 1 in flight/, column: 'deliveries/s' },
  { row: /1,000 topics/, heading: /^1,000 topics/, column: 'deliveries/s' },
];

const benchmark = readPage(path.join(ROOT, 'docs/benchmark.md'));
const figures = readPage(README).find(({ titles }) => titles[0] === 'measured')!.rows;

function cellOf(table: PageTable, server: string, column: string): string {
  const row = table.rows.find(([name]) => name === server);
  const cell = row?.[table.titles.indexOf(column)];
  if (cell === undefined) throw new Error(`no ${column} of ${server} under "${table.heading}"`);
  return cell;
}

/** The first value of a cell, to three digits. */
function numberIn(cell: string): number {
  const text = cell.split(' / ', 1)[0]!.replaceAll(',', '').replace(/x$/, '');
  return Number(Number(text).toPrecision(3));
}

describe('the figures of README.md', () => {
  test('each row has a source', () => {
    expect(figures).toHaveLength(SOURCES.length);
  });

  test.each(SOURCES)('are those of the benchmark: $heading, $column', ({ row, heading, column, ratio = column }) => {
    const [, relay = '', plugin = '', times = ''] = figures.find(([name = '']) => row.test(name)) ?? [];
    const table = benchmark.find((each) => heading.test(each.heading))!;
    const expected = ['stomp-relay on RabbitMQ', 'RabbitMQ Web STOMP'].map((server) =>
      numberIn(cellOf(table, server, column)),
    );
    expect([relay, plugin].map(numberIn)).toEqual(expected);
    const measured = numberIn(cellOf(table, 'RabbitMQ Web STOMP', `relay, ${ratio}`));
    expect(Math.abs(numberIn(times) - measured)).toBeLessThan(0.05);
  });
});

test('every flag of an "npm start" in README.md exists', () => {
  const flags = new Set(['--config', '--help', ...SETTINGS.map(({ flag }) => flag.split(' ', 1)[0]!)]);
  const used = [...readFileSync(README, 'utf8').matchAll(/npm start -- ([^`#\n]*)/g)].flatMap(([, given = '']) =>
    given.split(' ').filter((word) => word.startsWith('--')),
  );
  expect(used.length).toBeGreaterThan(4);
  expect(used.filter((flag) => !flags.has(flag))).toEqual([]);
});

test('the first screen of README.md has at most 45 lines', () => {
  const lines = readFileSync(README, 'utf8').split('\n');
  expect(lines.findIndex((line) => line.startsWith('## '))).toBeLessThanOrEqual(46);
});
