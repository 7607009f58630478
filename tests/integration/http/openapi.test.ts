/** docs/openapi.yaml is valid, describes exactly the routes of the API, and matches real answers. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { Router } from 'express';
import { parse } from 'yaml';
import { createComponents } from '../../../server/src/components.js';
import { createConfig } from '../../../server/src/config.js';
import { PROBLEM_CODES } from '../../../server/src/http/problem-codes.js';
import { stageRelays, unique } from '../stomp/relay-stage.js';
import { get, post, streamUrl, TestStream } from './http-client.js';
import type { HttpHeaders } from './http-client.js';

const FILE = path.resolve(import.meta.dirname, '../../../docs/openapi.yaml');

interface Media {
  readonly schema: object;
  readonly examples?: Readonly<Record<string, { readonly value: unknown }>>;
}
interface Described {
  readonly content?: Readonly<Record<string, Media>>;
  readonly $ref?: string;
}
interface Operation {
  readonly requestBody?: Described;
  readonly responses: Readonly<Record<string, Described>>;
}
interface Description {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: {
    readonly responses: Readonly<Record<string, Described>>;
    readonly schemas: { readonly Code: { readonly enum: string[] } };
  };
}

const description = parse(readFileSync(FILE, 'utf8')) as Description;
const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);
ajv.addSchema(description, 'openapi');

/** Throws if `value` does not match the schema at `pointer`. */
function check(pointer: string, value: unknown): void {
  const validate = ajv.compile({ $ref: `openapi#${pointer}` });
  if (!validate(value)) throw new Error(`${JSON.stringify(value)}: ${ajv.errorsText(validate.errors)}`);
}

const escape = (key: string): string => encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'));

/** The pointer to the schema of an answer. */
function schemaOf(route: string, method: string, status: number, type: string): string {
  const operation = description.paths[route]?.[method];
  const described = operation?.responses[String(status)];
  if (!described) throw new Error(`${method} ${route} answers ${status}, which is not described`);
  const place = described.$ref?.slice(1) ?? `/paths/${escape(route)}/${method}/responses/${status}`;
  return `${place}/content/${escape(type)}/schema`;
}

interface Layer {
  readonly route?: { readonly path: string; readonly methods: Readonly<Record<string, boolean>> };
  readonly handle: { readonly stack?: readonly Layer[] };
}

function routesOf({ stack }: { readonly stack?: readonly Layer[] }): string[] {
  return (stack ?? []).flatMap(({ route, handle }) => {
    if (!route) return routesOf(handle);
    // `_all` only answers 405
    const methods = Object.keys(route.methods).filter((method) => method !== 'head' && method !== '_all');
    return methods.map((method) => `${method} ${route.path}`);
  });
}

describe('docs/openapi.yaml', () => {
  test('docs/openapi.yaml is valid OpenAPI 3.1', async () => {
    const result = await new Validator().validate(FILE);
    expect(result.errors).toBeUndefined();
    expect(result.valid).toBe(true);
  });

  test('docs/openapi.yaml describes exactly the routes of the API', () => {
    const parts = createComponents(createConfig({ log: { level: 'silent' } }), {});
    const routes = routesOf(parts.http.api(true) as Router & { stack: readonly Layer[] });
    const described = Object.entries(description.paths).flatMap(([route, item]) =>
      Object.keys(item).map((method) => `${method} ${route}`),
    );
    expect(described.sort()).toEqual(routes.sort());
  });

  test('docs/openapi.yaml lists exactly the problem codes of the API', () => {
    expect([...description.components.schemas.Code.enum].sort()).toEqual([...PROBLEM_CODES].sort());
  });

  test('the examples of docs/openapi.yaml match its schemas', () => {
    const media = (place: string, described: Described | undefined): [string, Media][] =>
      Object.entries(described?.content ?? {}).map(([type, each]) => [`${place}/content/${escape(type)}/schema`, each]);
    const all = [
      ...Object.entries(description.paths).flatMap(([route, item]) =>
        Object.entries(item).flatMap(([method, operation]) => {
          const place = `/paths/${escape(route)}/${method}`;
          return [
            ...media(`${place}/requestBody`, operation.requestBody),
            ...Object.entries(operation.responses).flatMap(([status, each]) =>
              media(`${place}/responses/${status}`, each),
            ),
          ];
        }),
      ),
      ...Object.entries(description.components.responses).flatMap(([name, each]) =>
        media(`/components/responses/${name}`, each),
      ),
    ];
    const examples = all.flatMap(([place, { examples = {} }]) =>
      Object.values(examples).map(({ value }) => [place, value] as const),
    );
    expect(examples.length).toBeGreaterThan(8);
    for (const [place, value] of examples) check(place, value);
  });
});

describe('answers of the relay', () => {
  const stage = stageRelays('memory', { config: { http: { messagesMax: 3 } } });
  const stream = { close: (): void => undefined };
  afterAll(() => stream.close());
  let large: string;
  beforeAll(() => {
    large = 'x'.repeat(9_000_000);
  });

  const message = (more: object = {}): object => ({ destination: `/topic/${unique('api')}`, ...more });

  test.each<[number, () => unknown, HttpHeaders]>([
    [200, () => message({ body: 'x' }), {}],
    [200, () => ({ messages: [message(), message({ json: [1] })] }), {}],
    [207, () => ({ messages: [message(), message({ mandatory: true }), { destination: '/nowhere' }] }), {}],
    [400, () => message({ colour: 'blue' }), {}],
    [400, () => '{"destination"', {}],
    [400, () => ({ messages: [{ destination: 3, headers: { 'a/b': {} } }] }), {}],
    [401, () => message(), { 'x-api-key': 'unknown' }],
    [403, () => message(), { origin: 'http://elsewhere.example' }],
    [404, () => ({ destination: '/exchange/none/x' }), {}],
    [413, () => ({ messages: [message(), message(), message(), message()] }), {}],
    [413, () => message({ body: large }), {}],
    [415, () => message(), { 'content-type': 'text/plain' }],
    [422, () => message({ mandatory: true }), {}],
  ])('the answer %s of POST /messages matches its schema', async (status, body, headers) => {
    const answer = await post(stage.relay, body(), headers);
    const [type = ''] = (answer.headers.get('content-type') ?? '').split(';');
    expect(answer.status).toBe(status);
    check(schemaOf('/messages', 'post', status, type), answer.body);
  });

  test.each<[number, string, HttpHeaders]>([
    [400, '/queue/x', {}],
    [401, '/topic/x', { 'x-api-key': 'unknown' }],
    [403, '/topic/x', { origin: 'http://elsewhere.example' }],
    [404, '/exchange/none', {}],
  ])('the answer %s of GET /stream matches its schema', async (status, destination, headers) => {
    const answer = await get(streamUrl(stage.relay, destination), headers);
    expect(answer.status).toBe(status);
    check(schemaOf('/stream', 'get', status, 'application/problem+json'), answer.body);
  });

  test('the events of a stream match their schemas', async () => {
    const source = new TestStream(streamUrl(stage.relay, '/topic/api.events'));
    stream.close = () => source.close();
    check('/components/schemas/Ready', (await source.next('ready')).data);
    await post(stage.relay, { destination: '/topic/api.events', headers: { n: 1 }, body: 'x' });
    check('/components/schemas/Event', (await source.next()).data);
    await post(stage.relay, { destination: '/topic/api.events', bodyBase64: '/w==' });
    check('/components/schemas/Event', (await source.next()).data);
    await stage.relay.stop();
    check('/components/schemas/StreamEnd', (await source.next('error')).data);
  });
});
