import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { Inbox } from '../../../../server/src/contract/test-inbox.js';
import { WatchedFile } from '../../../../server/src/net/watched-file.js';
import type { WatchedFileOptions } from '../../../../server/src/net/watched-file.js';

let folder: string;
const open: WatchedFile<string>[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'watched-file-'));
});

afterEach(() => {
  for (const file of open.splice(0)) file.close();
  rmSync(folder, { recursive: true });
});

function watch(names: readonly string[], options: Partial<WatchedFileOptions<string>> = {}) {
  const changes = new Inbox<string>('change');
  const warnings = new Inbox<object>('warning');
  const file = new WatchedFile<string>({
    paths: names.map((name) => join(folder, name)),
    pollMs: 5,
    parse(contents) {
      const text = contents.map(String).join('+');
      if (text.includes('bad')) throw new Error('it is bad');
      return text;
    },
    onChange: changes.add,
    log: { info: () => undefined, warn: warnings.add },
    ...options,
  });
  open.push(file);
  return { file, changes, warnings };
}

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

describe('at the start', () => {
  test('the files are read, together and in order', () => {
    write('a', 'one');
    write('b', 'two');
    expect(watch(['b', 'a']).file.value).toBe('two+one');
  });

  test('a file that is missing, unusable, too large or not a regular file is refused', () => {
    write('bad', 'bad');
    write('large', 'x'.repeat(11));
    write('full', 'x'.repeat(10));
    execFileSync('mkfifo', [join(folder, 'pipe')]);
    expect(() => watch(['missing'])).toThrow(/ENOENT/);
    expect(() => watch(['bad'])).toThrow('it is bad');
    expect(() => watch(['large'], { maxBytes: 10 })).toThrow(/large is larger than 10 bytes/);
    expect(watch(['full'], { maxBytes: 10 }).file.value).toHaveLength(10);
    expect(() => watch(['.'])).toThrow(/is not a file/);
    expect(() => watch(['pipe'])).toThrow(/pipe is not a file/);
  });
});

describe('a change is detected', () => {
  test('when the file is written', async () => {
    write('a', 'one');
    const { file, changes } = watch(['a']);
    write('a', 'two');
    expect(await changes.next()).toBe('two');
    expect(file.value).toBe('two');
  });

  test('when another file is renamed to its name', async () => {
    write('a', 'one');
    const { changes } = watch(['a']);
    for (const text of ['two', 'six']) {
      write('new', text);
      renameSync(join(folder, 'new'), join(folder, 'a'));
      expect(await changes.next()).toBe(text);
    }
  });

  test('when a folder behind a symbolic link is swapped, as Kubernetes does', async () => {
    for (const version of ['1', '2']) {
      mkdirSync(join(folder, version));
      write(`${version}/key`, `key ${version}`);
      write(`${version}/cert`, `cert ${version}`);
    }
    symlinkSync('1', join(folder, '..data'));
    symlinkSync('..data/key', join(folder, 'key'));
    symlinkSync('..data/cert', join(folder, 'cert'));
    const { file, changes } = watch(['cert', 'key']);
    expect(file.value).toBe('cert 1+key 1');
    symlinkSync('2', join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    expect(await changes.next()).toBe('cert 2+key 2');
  });
});

test('a file that keeps changing is read when it is stable', async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate'] });
  try {
    write('a', 'one');
    const parse = jest.fn(String);
    watch(['a'], { parse });
    for (const text of ['half', 'nearly', 'two']) {
      write('a', text);
      await nextCheck();
    }
    expect(parse.mock.results.map(({ value }) => value)).toEqual(['one']);
    await nextCheck();
    expect(parse.mock.results.map(({ value }) => value)).toEqual(['one', 'two']);
  } finally {
    jest.useRealTimers();
  }
});

/** Runs one check. Resolves when the following one is scheduled. */
async function nextCheck(): Promise<void> {
  jest.runOnlyPendingTimers();
  while (jest.getTimerCount() === 0) await new Promise((resolve) => setImmediate(resolve));
}

describe('the last usable content stays in use', () => {
  test('while the new content is unusable, with one warning', async () => {
    write('a', 'one');
    const { file, changes, warnings } = watch(['a']);
    write('a', 'bad');
    expect(await warnings.next()).toMatchObject({ files: [join(folder, 'a')], reason: 'it is bad' });
    expect(file.value).toBe('one');
    write('a', 'two');
    expect(await changes.next()).toBe('two');
    expect(warnings.all).toHaveLength(1);
  });

  test('while the file is missing', async () => {
    write('a', 'one');
    const { file, changes, warnings } = watch(['a']);
    rmSync(join(folder, 'a'));
    expect(await warnings.next()).toMatchObject({ reason: expect.stringContaining('ENOENT') });
    expect(file.value).toBe('one');
    write('a', 'two');
    expect(await changes.next()).toBe('two');
  });
});
