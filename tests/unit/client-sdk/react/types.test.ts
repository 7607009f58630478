/**
 * The types of the hooks, checked by the compiler: one program with declared destinations, and one without. They are no
 * files, because a declaration applies to all files that are compiled together.
 */
import path from 'node:path';
import { expect, test } from '@jest/globals';
import ts from 'typescript';

const ROOT = path.resolve(import.meta.dirname, '../../../..');

/** The compiler's diagnostics. They include `@ts-expect-error` without an error below it. */
function diagnosticsOf(source: string): string[] {
  const { config } = ts.readConfigFile(path.join(ROOT, 'tsconfig.json'), (file) => ts.sys.readFile(file)) as {
    config: unknown;
  };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const file = path.join(import.meta.dirname, 'application.tsx');
  const readFile = (name: string): string | undefined => (name === file ? source : ts.sys.readFile(name));
  const fileExists = (name: string): boolean => name === file || ts.sys.fileExists(name);
  const host = Object.assign(ts.createCompilerHost(options), { readFile, fileExists });
  const program = ts.createProgram([file], options, host);
  return ts.getPreEmitDiagnostics(program, program.getSourceFile(file)).map(({ messageText, start = 0 }) => {
    const line = source.slice(0, start).split('\n').length;
    return `${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

const COMMON = `
  import { createClient } from 'stomp-relay-client';
  import * as hooks from 'stomp-relay-client/react';
  const { RelayProvider, useClient, useLatest, useMessages, usePublish, useRequest, useSubscription } = hooks;
  type Same<A, B> = (<X>() => X extends A ? 1 : 2) extends <X>() => X extends B ? 1 : 2 ? true : false;
  function is<A, B>(_: Same<A, B>) {}
  interface Row { readonly id: number; readonly price: number }
`;

test('declared destinations give the data their types, and exclude other destinations', () => {
  const source = `${COMMON}
    interface Destinations {
      '/topic/data': Row;
      '/topic/names': string;
      [chat: \`/topic/chat.\${string}\`]: { readonly text: string };
    }
    declare module 'stomp-relay-client' {
      interface Register { destinations: Destinations }
    }
    const client = createClient({ url: '/ws' });
    export const app = <RelayProvider client={client} />;
    is<typeof client, import('stomp-relay-client').Client>(true);

    export function Component({ room }: { room: string | undefined }) {
      const latest = useLatest('/topic/data');
      is<typeof latest.data, Row | undefined>(true);
      is<typeof latest.message, hooksMessage | undefined>(true);
      const first = useLatest('/topic/data', { initial: { id: 0, price: 0 } });
      void (first.data satisfies Row);
      const price = useLatest('/topic/data', { select: (row) => row.price });
      is<typeof price.data, number | undefined>(true);
      const known = useLatest('/topic/data', { select: (row) => row.price, initial: 0 });
      is<typeof known.data, number>(true);
      const none = useLatest('/topic/data', { initial: null });
      is<typeof none.data, Row | null>(true);
      const chat = useMessages(room === undefined ? null : \`/topic/chat.\${room}\`);
      is<typeof chat.messages, readonly { readonly text: string }[]>(true);
      const texts = useMessages('/topic/chat.x', { select: ({ text }, { headers }) => text + headers['user'] });
      is<typeof texts.messages, readonly string[]>(true);
      useSubscription('/topic/names', ({ data }) => is<typeof data, string>(true));
      useLatest(null);
      void usePublish('/topic/data').publish({ id: 1, price: 2 });
      void usePublish().publish('/topic/names', 'anna');
      void useClient().publish('/topic/names', 'anna');
      useRequest<Row>('/topic/data');

      // @ts-expect-error no such destination
      useLatest('/topic/date');
      // @ts-expect-error no such destination
      useLatest<Row>('/topic/date');
      // @ts-expect-error no such destination
      useMessages('/topic/date');
      // @ts-expect-error no such destination
      useSubscription('/topic/date', () => {});
      // @ts-expect-error no such destination
      usePublish('/topic/date');
      // @ts-expect-error no such destination
      useRequest('/topic/date');
      // @ts-expect-error wrong data for this destination
      void usePublish('/topic/data').publish({ id: 1 });
      // @ts-expect-error wrong data for this destination
      void usePublish().publish('/topic/data', 'anna');
      // @ts-expect-error wrong data for this destination
      useLatest('/topic/data', { select: (row: { name: string }) => row.name });
    }
    type hooksMessage = import('stomp-relay-client').Message<Row>;
  `;
  expect(diagnosticsOf(source)).toEqual([]);
});

test('without declarations any destination is allowed, and the caller names the type', () => {
  const source = `${COMMON}
    const client = createClient<{ '/topic/data': Row }>({ url: '/ws' });
    export const app = <RelayProvider client={client} />; // its own declarations are fine

    export function Component({ to }: { to: string | null }) {
      const any = useLatest(to);
      is<typeof any.data, unknown>(true);
      const row = useLatest<Row>('/topic/data');
      is<typeof row.data, Row | undefined>(true);
      const first = useLatest<Row>('/topic/data', { initial: { id: 0, price: 0 } });
      is<typeof first.data, Row>(true);
      const price = useLatest('/topic/data', { select: (row: Row) => row.price });
      is<typeof price.data, number | undefined>(true);
      const known = useLatest('/topic/data', { select: (row: Row) => row.price, initial: 0 });
      is<typeof known.data, number>(true);
      const decoded = useLatest('/topic/data', { decode: ({ bytes }) => bytes.length });
      is<typeof decoded.data, number | undefined>(true);
      const rows = useMessages<Row>('/topic/data', { limit: 5 });
      is<typeof rows.messages, readonly Row[]>(true);
      const prices = useMessages<Row, number>('/topic/data', { select: ({ price }) => price });
      is<typeof prices.messages, readonly number[]>(true);
      useSubscription<Row>('/topic/data', ({ data }) => is<typeof data, Row>(true), { ack: 'client' });
      useSubscription(to, ({ data }) => is<typeof data, unknown>(true));
      void usePublish<Row>('/topic/data').publish({ id: 1, price: 2 }, { queue: false });
      void usePublish().publish('/topic/data', new Uint8Array(3));
      const { data, request } = useRequest<Row>('/queue/rows', { timeoutMs: 1_000 });
      is<typeof data, Row | undefined>(true);
      void request({ id: 1 }).then((message) => is<typeof message.data, Row>(true));
      void useClient<{ '/topic/data': Row }>().publish('/topic/data', { id: 1, price: 2 });

      // @ts-expect-error not the named type
      void usePublish<Row>('/topic/data').publish('anna');
      // @ts-expect-error no destination
      useLatest(undefined);
    }
  `;
  expect(diagnosticsOf(source)).toEqual([]);
});
