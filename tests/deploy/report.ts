/** The result of a rolling deploy, as a table: for each kind of client what it missed, and how long it was away. */
import type { Reader, ReaderKind } from './readers.js';
import type { Sequence } from './sequence.js';

export interface KindReport {
  readonly kind: ReaderKind;
  readonly readers: number;
  /** Messages of all readers together: of the topic, and to users. */
  readonly missed: readonly [topic: number, users: number];
  readonly missedByOneMax: number;
  /** Messages that a reader with a live connection did not get. */
  readonly holes: number;
  readonly twice: number;
  readonly outOfOrder: number;
  /** For each time that a reader was away. */
  readonly awayMs: readonly number[];
}

export function reportOf(kind: ReaderKind, all: readonly Reader[]): KindReport {
  const readers = all.filter((each) => each.kind === kind);
  const sum = (
    numberOf: (sequence: Sequence) => number,
    of: readonly ('topic' | 'mine')[] = ['topic', 'mine'],
  ): number => readers.flatMap((reader) => of.map((name) => numberOf(reader[name]))).reduce((a, b) => a + b, 0);
  return {
    kind,
    readers: readers.length,
    missed: [sum(({ missed }) => missed, ['topic']), sum(({ missed }) => missed, ['mine'])],
    missedByOneMax: Math.max(0, ...readers.map(({ topic }) => topic.missed)),
    holes: sum(({ holes }) => holes),
    twice: sum(({ twice }) => twice),
    outOfOrder: sum(({ outOfOrder }) => outOfOrder),
    awayMs: readers.flatMap(({ awayMs }) => awayMs).sort((a, b) => a - b),
  };
}

export function table(title: string, reports: readonly KindReport[]): string {
  const head = [
    'clients',
    'number',
    'missed (topic, users)',
    'most',
    'twice',
    'out of order',
    'away',
    'median',
    'longest',
  ];
  const rows = reports.map((each) => [
    each.kind,
    each.readers,
    each.missed.join(', '),
    each.missedByOneMax,
    each.twice,
    each.outOfOrder,
    `${each.awayMs.length} times`,
    seconds(each.awayMs[Math.floor(each.awayMs.length / 2)]),
    seconds(each.awayMs.at(-1)),
  ]);
  const cells = [head, ...rows].map((row) => row.map(String));
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) => row.map((cell, column) => cell.padStart(widths[column]!)).join('  '));
  return [title, ...lines].join('\n');
}

function seconds(ms = 0): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
