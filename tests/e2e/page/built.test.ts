/** The page as it is built: small, and nothing that the policy of the relay's answers would refuse. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';

const PAGE = path.resolve(import.meta.dirname, '../../../server/dist/page');
const files = readdirSync(PAGE, { recursive: true, encoding: 'utf8' }).filter((file) => path.extname(file) !== '');
const contents = (file: string): Buffer => readFileSync(path.join(PAGE, file));

/** KiB, gzipped, of all files that end so. */
function gzipped(extension: string): number {
  const bytes = files.filter((file) => file.endsWith(extension)).map((file) => gzipSync(contents(file)).length);
  expect(bytes).toHaveLength(1);
  return (bytes[0] as number) / 1_024;
}

test('is small', () => {
  expect(gzipped('.js')).toBeLessThan(90);
  expect(gzipped('.css')).toBeLessThan(5);
});

test('is one script, one style, one icon, and the document', () => {
  expect(files.map((file) => path.extname(file)).sort()).toEqual(['.css', '.html', '.js', '.svg']);
});

test('has nothing inline, and nothing from elsewhere', () => {
  const html = contents('index.html').toString();
  expect(html).not.toMatch(/<style|style=|<script(?![^>]*\ssrc=)|\son\w+=|https?:/);
  expect([...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url]) => url)).toEqual([
    './icon.svg',
    expect.stringMatching(/^\.\/assets\/[\w-]+\.js$/),
    expect.stringMatching(/^\.\/assets\/[\w-]+\.css$/),
  ]);
});
