/** The built page: small, and allowed by the content security policy of the relay. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, test } from '@jest/globals';

const PAGE = path.resolve(import.meta.dirname, '../../../server/dist/page');
const files = readdirSync(PAGE, { recursive: true, encoding: 'utf8' }).filter((file) => path.extname(file) !== '');
const contents = (file: string): Buffer => readFileSync(path.join(PAGE, file));

/** The gzipped size in KiB of the only file with this extension. */
function gzipped(extension: string): number {
  const bytes = files.filter((file) => file.endsWith(extension)).map((file) => gzipSync(contents(file)).length);
  expect(bytes).toHaveLength(1);
  return (bytes[0] as number) / 1_024;
}

test('the build is small', () => {
  expect(gzipped('.js')).toBeLessThan(90);
  expect(gzipped('.css')).toBeLessThan(5);
});

test('the build has one script, one style sheet, one icon, and the document', () => {
  expect(files.map((file) => path.extname(file)).sort()).toEqual(['.css', '.html', '.js', '.svg']);
});

test('the document has no inline code, and loads nothing from other origins', () => {
  const html = contents('index.html').toString();
  expect(html).not.toMatch(/<style|style=|<script(?![^>]*\ssrc=)|\son\w+=|https?:/);
  expect([...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, url]) => url)).toEqual([
    './icon.svg',
    expect.stringMatching(/^\.\/assets\/[\w-]+\.js$/),
    expect.stringMatching(/^\.\/assets\/[\w-]+\.css$/),
  ]);
});
