/** Pages that name a test for each promise: the tests exist, and the list of tests contains every name on the page. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';

const ROOT = path.resolve(import.meta.dirname, '../..');
describe.each(['guarantees.md', 'security.md'])('docs/%s', (page) => {
  const [text = '', list = ''] = readFileSync(path.join(ROOT, 'docs', page), 'utf8').split('## The tests');

  const tests = [...list.matchAll(/^\| `([\w-]+)` \| `([^`]+)` \| (.+) \|$/gm)].map(([, name, file, title]) => ({
    name: name!,
    file: file!,
    title: title!,
  }));

  test('the page lists tests with unique names', () => {
    expect(tests.length).toBeGreaterThan(30);
    expect(new Set(tests.map(({ name }) => name)).size).toBe(tests.length);
  });

  test('every test of the list exists in its file', () => {
    const isThere = ({ file, title }: (typeof tests)[number]): boolean => {
      const source = path.join(ROOT, file);
      if (!existsSync(source)) return false;
      const code = readFileSync(source, 'utf8');
      // As the first argument of a call
      const isCalled = (quoted: string) =>
        code
          .split(`${quoted},`)
          .slice(0, -1)
          .some((before) => before.trimEnd().endsWith('('));
      return [`'${title}'`, `"${title}"`, `\`${title}\``].some(isCalled);
    };
    expect(tests.filter((each) => !isThere(each))).toEqual([]);
  });

  test('the names in the text are exactly those of the list', () => {
    const cells = [...text.matchAll(/^\|.*\| ([^|]*) \|$/gm)].map(([, cell]) => cell!);
    const inParentheses = [...text.matchAll(/\((`[a-z-]+`(?:, `[a-z-]+`)*)\)/g)].map(([, names]) => names!);
    const named = [...cells, ...inParentheses].flatMap((each) =>
      [...each.matchAll(/`([a-z][a-z-]+)`/g)].map(([, name]) => name!),
    );
    expect([...new Set(named)].sort()).toEqual(tests.map(({ name }) => name).sort());
  });
});
