/** The index of docs/decisions matches its files, and every source that a decision names exists. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';

const ROOT = path.resolve(import.meta.dirname, '../..');
const FOLDER = path.join(ROOT, 'docs/decisions');

const files = readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.md') && file !== 'README.md')
  .sort();
const decisions = files.map((file) => {
  const text = readFileSync(path.join(FOLDER, file), 'utf8');
  const [, title = '', date = ''] = /^# (.+)\n\nDate: (\d{4}-\d\d-\d\d)\n\n\S/.exec(text) ?? [];
  return { file, text, title, date };
});

/** The rows of the index, each with the area of its section. */
function readIndex() {
  const [, ...sections] = readFileSync(path.join(FOLDER, 'README.md'), 'utf8').split(/^## /m);
  return sections.flatMap((section) => {
    const area = section.slice(0, section.indexOf('\n'));
    const rows = section.matchAll(/^\| \[(.+)\]\(([^)]+)\) \| (.+) \|$/gm);
    return [...rows].map(([, title = '', file = '', date = '']) => ({ area, title, file, date }));
  });
}

test('every decision begins with a title and a date', () => {
  expect(decisions.length).toBeGreaterThan(100);
  expect(decisions.filter(({ title, date }) => title === '' || date === '').map(({ file }) => file)).toEqual([]);
});

test('the index lists every decision once, in its area, with its title and date', () => {
  const listed = readIndex().sort((a, b) => (a.file < b.file ? -1 : 1));
  expect(listed).toEqual(decisions.map(({ file, title, date }) => ({ area: path.dirname(file), title, file, date })));
});

test('every source that a decision names exists', () => {
  const named = decisions.flatMap(({ file, text }) =>
    [...text.matchAll(/`((?:server|client-sdk|tests|docs)\/[\w/.-]+)`/g)].map(([, source = '']) => ({ file, source })),
  );
  expect(named.length).toBeGreaterThan(5);
  expect(named.filter(({ source }) => !existsSync(path.join(ROOT, source)))).toEqual([]);
});
