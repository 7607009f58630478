/** Positions over HTTP: streams that return, and `GET /api/history`. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { parse } from 'yaml';
import { BROKERS } from '../../support/relay.js';
import { stageRelays, unique } from '../stomp/relay-stage.js';
import { apiUrl, basic, get, post, RawRequest, streamUrl, TestStream } from './http-client.js';
import type { HttpHeaders } from './http-client.js';

const RULES = [
  { name: 'topics', match: '/topic/kept.#' },
  { name: 'inbox', match: '/user/queue/inbox' },
];
const ajv = new Ajv2020({ strict: false });
addFormats.default(ajv);
ajv.addSchema(
  parse(readFileSync(path.resolve(import.meta.dirname, '../../../docs/openapi.yaml'), 'utf8')) as object,
  'openapi',
);

function expectSchema(name: string, value: unknown): void {
  const validate = ajv.compile({ $ref: `openapi#/components/schemas/${name}` });
  validate(value);
  expect(validate.errors ?? []).toEqual([]);
}

interface Line {
  readonly position: string;
  readonly body?: string;
}

describe.each(BROKERS)('recovery over HTTP, %s', (broker) => {
  const instances = broker === 'memory' ? 1 : 2;
  const stage = stageRelays(broker, { instances, config: { history: { rules: RULES } } });
  /** The relay that a client returns to. */
  const elsewhere = () => stage.relays.at(-1)!;
  const topic = () => `/topic/kept.${unique()}`;
  const open: { close(): void }[] = [];
  afterEach(() => open.splice(0).forEach((each) => each.close()));

  async function openStream(query: string, headers: HttpHeaders = {}): Promise<TestStream> {
    const stream = new TestStream(query, headers);
    open.push(stream);
    return stream.opened();
  }

  async function publish(destination: string, ...bodies: string[]): Promise<void> {
    await post(stage.relay, { messages: bodies.map((body) => ({ destination, body })) });
  }

  const historyUrl = (destination: string, since: string): string =>
    apiUrl(stage.relay, `/history?destination=${encodeURIComponent(destination)}&since=${encodeURIComponent(since)}`);

  async function history(destination: string, since: string, headers: HttpHeaders = {}): Promise<Line[]> {
    const response = await fetch(historyUrl(destination, since), { headers });
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/x-ndjson; charset=utf-8');
    const lines = (await response.text()).trimEnd().split('\n');
    return lines.map((line) => JSON.parse(line) as Line);
  }

  const now = async (destination: string): Promise<string> => (await history(destination, 'now'))[0]!.position;

  test.each([
    ['since', (since: string) => [`&since=${since}`, {}] as const],
    ['Last-Event-ID', (since: string) => ['', { 'last-event-id': since }] as const],
  ])('a stream that returns with %s gets what it missed', async (_, wish) => {
    const destination = topic();
    const url = streamUrl(stage.relay, destination);
    const stream = await openStream(url);
    expectSchema('Ready', stream.about);
    expect(stream.about).toMatchObject({ position: expect.any(String) });
    await publish(destination, '1', '2');
    const { id } = await stream.next();
    stream.close();
    await publish(destination, '3');
    const [query, headers] = wish(id);
    const again = await openStream(`${streamUrl(elsewhere(), destination)}${query}`, headers);
    expectSchema('Ready', again.about);
    expect(again.about).toMatchObject({ recovered: true, replayed: 2, position: id });
    expect((await again.next()).data).toMatchObject({ body: '2', headers: { 'relay-replayed': 'true' } });
    expect((await again.next()).data.body).toBe('3');
    await publish(destination, '4');
    const last = await again.next();
    expect(last.data.body).toBe('4');
    expect(last.data.headers).not.toHaveProperty('relay-replayed');
    expect(await now(destination)).toBe(last.id);
  });

  test('the id of an earlier stream is no position', async () => {
    const url = streamUrl(stage.relay, topic());
    const stream = await openStream(url, { 'last-event-id': '5f0c3a1e-1' });
    expect(stream.about).toMatchObject({ recovered: false, reason: 'unknown-position' });
    const plain = await openStream(streamUrl(stage.relay, '/topic/plain'), { 'last-event-id': '5f0c3a1e-1' });
    expect(plain.about).not.toHaveProperty('recovered');
  });

  test('with several destinations, ids are no positions', async () => {
    const destination = topic();
    const url = streamUrl(stage.relay, destination, topic());
    const stream = await openStream(`${url}&since=x`);
    expect(stream.about).toMatchObject({ recovered: false, reason: 'not-recoverable' });
    await publish(destination, '1');
    expect((await stream.next()).id).toMatch(/^[\w]+-\w+$/);
  });

  test('GET /api/history has the messages behind the position, and ends with the newest', async () => {
    const destination = topic();
    const before = await now(destination);
    await publish(destination, '1', '2', '3');
    await publish(topic(), 'other');
    const lines = await history(destination, before);
    expect(lines.map(({ body }) => body)).toEqual(['1', '2', '3', undefined]);
    for (const line of lines.slice(0, -1)) expectSchema('Line', line);
    expect(Object.keys(lines.at(-1)!)).toEqual(['position']);
    expect(await history(destination, lines[1]!.position)).toHaveLength(2);
    expect(await history(destination, lines.at(-1)!.position)).toHaveLength(1);
  });

  test('a user has only the own messages', async () => {
    const [ann, bob] = [unique('ann'), unique('bob')];
    const before = await now('/user/queue/inbox');
    await publish(`/user/${ann}/queue/inbox`, '1');
    await publish(`/user/${bob}/queue/inbox`, '2');
    const lines = await history('/user/queue/inbox', before, basic(ann));
    expect(lines.map(({ body }) => body)).toEqual(['1', undefined]);
  });

  test.each([
    ['an unknown position', '/topic/kept.a', 'x', 410, 'history-gone', 'unknown-position'],
    ['a destination without a rule', '/topic/plain', 'x', 404, 'not-recoverable', 'not-recoverable'],
  ])('%s is refused', async (_, destination, since, status, code, reason) => {
    const answer = await get(historyUrl(destination, since));
    expect(answer).toMatchObject({ status, body: { code, reason } });
    expectSchema('Problem', answer.body);
  });

  test.each([
    '?destination=/topic/kept.a',
    '?since=x',
    '?destination=/topic/a&since=x&limit=5',
    '?destination=/topic/a&last=1',
    '?destination=/topic/a&since=x&since=y',
  ])('the query %s is refused', async (query) => {
    const answer = await get(apiUrl(stage.relay, `/history${query}`));
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid-request' } });
  });

  test('a client that does not read is sent little, and the rest when it reads', async () => {
    const destination = topic();
    const before = await now(destination);
    const body = 'x'.repeat(500_000);
    for (let i = 0; i < 40; i++) await publish(destination, body);
    const { pathname, search } = new URL(historyUrl(destination, before));
    const request = await RawRequest.open(
      stage.relay,
      `GET ${pathname}${search} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    open.push(request);
    const text = await request.read();
    expect(text.match(/"body"/g)).toHaveLength(40);
    expect(text.trimEnd().endsWith('0')).toBe(true);
  });
});
