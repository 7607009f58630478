/** The pages that lead to others: their links resolve, and the index has every page. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { readPage } from '../../support/page-tables.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const COLUMNS_MAX = 120;
const PAGES = [
  'README.md',
  'CHANGELOG.md',
  'docs/README.md',
  'docs/command-line.md',
  'docs/destinations.md',
  'docs/errors.md',
  'docs/getting-started.md',
  'docs/upgrading.md',
];

describe.each(PAGES)('%s', (page) => {
  const text = readFileSync(path.join(ROOT, page), 'utf8').replaceAll(/^```[^]*?^```$/gm, '');

  test('its links lead to files and headings that exist', () => {
    const targets = [...text.matchAll(/\]\(([^)\s]+)\)|src="([^"]+)"/g)].map(([, link, image]) => link ?? image!);
    expect(targets.length).toBeGreaterThan(1);
    expect(targets.filter((target) => !exists(page, target))).toEqual([]);
  });

  test('each column of its tables has a heading', () => {
    const tables = readPage(path.join(ROOT, page));
    expect(tables.filter(({ titles }) => titles.includes(''))).toEqual([]);
  });

  test(`its lines have at most ${COLUMNS_MAX} columns, except tables`, () => {
    const long = text.split('\n').filter((line) => line.length > COLUMNS_MAX && !line.startsWith('|'));
    expect(long).toEqual([]);
  });
});

test('docs/README.md lists every page of docs/', () => {
  const index = readFileSync(path.join(ROOT, 'docs/README.md'), 'utf8');
  const pages = readdirSync(path.join(ROOT, 'docs')).filter((file) => file.endsWith('.md') && file !== 'README.md');
  expect(pages.filter((file) => !index.includes(`](${file})`))).toEqual([]);
});

function exists(page: string, target: string): boolean {
  if (/^https?:/.test(target)) return true;
  const [file = '', anchor] = target.split('#');
  const to = file === '' ? path.join(ROOT, page) : path.resolve(ROOT, path.dirname(page), file);
  if (!existsSync(to)) return false;
  return anchor === undefined || anchorsOf(to).includes(anchor);
}

/** As GitHub makes them from headings. */
function anchorsOf(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_\s-]/gu, '')
      .replaceAll(/\s/g, '-'),
  );
}
