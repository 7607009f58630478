/**
 * The import table of the architecture, held by a test: which folder may import which, and which outside packages. Types
 * count like values. Also: no import cycles, no two files of the server with the same base name, and the trace of one SEND.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import ts from 'typescript';

const ROOT = path.resolve(import.meta.dirname, '..');

interface Rule {
  /** Folders of the server, or single files of them (without `.ts`). */
  readonly ours: readonly string[];
  /** Of these only types may be imported. */
  readonly types?: readonly string[];
  readonly packages?: readonly string[];
}

/** The most specific key applies. A folder may always import from itself. */
const SERVER: Readonly<Record<string, Rule>> = {
  stomp: { ours: [] },
  destinations: { ours: [] },
  loopback: { ours: [] },
  'taken-bytes': { ours: [] },
  'joined-writes': { ours: [] },
  'watched-file': { ours: [] },
  transports: { ours: ['loopback', 'taken-bytes'], types: ['tls-port'] },
  'transports/websocket': { ours: ['transports', 'loopback'], packages: ['ws'] },
  'transports/websocket-connection': { ours: ['transports', 'taken-bytes'], packages: ['ws'] },
  auth: { ours: ['auth', 'destinations', 'loopback', 'watched-file'] },
  'auth/jwt': { ours: ['auth', 'destinations', 'watched-file'], packages: ['jose', 'cookie'] },
  'auth/http-authenticator': { ours: ['auth', 'loopback'], packages: ['zod'] },
  'auth/static-users': { ours: ['auth', 'loopback', 'watched-file'], packages: ['yaml'] },
  'auth/user-list': { ours: ['auth'], packages: ['zod'] },
  brokers: { ours: ['destinations'] },
  'brokers/memory': {
    ours: ['destinations', 'brokers/fanout', 'brokers/message-checks', 'brokers/queue-plan', 'brokers/broker'],
  },
  'brokers/rabbitmq': {
    ours: ['destinations', 'brokers/fanout', 'brokers/message-checks', 'brokers/queue-plan', 'brokers/broker'],
    packages: ['amqplib'],
  },
  session: {
    ours: ['stomp', 'destinations', 'auth', 'loopback', 'joined-writes'],
    types: ['transports/connection', 'brokers/broker'],
  },
  http: {
    ours: [
      'stomp/errors',
      'destinations',
      'auth',
      'loopback',
      'session/quota',
      'session/gaps',
      'joined-writes',
      'taken-bytes',
    ],
    types: ['brokers', 'session', 'tls-port', 'operations'],
    packages: ['express'],
  },
  'http/access-checks': { ours: ['http'], packages: ['express', 'cors'] },
  'http/message-request': { ours: ['http', 'destinations'], packages: ['zod'] },
  log: { ours: ['stderr'], packages: ['pino'] },
  'paced-log': { ours: [], types: ['log'] },
  stderr: { ours: ['lossy-writer'] },
  'lossy-writer': { ours: [] },
  metrics: { ours: [], packages: ['prom-client'] },
  'revocation-channel': { ours: ['auth/revocations'], types: ['brokers/broker', 'log'] },
  operations: {
    ours: ['auth/revocations', 'session/lowest-keys'],
    types: ['log', 'revocation-channel', 'session/session-directory'],
  },
  'load-meter': { ours: [] },
  pace: { ours: [] },
  config: {
    ours: ['config', 'config-report', 'config-sources', 'loopback', 'auth/user-list'],
    packages: ['yaml', 'zod'],
  },
  'config-report': { ours: ['config-sources'], packages: ['zod'] },
  'config-sources': { ours: [] },
  'tls-port': { ours: ['watched-file'] },
  'http-parts': { ours: ['*'], packages: ['express'] },
  parts: { ours: ['*'], packages: ['uuid'] },
  listeners: { ours: ['*'] },
  relay: { ours: ['*'] },
  index: { ours: ['*'] },
  version: { ours: [] },
  admin: { ours: ['http', 'transports/admission', 'loopback', 'paced-log'], types: ['config', 'log', 'operations'] },
  workers: {
    ours: ['admin', 'log', 'metrics', 'operations', 'relay', 'session/lowest-keys', 'young-generation'],
    types: ['config'],
  },
  'workers/worker-metrics': { ours: [], types: ['metrics'], packages: ['prom-client'] },
  'young-generation': { ours: [] },
  'read-password': { ours: [] },
  cli: {
    ours: [
      'auth/api-keys',
      'auth/password-hash',
      'config',
      'read-password',
      'relay',
      'log',
      'stderr',
      'version',
      'workers',
      'young-generation',
    ],
    packages: ['commander'],
  },
};

/** Folders that must do no input or output of their own. */
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

  test('there is something to look at', () => {
    expect(files.length).toBeGreaterThan(20);
    expect(imports.length).toBeGreaterThan(50);
  });

  test('every folder imports only what the table allows', () => {
    expect(imports.filter((each) => !isAllowed(each)).map(show)).toEqual([]);
  });

  test('there are no import cycles, types included', () => {
    expect(cyclesAmong(imports.filter(({ to }) => files.includes(to)))).toEqual([]);
  });

  test('one SEND is handed on from file to file', () => {
    const trace = [
      'transports/websocket-connection',
      'session/session',
      'session/commands',
      'brokers/rabbitmq/rabbitmq-broker',
      'brokers/rabbitmq/instance-queue',
      'session/groups',
      'transports/connection',
    ];
    const handOver = (file: string) =>
      /\/\/ next: ([\w/-]+)/.exec(readFileSync(path.join(base, `${file}.ts`), 'utf8'))?.[1];
    expect(trace.slice(0, -1).map(handOver)).toEqual(trace.slice(1));
  });

  test('base names are unique', () => {
    const names = files.map((file) => path.basename(file));
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });
});

describe('client SDK', () => {
  const base = path.join(ROOT, 'client-sdk/src');
  const files = sourcesUnder(base);
  const imports = files.flatMap((file) => importsOf(base, file));

  test('the core imports itself and, in one file, stompjs', () => {
    const outside = imports.filter(({ to }) => !files.includes(to));
    const allowed = outside.filter(
      ({ from, to }) => to === '@stomp/stompjs' || (from.startsWith('react/') && to === 'react'),
    );
    expect(outside.filter((each) => !allowed.includes(each)).map(show)).toEqual([]);
    expect(new Set(allowed.filter(({ to }) => to === '@stomp/stompjs').map(({ from }) => from)).size).toBe(1);
  });

  test('the core does not know of React', () => {
    expect(imports.filter(({ from, to }) => from.startsWith('core/') && to.startsWith('react')).map(show)).toEqual([]);
  });

  test('there are no import cycles, types included', () => {
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
  if (folderOf(to) !== '' && folderOf(to) === folderOf(from)) return true;
  const within = (allowed: readonly string[] = []): boolean =>
    allowed.some((each) => each === '*' || to === each || to.startsWith(`${each}/`));
  return within(rule.ours) || (isType && within(rule.types));
}

function isPackage(name: string): boolean {
  return (
    Object.values(SERVER).some((rule) => rule.packages?.includes(name)) && !/^(relay|config|log|metrics)/.test(name)
  );
}

/** The longest key of the table that stands for this file. */
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
