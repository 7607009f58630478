/** The client's documents: their code compiles against the sources, and their tables match the sources. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import ts from 'typescript';
import { FINAL, LATER } from '../../../client-sdk/src/core/close-codes.js';
import { ERRORS } from '../../../server/src/stomp/errors.js';
import { codeBlocks } from '../../support/code-blocks.js';
import type { CodeBlock } from '../../support/code-blocks.js';
import { readPage, tableUnder } from '../../support/page-tables.js';

jest.setTimeout(60_000); // the compiler takes seconds

const ROOT = path.resolve(__dirname, '../../..');
const SDK = path.join(ROOT, 'client-sdk');
const CORE = path.join(SDK, 'src/core/index.ts');
const REACT = path.join(SDK, 'src/react/index.ts');

const OPTIONS: ts.CompilerOptions = {
  strict: true,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  moduleDetection: ts.ModuleDetectionKind.Force,
  lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  jsx: ts.JsxEmit.ReactJSX,
  skipLibCheck: true,
  types: ['node'],
  typeRoots: [path.join(ROOT, 'node_modules/@types')],
  paths: { 'stomp-relay-client': [CORE], 'stomp-relay-client/react': [REACT] },
};

/** Declarations that the documents leave out: their code may use these names. */
const GIVEN = `
  declare const client: import('stomp-relay-client').Client;
  declare const message: import('stomp-relay-client').Message<Job>;
  declare const useClient: typeof import('stomp-relay-client/react').useClient;
  declare const useConnection: typeof import('stomp-relay-client/react').useConnection;
  declare const useSubscription: typeof import('stomp-relay-client/react').useSubscription;
  declare const useLatest: typeof import('stomp-relay-client/react').useLatest;
  declare const useMessages: typeof import('stomp-relay-client/react').useMessages;
  declare const usePublish: typeof import('stomp-relay-client/react').usePublish;
  declare const useRequest: typeof import('stomp-relay-client/react').useRequest;
  declare const RelayProvider: typeof import('stomp-relay-client/react').RelayProvider;
  declare function App(): import('react').ReactNode;

  interface Row { id: number; value: number }
  declare const Row: { parse(value: unknown): Row };
  interface Job { name: string }
  declare function work(job: Job): Promise<void>;
  declare function show(destination: string, row: Row): void;
  declare function add(row: Row): void;
  declare function refetch(): void;
  declare function draw(samples: Float32Array): void;
  declare function fetchToken(): Promise<string>;
`;

/** The types of packages that the migration guide starts from. They are not installed here. */
const OTHERS = `
  declare module 'react-stomp-hooks' {
    import type { Client, messageCallbackType, StompConfig, StompHeaders } from '@stomp/stompjs';
    import type { ReactNode } from 'react';
    export function StompSessionProvider(
      props: StompConfig & { url: string; children: ReactNode; enabled?: boolean; name?: string },
    ): ReactNode;
    export function useStompClient(name?: string): Client | undefined;
    export function useSubscription(
      destinations: string | string[], onMessage: messageCallbackType, headers?: StompHeaders, name?: string,
    ): void;
  }
  declare module 'sockjs-client' {
    export default class SockJS extends WebSocket {
      constructor(url: string, reserved?: unknown, options?: object);
    }
  }
`;

const ownPages = ['client-sdk/README.md', 'client-sdk/MIGRATION.md'];
const otherPages = ['README.md', 'docs/authentication.md'];

describe.each([...ownPages, ...otherPages])('%s', (page) => {
  const code = codeBlocks(path.join(ROOT, page)).filter(({ language }) => /^[jt]sx?$/.test(language));
  const blocks = code.filter(({ code }) => ownPages.includes(page) || code.includes('stomp-relay-client'));
  // A block that extends the module's types is compiled alone, so that no other block sees them
  const extendsModule = ({ code }: CodeBlock): boolean => code.includes('declare module');

  test('the code for the client compiles', () => {
    expect(blocks.length).toBeGreaterThan(ownPages.includes(page) ? 7 : 0);
    const alone = blocks.filter(extendsModule).map((block) => [block]);
    const problems = [blocks.filter((block) => !extendsModule(block)), ...alone].flatMap((each) =>
      problemsIn(page, each),
    );
    expect(problems).toEqual([]);
  });
});

test.each(ownPages)('%s: links to headings of the same page work', (page) => {
  const text = readFileSync(path.join(ROOT, page), 'utf8');
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => heading!);
  const anchors = headings.map((heading) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\s-]/g, '')
      .replaceAll(/\s/g, '-'),
  );
  const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor!);
  expect(links.length).toBeGreaterThan(3);
  expect(links.filter((link) => !anchors.includes(link))).toEqual([]);
});

test('code that does not compile is reported', () => {
  const block = { language: 'ts', marks: [], line: 7, section: '', code: 'let a = 1;\nclient.subscribe(a, () => {});' };
  expect(problemsIn('PAGE.md', [block])).toEqual([expect.stringMatching(/^PAGE\.md:8: .*number/s)]);
});

describe('tables of README.md', () => {
  const tables = readPage(path.join(SDK, 'README.md'));
  const program = ts.createProgram([CORE, REACT], OPTIONS);
  const checker = program.getTypeChecker(); // this also sets the parents of the nodes, and their texts
  const defaults = defaultsIn(program);
  const names = (heading: string, title: string) =>
    tableUnder(tables, heading, title).flatMap(([first = '']) =>
      [...first.matchAll(/`([^`]+)`/g)].map(([, name]) => name!),
    );

  describe.each([
    ['Connection', CORE, 'ClientOptions'],
    ['Subscriptions', CORE, 'SubscribeOptions'],
    ['Publishing', CORE, 'PublishOptions'],
    ['Requests', CORE, 'RequestOptions'],
    ['useSubscription', REACT, 'UseSubscriptionOptions'],
    ['useLatest', REACT, 'LatestOptions'],
    ['useMessages', REACT, 'MessagesOptions'],
    ['useRequest', REACT, 'UseRequestOptions'],
  ])('%s', (heading, entry, type) => {
    const options = propertiesOf(exportedType(checker, program.getSourceFile(entry)!, type));

    test(`lists every option of ${type}, and no other`, () => {
      expect(names(heading, 'option').sort()).toEqual([...options.keys()].sort());
    });

    test('lists the defaults of the sources', () => {
      for (const [option = '', documented = ''] of tableUnder(tables, heading, 'option')) {
        const name = option.replaceAll('`', '');
        const written = defaults.get(name) ?? [documentedDefault(options.get(name)!)];
        expect(written.map((value) => `${name}: ${asCell(value)}`)).toContain(`${name}: ${documented}`);
      }
    });
  });

  test.each([
    ['Connection', 'ConnectionState'],
    ['Subscriptions', 'SubscriptionState'],
  ])('%s lists every state, with all its properties', (heading, type) => {
    const states = exportedType(checker, program.getSourceFile(CORE)!, type) as ts.UnionType;
    const expected = states.types.map((state) => {
      const properties = propertiesOf(state);
      const name = checker.getTypeOfSymbol(properties.get('name')!) as ts.StringLiteralType;
      return [name.value, [...properties.keys()].filter((key) => key !== 'name').sort()];
    });
    const documented = tableUnder(tables, heading, '`state.name`').map(([name = '', content = '']) => [
      name.replaceAll('`', ''),
      [...content.matchAll(/`([^`]+)`/g)].map(([, each]) => each!).sort(),
    ]);
    expect(documented.sort()).toEqual(expected.sort());
  });

  test('every error code of the client is listed, and no other', () => {
    const inSources = sourcesOf(program).flatMap((file) =>
      [...file.text.matchAll(/(?:new RelayError|asRelayError)\([^()[]*?'([a-z]+(?:-[a-z]+)*)'/g)].map(
        ([, code]) => code!,
      ),
    );
    const documented = tables.filter(({ heading, titles }) => heading === 'Error codes' && titles[0] === 'code');
    const codes = documented.flatMap(({ rows }) => rows.map(([code = '']) => code.replaceAll('`', '')));
    expect(codes.sort()).toEqual([...new Set(inSources)].sort());
  });

  test('every error code of the relay is listed under its consequence', () => {
    const rows = tableUnder(tables, 'Error codes', 'reported as').map(([where = '', codes = '']) => [
      where,
      [...codes.matchAll(/`([^`]+)`/g)].map(([, code]) => code!).sort(),
    ]);
    const place = ([code, { closeCode, isSoft }]: [string, { closeCode: number; isSoft: boolean }]): number => {
      if (isSoft && code !== 'authentication-unavailable') return 0; // soft only for a session that is already connected
      if (FINAL.includes(closeCode)) return 1;
      return LATER.includes(closeCode) ? 3 : 2;
    };
    const own = names('Error codes', 'code');
    const expected = rows.map(([where], index) => [
      where,
      Object.entries(ERRORS)
        .flatMap((each) => (place(each) === index && !own.includes(each[0]) ? [each[0]] : []))
        .sort(),
    ]);
    expect(rows).toEqual(expected);
  });
});

function exportedType(checker: ts.TypeChecker, entry: ts.SourceFile, name: string): ts.Type {
  const all = checker.getExportsOfModule(checker.getSymbolAtLocation(entry)!);
  const symbol = all.find((each) => each.name === name);
  if (symbol === undefined) throw new Error(`${entry.fileName} does not export ${name}`);
  const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  return checker.getDeclaredTypeOfSymbol(target);
}

function propertiesOf(type: ts.Type): Map<string, ts.Symbol> {
  return new Map(type.getProperties().map((property) => [property.name, property]));
}

function sourcesOf(program: ts.Program): ts.SourceFile[] {
  return program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(path.join(SDK, 'src')));
}

/** The literal defaults in `{ name = 1 }`, in `options.name ?? 1` and in the constant DEFAULTS, by name. */
function defaultsIn(program: ts.Program): Map<string, string[]> {
  const found = new Map<string, string[]>();
  const add = (name: ts.Node, value: ts.Expression | undefined): void => {
    if (value === undefined) return;
    const isLiteral = ts.isLiteralExpression(value) || /^(true|false)$/.test(value.getText());
    if (isLiteral) found.set(name.getText(), [...(found.get(name.getText()) ?? []), value.getText()]);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isBindingElement(node)) add(node.propertyName ?? node.name, node.initializer);
    if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken) {
      if (ts.isPropertyAccessExpression(node.left)) add(node.left.name, node.right);
    }
    if (ts.isVariableDeclaration(node) && node.name.getText() === 'DEFAULTS') {
      node.initializer?.forEachChild((each) => ts.isPropertyAssignment(each) && add(each.name, each.initializer));
    }
    ts.forEachChild(node, visit);
  };
  sourcesOf(program).forEach(visit);
  return found;
}

function documentedDefault(option: ts.Symbol): string {
  const comment = ts.displayPartsToString(option.getDocumentationComment(undefined));
  return /\bdefault:? ([^.,;]+)/i.exec(comment)?.[1] ?? '';
}

/** The value as a table cell writes it. */
function asCell(value: string): string {
  return /^('.*'|[\d_.]+|true|false|undefined)$/.test(value) ? `\`${value}\`` : value;
}

const onDisk = ts.createCompilerHost(OPTIONS);
/** Source files on disk, shared by all programs of this file. */
const parsed = new Map<string, ts.SourceFile | undefined>();

/** Compiles the blocks, each as a module of its own beside the page. */
function problemsIn(page: string, blocks: readonly CodeBlock[]): string[] {
  const virtual = new Map(
    blocks.map((block) => [path.join(SDK, `${path.basename(page)}.${block.line}.tsx`), block.code]),
  );
  const [given, others] = ['given.d.ts', 'others.d.ts'].map((name) => path.join(SDK, name));
  const names = [...virtual.keys(), given!, others!];
  virtual.set(given!, GIVEN).set(others!, OTHERS);
  const host: ts.CompilerHost = {
    ...onDisk,
    fileExists: (file) => virtual.has(file) || onDisk.fileExists(file),
    readFile: (file) => virtual.get(file) ?? onDisk.readFile(file),
    getSourceFile(file, language) {
      const text = virtual.get(file);
      if (text !== undefined) return ts.createSourceFile(file, text, language);
      if (!parsed.has(file)) parsed.set(file, onDisk.getSourceFile(file, language));
      return parsed.get(file);
    },
  };
  const program = ts.createProgram(names, OPTIONS, host);
  return [...virtual.keys()].flatMap((file) => {
    const source = program.getSourceFile(file)!;
    const firstLine = blocks.find(({ line }) => file.endsWith(`.${line}.tsx`))?.line ?? 1;
    return ts.getPreEmitDiagnostics(program, source).map(({ start = 0, messageText }) => {
      const line = source.getLineAndCharacterOfPosition(start).line + firstLine;
      return `${page}:${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
  });
}
