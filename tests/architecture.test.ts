/**
 * Checks the architecture: the folders and packages that each folder may import (type imports count too), no import
 * cycles, unique base names in the server, and the trace of one SEND.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import ts from 'typescript';

const ROOT = path.resolve(import.meta.dirname, '..');

/**
 * The files of the server that read the wall clock, which can jump: for times that people see, or that are compared with
 * those of tokens, certificates and revocations. All other deadlines use `performance.now`.
 */
const WALL_CLOCK = [
  'admin/admin-api',
  'admin/operations',
  'admin/revocation-channel',
  'auth/jwt/jwt-authenticator',
  'auth/logins/login-cache',
  'auth/revocations',
  'brokers/memory/death-history',
  'brokers/memory/history-file',
  'brokers/memory/history-record',
  'http/streams/stream',
  'net/tls-port',
  'session/commands/connect',
  'session/session',
  'session/token-life',
  'workers/worker-operations',
];

interface Rule {
  /** Folders or single files of the server (without `.ts`). */
  readonly ours: readonly string[];
  /** Folders and files from which only types may be imported. */
  readonly types?: readonly string[];
  readonly packages?: readonly string[];
}

/** The most specific key applies. A folder may always import itself and the folders below it. */
const SERVER: Readonly<Record<string, Rule>> = {
  stomp: { ours: [] },
  destinations: { ours: [] },
  timing: { ours: [] },
  net: { ours: ['timing'], types: ['load/watched-limit', 'process/log'] },
  process: { ours: [] },
  'process/json-log': { ours: ['process'], packages: ['pino'] },
  load: { ours: ['stomp', 'timing', 'net'], types: ['process/log', 'process/process-memory'] },
  transports: { ours: ['load', 'net'], packages: ['ws'] },
  auth: { ours: ['destinations', 'net', 'timing'], types: ['process/log'] },
  'auth/jwt': { ours: ['auth', 'net'], types: ['process/log'], packages: ['jose', 'cookie'] },
  'auth/logins': { ours: ['auth', 'net', 'timing'], types: ['process/log'], packages: ['lru-cache', 'yaml', 'zod'] },
  'auth/policy': { ours: ['auth', 'destinations', 'timing'] },
  brokers: { ours: ['destinations', 'timing'], types: ['load'] },
  'brokers/history': {
    ours: [
      'destinations',
      'brokers/broker',
      'brokers/fanout',
      'brokers/history',
      'brokers/message-checks',
      'brokers/queue-plan',
      'timing',
    ],
    types: ['load'],
  },
  'brokers/memory': { ours: ['brokers', 'destinations', 'load', 'timing'] },
  'brokers/rabbitmq': {
    ours: ['brokers', 'destinations', 'load', 'net/tls-ciphers', 'timing'],
    types: ['process/log'],
    packages: ['amqplib', 'lru-cache'],
  },
  contract: { ours: ['destinations'], types: ['brokers/broker', 'brokers/history'] },
  publishing: { ours: ['auth', 'destinations'], types: ['brokers/broker', 'load'] },
  delivery: {
    ours: ['stomp', 'destinations', 'timing'],
    types: ['auth/policy', 'brokers/broker', 'brokers/history', 'load', 'transports/connection'],
  },
  session: {
    ours: ['stomp', 'destinations', 'auth', 'delivery', 'load', 'net', 'publishing', 'timing'],
    types: ['brokers/broker', 'brokers/history', 'process/log', 'transports/connection'],
  },
  'session/reply-addresses': { ours: [], packages: ['lru-cache'] },
  http: {
    ours: ['auth', 'delivery', 'destinations', 'load', 'net', 'stomp', 'timing', 'transports'],
    types: ['brokers/broker', 'brokers/history', 'config', 'process/log', 'session'],
    packages: ['express'],
  },
  'http/http-components': { ours: ['*'], packages: ['express'] },
  'http/access-checks': { ours: ['http'], packages: ['express', 'cors'] },
  'http/messages': {
    ours: ['auth', 'destinations', 'http', 'publishing', 'timing'],
    types: ['brokers/broker', 'load'],
    packages: ['express', 'zod'],
  },
  admin: {
    ours: ['auth', 'destinations', 'http', 'net', 'process', 'timing', 'transports'],
    types: ['brokers/broker', 'config', 'delivery', 'session'],
    packages: ['express', 'lru-cache'],
  },
  'admin/metrics': { ours: ['admin/limit-metrics'], packages: ['prom-client'] },
  'admin/limit-metrics': { ours: [], types: ['load/watched-limit'], packages: ['prom-client'] },
  workers: {
    ours: ['admin', 'listeners', 'load/descriptor-plan', 'net', 'process', 'relay'],
    types: ['config', 'load/watched-limit'],
    packages: ['prom-client'],
  },
  config: { ours: ['config', 'auth/jwt/jwt-algorithms', 'auth/logins', 'net'], packages: ['yaml', 'zod'] },
  components: { ours: ['*'], packages: ['uuid'] },
  'create-broker': { ours: ['*'] },
  listeners: { ours: ['*'] },
  relay: { ours: ['*'] },
  index: { ours: ['*'] },
  cli: { ours: ['*'], packages: ['commander'] },
};

/** The files that one SEND passes through, from a browser to the browsers of another relay. */
const TRACE = [
  'transports/websocket-connection',
  'session/session',
  'session/inbox',
  'stomp/parser',
  'session/session',
  'session/commands/commands',
  'session/commands/send-frame',
  'session/send-queue',
  'publishing/send',
  'brokers/rabbitmq/rabbitmq-broker',
  'brokers/rabbitmq/publish/publication',
  'brokers/rabbitmq/publish/publisher',
  'brokers/rabbitmq/consume/instance-queue',
  'delivery/group',
  'delivery/message-encoder',
  'transports/connection',
] as const;

/** Folders without input and output. */
const PURE = ['stomp', 'destinations'];
const PURE_BUILTINS = ['node:buffer'];

interface Import {
  readonly from: string;
  readonly to: string;
  readonly isType: boolean;
}

describe('server', () => {
  const base = path.join(ROOT, 'server/src');
  const files = sourcesUnder(base);
  const imports = files.flatMap((file) => importsOf(base, file));

  test('the scan finds files and imports', () => {
    expect(files.length).toBeGreaterThan(20);
    expect(imports.length).toBeGreaterThan(50);
  });

  test('every folder of the server imports only what the table allows', () => {
    expect(imports.filter((each) => !isAllowed(each)).map(show)).toEqual([]);
  });

  test('the imports have no cycles, types included', () => {
    expect(cyclesAmong(imports.filter(({ to }) => files.includes(to)))).toEqual([]);
  });

  test('the files of the trace hand one SEND on in the order of server/README.md', () => {
    const handOvers = (file: string) =>
      [...readFileSync(path.join(base, `${file}.ts`), 'utf8').matchAll(/\/\/ next: ([\w/-]+)/g)].map(([, to]) => to);
    const missing = TRACE.slice(1).filter((file, index) => !handOvers(TRACE[index]!).includes(file));
    expect(missing).toEqual([]);
    const readme = readFileSync(path.join(ROOT, 'server/README.md'), 'utf8');
    const described = [...readme.matchAll(/^\| \d+ \| `([\w/-]+)`/gm)].map(([, file]) => file);
    expect(described).toEqual([...TRACE]);
  });

  test('every hand-over comment names an existing file', () => {
    const named = files.flatMap((file) =>
      [...readFileSync(path.join(base, `${file}.ts`), 'utf8').matchAll(/\/\/ next: (.*)/g)].flatMap(([, text]) =>
        [...text!.matchAll(/[\w-]+\/[\w/-]+/g)].map(([to]) => to),
      ),
    );
    expect(named.length).toBeGreaterThan(TRACE.length);
    expect(named.filter((to) => !files.includes(to))).toEqual([]);
  });

  test('only the listed files read the wall clock', () => {
    const read = (file: string): string => readFileSync(path.join(base, `${file}.ts`), 'utf8');
    const readers = files.filter((file) => !file.startsWith('contract/') && /Date\.now|new Date\(\)/.test(read(file)));
    expect(readers.sort()).toEqual(WALL_CLOCK);
  });

  test('no two files of the server have the same base name', () => {
    const names = files.map((file) => path.basename(file));
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });
});

describe('client SDK', () => {
  const base = path.join(ROOT, 'client-sdk/src');
  const files = sourcesUnder(base);
  const imports = files.flatMap((file) => importsOf(base, file));

  test('the core of the client SDK imports only itself and, in one file, stompjs', () => {
    const outside = imports.filter(({ to }) => !files.includes(to));
    const allowed = outside.filter(
      ({ from, to }) => to === '@stomp/stompjs' || (from.startsWith('react/') && to === 'react'),
    );
    expect(outside.filter((each) => !allowed.includes(each)).map(show)).toEqual([]);
    expect(new Set(allowed.filter(({ to }) => to === '@stomp/stompjs').map(({ from }) => from)).size).toBe(1);
  });

  test('the core of the client SDK does not import React', () => {
    expect(imports.filter(({ from, to }) => from.startsWith('core/') && to.startsWith('react')).map(show)).toEqual([]);
  });

  test('the imports have no cycles, types included', () => {
    expect(cyclesAmong(imports.filter(({ to }) => files.includes(to)))).toEqual([]);
  });
});

/** Paths below `base`, without the extension. */
function sourcesUnder(base: string): string[] {
  return readdirSync(base, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file))
    .map((file) => file.replace(/\.tsx?$/, ''))
    .sort();
}

/** `to` is a path below `base`, or the name of a package. */
function importsOf(base: string, file: string): Import[] {
  const name = path.join(base, existsSync(path.join(base, `${file}.tsx`)) ? `${file}.tsx` : `${file}.ts`);
  const source = ts.createSourceFile(name, readFileSync(name, 'utf8'), ts.ScriptTarget.Latest);
  const found: Import[] = [];
  const add = (specifier: ts.Expression | undefined, isType: boolean): void => {
    if (!specifier || !ts.isStringLiteralLike(specifier)) return;
    const { text } = specifier;
    const to = text.startsWith('.') ? path.join(path.dirname(file), text).replace(/\.js$/, '') : packageOf(text);
    found.push({ from: file, to, isType });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnly(node));
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isTypeOnly({ importClause }: ts.ImportDeclaration): boolean {
  if (!importClause) return false;
  if (importClause.isTypeOnly) return true;
  const bindings = importClause.namedBindings;
  return (
    !importClause.name &&
    !!bindings &&
    ts.isNamedImports(bindings) &&
    bindings.elements.every((each) => each.isTypeOnly)
  );
}

function packageOf(specifier: string): string {
  if (isBuiltin(specifier)) return specifier;
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

function isAllowed({ from, to, isType }: Import): boolean {
  const key = ruleKey(from);
  const rule = SERVER[key];
  if (!rule) return false;
  if (isBuiltin(to)) return !PURE.includes(key) || PURE_BUILTINS.includes(to);
  const isOurs = /^(\w[\w-]*\/|[\w-]+$)/.test(to) && !isPackage(to);
  if (!isOurs) return rule.packages?.includes(to) ?? false;
  if (to.startsWith(`${key}/`) || (folderOf(to) !== '' && folderOf(to) === folderOf(from))) return true;
  const within = (allowed: readonly string[] = []): boolean =>
    allowed.some((each) => each === '*' || to === each || to.startsWith(`${each}/`));
  return within(rule.ours) || (isType && within(rule.types));
}

function isPackage(name: string): boolean {
  return (
    Object.values(SERVER).some((rule) => rule.packages?.includes(name)) && !/^(relay|config|log|metrics)/.test(name)
  );
}

/** The most specific key of the table for this file. */
function ruleKey(file: string): string {
  const keys = Object.keys(SERVER).filter((key) => file === key || file.startsWith(`${key}/`));
  return keys.sort((a, b) => b.length - a.length)[0] ?? '(no rule)';
}

function folderOf(file: string): string {
  return path.dirname(file) === '.' ? '' : path.dirname(file);
}

function cyclesAmong(imports: readonly Import[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to } of imports) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set<string>();
  const cycles: string[] = [];
  const walk = (file: string, trail: readonly string[]): void => {
    if (trail.includes(file)) cycles.push([...trail.slice(trail.indexOf(file)), file].join(' -> '));
    if (trail.includes(file) || done.has(file)) return;
    for (const each of next.get(file) ?? []) walk(each, [...trail, file]);
    done.add(file);
  };
  for (const file of next.keys()) walk(file, []);
  return cycles;
}

function show({ from, to, isType }: Import): string {
  return `${from} imports ${isType ? 'types of ' : ''}${to}`;
}
