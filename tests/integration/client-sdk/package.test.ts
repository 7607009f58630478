/** The client's package: its files, and an application that installs it, compiles against it and runs it. */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import ts from 'typescript';
import { codeBlocks } from '../../support/code-blocks.js';
import { withDeadline } from '../../support/deadline.js';
import { packClient } from '../../support/packed-client.js';
import type { Consumer } from '../../support/packed-client.js';
import { startRelay } from '../../support/relay.js';
import type { TestRelay } from '../../support/relay.js';

jest.setTimeout(120_000);

const ROOT = path.resolve(__dirname, '../../..');
const SDK = path.join(ROOT, 'client-sdk');
const INSTALLED = ['@stomp/stompjs', '@stomp/rx-stomp', 'rxjs', 'tslib', 'react', 'ws'];
const TYPES = ['@types/node', '@types/react', '@types/ws'];
const TSC = path.join(ROOT, 'node_modules/typescript/bin/tsc');
const PUBLINT = path.join(ROOT, 'node_modules/publint/src/cli.js');

let consumer: Consumer;
let relay: TestRelay;

beforeAll(async () => {
  consumer = packClient([...INSTALLED, ...TYPES]);
  relay = await startRelay();
});
afterAll(async () => {
  await relay?.stop();
  consumer?.remove();
});

describe('the files of the package', () => {
  const files = () =>
    readdirSync(consumer.packageFolder, { recursive: true, encoding: 'utf8' }).filter((file) =>
      /\.[^/]*$|LICENSE$/.test(file),
    );

  test('are code and types of every source file, the documents and the licence; nothing else', () => {
    const sources = readdirSync(path.join(SDK, 'src'), { recursive: true, encoding: 'utf8' });
    const built = sources
      .filter((file) => /\.tsx?$/.test(file))
      .flatMap((file) => ['.js', '.d.ts'].map((ending) => `dist/${file.replace(/\.tsx?$/, ending)}`));
    const pages = ['LICENSE', 'MIGRATION.md', 'README.md', 'package.json'];
    expect(files().sort()).toEqual([...built, ...pages].sort());
  });

  test('have no reference to a missing file', () => {
    const read = (file: string) => readFileSync(path.join(consumer.packageFolder, file), 'utf8');
    expect(files().filter((file) => read(file).includes('sourceMappingURL'))).toEqual([]);
    const links = ['README.md', 'MIGRATION.md'].flatMap((page) =>
      [...read(page).matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, target = '']) => target),
    );
    const exists = (target: string) =>
      target.startsWith('https://') || existsSync(path.join(consumer.packageFolder, target));
    expect(links.filter((target) => !exists(target))).toEqual([]);
    expect(links).toContain('MIGRATION.md');
  });

  test('pass publint', () => {
    expect(consumer.node(PUBLINT, 'run', consumer.packageFolder, '--pack', 'false', '--strict')).toContain('All good!');
  });
});

describe('compiling against it', () => {
  const examples = codeBlocks(path.join(SDK, 'README.md')).map(({ code }) => code);
  const exampleWith = (text: string) => examples.find((code) => code.includes(text));
  const react = exampleWith(`from 'stomp-relay-client/react'`);
  const typed = exampleWith('declare module');
  const service = exampleWith(`from 'ws'`);
  const browser = { lib: ['ES2022', 'DOM'], jsx: 'react-jsx', types: [] };
  const inNode = { module: 'NodeNext', moduleResolution: 'NodeNext', lib: ['ES2022'], types: ['node'] };

  test.each([
    [
      'a bundler',
      { module: 'ESNext', moduleResolution: 'bundler', ...browser },
      { 'plain.ts': quickStart(), 'page.tsx': react },
    ],
    [
      'node16',
      { module: 'Node16', moduleResolution: 'Node16', ...browser },
      { 'plain.ts': quickStart(), 'page.tsx': react },
    ],
    ['declared destinations', { module: 'ESNext', moduleResolution: 'bundler', ...browser }, { 'typed.ts': typed }],
    ['Node, without the types of a browser', inNode, { 'service.ts': service }],
  ])('%s', (_, options, files) => {
    const compilerOptions = { strict: true, noEmit: true, skipDefaultLibCheck: true, target: 'ES2022', ...options };
    const config = JSON.stringify({ compilerOptions, files: Object.keys(files) });
    consumer.write({ ...(files as Record<string, string>), 'tsconfig.json': config });
    consumer.node(TSC, '-p', '.');
  });
});

describe('running it', () => {
  test('in Node: connect, subscribe, publish, request, close, and the process ends', async () => {
    consumer.write({
      'session.js': `
        import { createClient } from 'stomp-relay-client';
        import { WebSocket } from 'ws';
        const createWebSocket = (url, protocols) => new WebSocket(url, protocols);
        const client = createClient({ url: process.argv[2], createWebSocket });
        await client.connect();
        const row = new Promise((resolve) => client.subscribe('/topic/rows', ({ data }) => resolve(data)));
        let answered;
        const adder = client.subscribe('/queue/adder', ({ data: { a, b }, headers }) => {
          const correlation = { 'correlation-id': headers['correlation-id'] };
          answered = client.publish(headers['reply-to'], { sum: a + b }, { headers: correlation });
        });
        await adder.ready;
        await client.publish('/topic/rows', { id: 1 });
        const { data } = await client.request('/queue/adder', { a: 1, b: 2 });
        await answered;
        await client.close();
        console.log(JSON.stringify([await row, data, client.state.name]));
      `,
    });
    expect(await firstLine(['session.js', relay.webSocketUrl], 'exit')).toBe('[{"id":1},{"sum":3},"closed"]');
  });

  test('the quick start of the README', async () => {
    const code = quickStart();
    consumer.write({
      // The global WebSocket of a browser
      'web-socket.js': `import { WebSocket } from 'ws'; globalThis.WebSocket = WebSocket;`,
      'first.js': code.replace(/ws:[^']+/, relay.webSocketUrl),
    });
    expect(code).toContain(`'ws://127.0.0.1:8080/ws'`);
    expect(await firstLine(['--import', './web-socket.js', 'first.js'])).toBe(`{ hello: 'world' }`);
  });

  test.each(['From stompjs', 'From rx-stomp'])(
    '%s: the code before and after the move does the same',
    async (section) => {
      const pair = codeBlocks(path.join(SDK, 'MIGRATION.md')).filter((block) => block.section === section);
      expect(pair.map(({ marks }) => marks)).toEqual([['before'], []]);
      const topic = `/topic/${section.replace(/\W/g, '-')}`;
      for (const { code, marks } of pair) {
        const name = `${topic.slice(7)}${marks.join('')}`;
        const page = code.replaceAll('wss://relay.example.com/ws', relay.webSocketUrl).replaceAll('/topic/rows', topic);
        const { outputText } = ts.transpileModule(page, {
          compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
        });
        consumer.write({
          [`${name}.js`]: outputText,
          [`${name}-run.js`]: `
          import { WebSocket } from 'ws';
          Object.assign(globalThis, { WebSocket, fetchToken: async () => 'token', add: (row) => console.log(JSON.stringify(row)) });
          const { send, rows$ } = await import('./${name}.js');
          rows$?.subscribe(add);
          // Repeats until the page is connected and subscribed
          setInterval(async () => { try { await send({ id: 1, value: 2 }); } catch {} }, 50);
        `,
        });
        expect(await firstLine([`${name}-run.js`])).toBe('{"id":1,"value":2}');
      }
    },
  );
});

/** The quick start of the README: connect, subscribe and publish, as one program. */
function quickStart(): string {
  const steps = ['Connect', 'Subscribe', 'Publish'];
  const blocks = codeBlocks(path.join(SDK, 'README.md')).filter(({ section }) => steps.includes(section));
  expect(blocks.map(({ section }) => section)).toEqual(steps);
  return blocks.map(({ code }) => code).join('\n');
}

/** The first line that a program in the consumer's folder prints. Then the program is killed, or must end by itself. */
async function firstLine(args: readonly string[], end: 'kill' | 'exit' = 'kill'): Promise<string> {
  const child = spawn(process.execPath, args, { cwd: consumer.folder, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const waitFor = <T>(promise: Promise<T>, what: string) =>
    withDeadline(promise, 20_000, () => `${args.join(' ')} should have ${what}`);
  try {
    const line = await waitFor(lines.next(), 'printed a line');
    if (end === 'exit') expect(await waitFor(ended, 'ended')).toBe(0);
    return String(line.value);
  } finally {
    child.kill();
    await ended;
  }
}
