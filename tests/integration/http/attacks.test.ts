/** Attacks on the HTTP API. */
import { describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/deadline.js';
import { stageRelays, unique } from '../stomp/relay-stage.js';
import { apiUrl, metric, post, RawRequest, streamUrl, TestStream } from './http-client.js';

const KIB = 1024;
const head = (length: number, more = ''): string =>
  `POST /api/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n`;

describe('requests', () => {
  const stage = stageRelays('memory', {
    config: {
      session: { connectTimeoutMs: 500 },
      http: { bodyMaxBytes: 512 * KIB, bodiesMaxBytes: 1024 * KIB, messagesMax: 100 },
    },
  });

  test('a request body that arrives too slowly gets 408', async () => {
    const request = await RawRequest.open(stage.relay, `${head(1_000)}{"destination":`);
    expect(await request.read()).toMatch(/^HTTP\/1.1 408 /);
  });

  test('many incomplete bodies are bounded together, and their memory is released', async () => {
    const half = `{"destination":"/topic/x","body":"${'x'.repeat(400 * KIB)}`;
    const requests = await Promise.all(
      [1, 2, 3, 4].map(() => RawRequest.open(stage.relay, `${head(500 * KIB)}${half}`)),
    );
    const answers = await Promise.all(requests.map((request) => request.read()));
    expect(answers.filter((each) => each.includes('"code":"overloaded"')).length).toBeGreaterThanOrEqual(1);
    // Their share of the memory is released
    expect((await post(stage.relay, { destination: '/topic/x', body: 'x'.repeat(400 * KIB) })).status).toBe(200);
  });

  test('a body that is too large is discarded without using the memory for bodies', async () => {
    const tooLarge = await RawRequest.open(stage.relay, head(10_000 * KIB) + ' '.repeat(1_000 * KIB));
    await eventually(
      () => (tooLarge.socket.writableLength === 0 ? true : undefined),
      10_000,
      () => 'the relay does not read the body',
    );
    const answer = await post(stage.relay, { destination: '/topic/x', body: 'x'.repeat(400 * KIB) });
    tooLarge.close();
    expect(answer.status).toBe(200);
  });

  test.each<[string, string, string]>([
    ['not closed', '['.repeat(200_000), 'malformed-json'],
    ['closed', `${'['.repeat(200_000)}${']'.repeat(200_000)}`, 'invalid-request'],
    [
      'as a message',
      `{"destination":"/topic/x","json":${'['.repeat(200_000)}${']'.repeat(200_000)}}`,
      'invalid-request',
    ],
    [
      'beside a long number',
      `{"destination":"/topic/x","json":[12345678901234567890,${'['.repeat(2_000)}${']'.repeat(2_000)}]}`,
      'invalid-request',
    ],
    [
      'as a header',
      `{"destination":"/topic/x","headers":{"a":${'['.repeat(9_000)}${']'.repeat(9_000)}}}`,
      'invalid-request',
    ],
  ])('deeply nested JSON gets 400: %s', async (_form, text, code) => {
    const answer = await post(stage.relay, text, { 'idempotency-key': 'x' });
    expect([answer.status, answer.body.code]).toEqual([400, code]);
  });

  test.each<[string, string]>([
    ['an empty body', ''],
    ['a string', '"x"'],
    ['null', 'null'],
    ['a list', '[]'],
    ['no messages', '{"messages":[]}'],
    ['two bodies', '{"destination":"/topic/x","body":"a","json":1}'],
    ['invalid base64', '{"destination":"/topic/x","bodyBase64":"%%%"}'],
    ['half a surrogate pair', '{"destination":"/topic/x","body":"\\ud800"}'],
    ['half a surrogate pair in a destination', '{"destination":"/topic/\\ud800"}'],
    ['a long destination', `{"destination":"/topic/${'x'.repeat(5_000)}"}`],
    ['unknown members', `{"destination":"/topic/x",${Array.from({ length: 20_000 }, (_, i) => `"k${i}":1`).join()}}`],
    ['a member __proto__', '{"destination":"/topic/x","__proto__":{"mandatory":true}}'],
    [
      'many headers',
      `{"destination":"/topic/x","headers":{${Array.from({ length: 20_000 }, (_, i) => `"k${i}":1`).join()}}}`,
    ],
    ['a long header', `{"destination":"/topic/x","headers":{"a":"${'x'.repeat(100 * KIB)}"}}`],
    ['a line break in a header', '{"destination":"/topic/x","headers":{"a":"x\\r\\nmessage-id:1"}}'],
    ['a line break in a name', '{"destination":"/topic/x","headers":{"a\\nb":"x"}}'],
    ['a NUL in a header', '{"destination":"/topic/x","headers":{"a":"x\\u0000"}}'],
  ])('a request with invalid content gets 400: %s', async (_content, text) => {
    const answer = await post(stage.relay, text);
    expect([answer.status, answer.body.code]).toEqual([400, 'invalid-request']);
    expect(answer.text.length).toBeLessThan(8_000);
  });

  test('a body that is not UTF-8 gets 400, and a compressed body 415', async () => {
    const url = apiUrl(stage.relay, '/messages');
    const headers = { 'content-type': 'application/json' };
    const latin = await fetch(url, {
      method: 'POST',
      headers,
      body: Buffer.from('{"destination":"/topic/\xff"}', 'latin1'),
    });
    expect([latin.status, ((await latin.json()) as { code: string }).code]).toEqual([400, 'malformed-json']);
    const packed = await fetch(url, { method: 'POST', headers: { ...headers, 'content-encoding': 'gzip' }, body: 'x' });
    expect(packed.status).toBe(415);
  });

  test('headers named __proto__ and constructor are ordinary headers', async () => {
    const destination = `/topic/${unique('proto')}`;
    const source = await new TestStream(streamUrl(stage.relay, destination)).opened();
    const text = `{"destination":"${destination}","headers":{"__proto__":"a","constructor":"b"},"json":{"__proto__":1}}`;
    expect((await post(stage.relay, text)).status).toBe(200);
    const { data } = await source.next();
    source.close();
    expect(Object.entries(data.headers)).toEqual(
      expect.arrayContaining([
        ['__proto__', 'a'],
        ['constructor', 'b'],
      ]),
    );
    expect(data.body).toBe('{"__proto__":1}');
    expect(({} as Record<string, unknown>)['mandatory']).toBeUndefined();
  });

  test('a request with too many messages or bytes gets 413', async () => {
    const many = await post(stage.relay, {
      messages: Array.from({ length: 101 }, () => ({ destination: '/topic/x' })),
    });
    expect([many.status, many.body.code]).toEqual([413, 'request-too-large']);
    const large = await post(stage.relay, { destination: '/topic/x', body: 'x'.repeat(513 * KIB) });
    expect([large.status, large.body.code]).toEqual([413, 'request-too-large']);
  });

  test('a client that vanishes during a request does not affect other requests', async () => {
    const destination = `/topic/${unique('vanished')}`;
    const source = await new TestStream(streamUrl(stage.relay, destination)).opened();
    const body = JSON.stringify({
      messages: Array.from({ length: 100 }, (_, n) => ({ destination, body: String(n) })),
    });
    const vanished = await RawRequest.open(stage.relay, head(body.length) + body);
    vanished.close();
    const half = await RawRequest.open(stage.relay, head(body.length) + body.slice(0, 100));
    half.close();
    expect((await post(stage.relay, { destination, body: 'alive' })).status).toBe(200);
    await source.events.until((all) => all.some(({ data }) => data.body === 'alive'));
    source.close();
  });
});

describe('streams', () => {
  const stage = stageRelays('memory', { config: { listen: { httpConnectionsMax: 100 } } });

  test('many streams leave connections for other clients', async () => {
    const path = new URL(streamUrl(stage.relay, '/topic/x'));
    const text = `GET ${path.pathname}${path.search} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const crowd = await Promise.all(Array.from({ length: 90 }, () => RawRequest.open(stage.relay, text)));
    const answers = await Promise.all(crowd.map((each) => each.read((given) => given.includes('\r\n\r\n'))));
    expect(answers.filter((each) => each.startsWith('HTTP/1.1 200'))).toHaveLength(50);
    expect(answers.filter((each) => each.startsWith('HTTP/1.1 503'))).toHaveLength(40);
    const client = await stage.connect('webSocketUrl');
    expect(client.connected).toBeDefined();
    for (const each of crowd) each.close();
    await eventually(
      async () => ((await metric(stage.relay, 'streams')) === 0 ? true : undefined),
      10_000,
      () => 'some streams are still open',
    );
  });

  test('requests pipelined behind a stream are not handled', async () => {
    const { pathname, search } = new URL(streamUrl(stage.relay, '/topic/x'));
    const stream = `GET ${pathname}${search} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const body = JSON.stringify({ destination: '/topic/x', body: 'x'.repeat(10 * KIB) });
    const pipelined = await RawRequest.open(stage.relay, stream + stream + head(body.length) + body);
    await pipelined.read((text) => text.includes('event: ready'));
    expect(await metric(stage.relay, 'streams')).toBe(1);
    pipelined.close();
    await eventually(
      async () => ((await metric(stage.relay, 'streams')) === 0 ? true : undefined),
      10_000,
      () => 'some streams are still open',
    );
    expect(await metric(stage.relay, 'http_messages_total{result="confirmed"}')).toBe(0);
  });

  test('pipelined requests are answered in order', async () => {
    const body = JSON.stringify({ destination: '/topic/x', body: 'x' });
    const request = await RawRequest.open(stage.relay, (head(body.length) + body).repeat(3));
    const text = await request.read((given) => given.split('"result":"confirmed"').length === 4);
    request.close();
    expect(text.match(/HTTP\/1.1 \d+/g)).toEqual(Array(3).fill('HTTP/1.1 200'));
  });

  test('line breaks in a message do not become events of a stream', async () => {
    const destination = `/topic/${unique('sse')}`;
    const source = await new TestStream(streamUrl(stage.relay, destination)).opened();
    const evil = 'x\n\nevent: error\ndata: {}\n\n\r\rid: 1\u2028\u2029';
    const client = await stage.connect('webSocketUrl', { 'accept-version': '1.2' });
    client.sendFrame('SEND', { destination, evil: 'x\\n\\nevent: error\\ndata: {}\\n\\n' }, evil);
    const { data } = await source.next();
    source.close();
    expect(data.body).toBe(evil);
    expect(data.headers['evil']).toBe('x\n\nevent: error\ndata: {}\n\n');
  });
});
