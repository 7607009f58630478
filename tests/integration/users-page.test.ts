/** Runs the functions of docs/users.md that encode a name for the key of a user, each in its language and as listed. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { otherSpelling, userKey } from '../../server/src/destinations/destination.js';
import { codeBlocks } from '../support/code-blocks.js';
import { readPage, tableUnder } from '../support/page-tables.js';

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

var _ = strings.ReplaceAll

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

/** The spellings of a name that the relay binds. */
function boundSpellings(name: string): string[] {
  const key = userKey(name, 'x');
  return [key, otherSpelling(key) ?? key].map((each) => each.slice('x.'.length));
}

/** Runs a function that encodes names. Resolves with a line for each name. */
async function encode({ command, file, program }: Language, code: string, names: readonly string[]): Promise<string[]> {
  const source = path.join(mkdtempSync(path.join(folder, 'run-')), file);
  writeFileSync(source, program(code));
  const [executable = '', ...flags] = command;
  const environment = { ...process.env, LC_ALL: 'C.UTF-8', GOCACHE: path.join(folder, 'go') };
  const { stdout } = await promisify(execFile)(executable, [...flags, source, ...names], { env: environment });
  return stdout.trimEnd().split('\n');
}

test('docs/users.md has one function for each language', () => {
  const languages = codeBlocks(PAGE).map(({ language }) => language);
  expect(languages).toEqual(['js', ...LANGUAGES.map(({ language }) => language), 'csharp']);
});

test.each(INSTALLED)(
  'the function of docs/users.md encodes all names as the relay binds them: $language',
  async (language) => {
    const { code } = codeBlocks(PAGE).find((block) => block.language === language.language)!;
    const encoded = await encode(language, code, NAMES);
    expect(encoded).toHaveLength(NAMES.length);
    for (const [index, name] of NAMES.entries()) expect(boundSpellings(name)).toContain(encoded[index]);
  },
  120_000,
);

/** The function around an expression of the table. */
const AROUND: Readonly<Record<string, (expression: string) => string>> = {
  python: (expression) => `from urllib.parse import quote\ndef key_part(name): return ${expression}`,
  java: (expression) => `static String keyPart(String name) { return ${expression}; }`,
  go: (expression) => `func keyPart(name string) string { return ${expression} }`,
  php: (expression) => `function key_part(string $name): string { return ${expression}; }`,
};

/** The functions of the table, with the characters that they encode in another way. */
const ROWS = tableUnder(readPage(PAGE), 'The key').map(([language = '', code = '', except = '']) => ({
  language: language.toLowerCase(),
  expression: code.slice(1, -1),
  except,
}));

test('the table of docs/users.md has these languages', () => {
  expect(ROWS.map(({ language }) => language)).toEqual([
    'javascript',
    'python',
    'python',
    'java with spring',
    'java',
    'go',
    'go',
    'php',
    '.net 5 and later',
  ]);
});

test.each(ROWS.filter((row) => INSTALLED.some(({ language }) => language === row.language)))(
  'the table of docs/users.md lists the exceptions of $expression',
  async ({ language, expression, except }) => {
    const characters = [...ASCII];
    const one = LANGUAGES.find((each) => each.language === language)!;
    const encoded = await encode(one, AROUND[language]!(expression), characters);
    const missed = characters.filter((character, index) => !boundSpellings(character).includes(encoded[index]!));
    const listed = [
      ...(except.includes('blank') ? ' ' : ''),
      ...[...except.matchAll(/`(.)`/g)].map(([, each]) => each),
    ];
    expect(missed.sort()).toEqual(listed.sort());
  },
  120_000,
);
