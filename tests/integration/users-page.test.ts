/** Runs the functions of docs/users.md that encode a name for the key of a user, each in its language. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { userKey } from '../../server/src/destinations/destination.js';
import { codeBlocks } from '../support/code-blocks.js';

const PAGE = path.resolve(import.meta.dirname, '../../docs/users.md');
const ASCII = Array.from({ length: 0x7e - 0x20 + 1 }, (_, code) => String.fromCharCode(0x20 + code)).join('');
const NAMES = [ASCII, 'ann@example.com', '%2A', "o'brien", 'a+b c', 'Zoë', '日本 🙂', '..'];

interface Language {
  readonly language: string;
  readonly command: readonly string[];
  readonly file: string;
  /** A program around the function that prints one line for each argument. */
  readonly program: (code: string) => string;
}

const LANGUAGES: readonly Language[] = [
  {
    language: 'python',
    command: ['python3'],
    file: 'key.py',
    program: (code) => `import sys\n${code}\nfor name in sys.argv[1:]: print(key_part(name))\n`,
  },
  {
    language: 'java',
    command: ['java', '-Dsun.jnu.encoding=UTF-8', '-Dfile.encoding=UTF-8'],
    file: 'Key.java',
    program: (code) => `
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
class Key {
  ${code}
  public static void main(String[] names) {
    for (String name : names) System.out.println(keyPart(name));
  }
}`,
  },
  {
    language: 'go',
    command: ['go', 'run'],
    file: 'key.go',
    program: (code) => `package main

import ("fmt"; "net/url"; "os"; "strings")

${code}

func main() {
	for _, name := range os.Args[1:] { fmt.Println(keyPart(name)) }
}`,
  },
  {
    language: 'php',
    command: ['php'],
    file: 'key.php',
    program: (code) => `<?php\n${code}\nforeach (array_slice($argv, 1) as $name) echo key_part($name), "\\n";\n`,
  },
];

/** Python is required, as other tests need it too. */
const INSTALLED = LANGUAGES.filter(
  ({ language, command: [program = ''] }) => language === 'python' || isFound(program),
);

function isFound(program: string): boolean {
  try {
    return execFileSync('which', [program], { stdio: 'pipe' }).length > 0;
  } catch {
    return false;
  }
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'users-page-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('docs/users.md has one function for each language', () => {
  const languages = codeBlocks(PAGE).map(({ language }) => language);
  expect(languages).toEqual(['js', ...LANGUAGES.map(({ language }) => language)]);
});

test.each(INSTALLED)(
  'the function of docs/users.md encodes names like the relay: $language',
  async ({ language, command, file, program }) => {
    const { code } = codeBlocks(PAGE).find((block) => block.language === language)!;
    const source = path.join(folder, file);
    writeFileSync(source, program(code));
    const [executable = '', ...flags] = command;
    const environment = { ...process.env, LC_ALL: 'C.UTF-8', GOCACHE: path.join(folder, 'go') };
    const { stdout } = await promisify(execFile)(executable, [...flags, source, ...NAMES], { env: environment });
    expect(stdout.trimEnd().split('\n')).toEqual(NAMES.map((name) => userKey(name, 'x').slice('x.'.length)));
  },
  120_000,
);
