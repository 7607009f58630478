/** `GET /api/stream`: Server-Sent Events for the `eventsource` package and for bare sockets, on both brokers. */
import { afterEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/deadline.js';
import { BROKERS, startRelay } from '../../support/relay.js';
import type { TestRelay } from '../../support/relay.js';
import { stageRelays, unique } from '../stomp/relay-stage.js';
import { basic, get, metric, post, RawRequest, streamUrl, TestStream } from './http-client.js';
import type { HttpHeaders } from './http-client.js';

const open: (TestStream | RawRequest)[] = [];
afterEach(() => {
  for (const stream of open.splice(0)) stream.close();
});

async function openStream(relay: TestRelay, destinations: string[], headers: HttpHeaders = {}): Promise<TestStream> {
  const stream = new TestStream(streamUrl(relay, ...destinations), headers);
  open.push(stream);
  return stream.opened();
}

/** Opens a stream that reads nothing before the test reads. */
async function openRaw(relay: TestRelay, destination: string): Promise<RawRequest> {
  const path = new URL(streamUrl(relay, destination));
  const request = await RawRequest.open(
    relay,
    `GET ${path.pathname}${path.search} HTTP/1.1\r\nHost: localhost\r\n\r\n`,
  );
  open.push(request);
  return request;
}

const untilMetric = (relay: TestRelay, name: string, value: number): Promise<true> =>
  eventually(
    async () => ((await metric(relay, name)) === value ? true : undefined),
    10_000,
    () => `${name} is not ${value}`,
  );

describe.each(BROKERS)('streams, %s', (broker) => {
  const stage = stageRelays(broker, { instances: broker === 'memory' ? 1 : 2 });

  test('a stream delivers text and bytes of a topic, from STOMP and HTTP', async () => {
    const destination = `/topic/${unique('stream')}`;
    const stream = await openStream(stage.relay, [destination]);
    expect(stream.about?.destinations).toEqual([destination]);
    const client = await stage.connect('webSocketUrl');
    client.sendFrame('SEND', { destination, colour: 'blue' }, 'grüß\n\rdich');
    const { id, data } = await stream.next();
    expect(id).toMatch(/^\S+$/);
    expect(data).toMatchObject({ destination, body: 'grüß\n\rdich', headers: { colour: 'blue' } });
    await post(stage.relay, { destination, bodyBase64: '/wAK' });
    expect((await stream.next()).data).toMatchObject({ destination, bodyBase64: '/wAK' });
    await post(stage.relay, { destination });
    expect((await stream.next()).data).toMatchObject({ body: '' });
  });

  test('one stream can have several destinations, patterns and exchanges', async () => {
    const [word, key] = [unique('stream'), unique('key')];
    const stream = await openStream(stage.relay, [`/topic/${word}/*`, `/exchange/amq.direct/${key}`]);
    await post(stage.relay, { destination: `/topic/${word}.a`, body: '1' });
    expect((await stream.next()).data).toMatchObject({ destination: `/topic/${word}/a`, body: '1' });
    await post(stage.relay, { destination: `/exchange/amq.direct/${key}`, body: '2' });
    expect((await stream.next()).data).toMatchObject({ destination: `/exchange/amq.direct/${key}`, body: '2' });
  });

  test('a stream delivers the messages to its user, from any relay', async () => {
    const user = unique('user');
    const stream = await openStream(stage.relay, ['/user/queue/news'], basic(user));
    expect(stream.about?.user).toBe(user);
    await post(stage.relays.at(-1)!, { destination: `/user/${user}/queue/news`, body: 'for you' });
    expect((await stream.next()).data).toMatchObject({ destination: '/user/queue/news', body: 'for you' });
  });

  test('a message can address one stream of a user', async () => {
    const user = unique('user');
    const one = await openStream(stage.relay, ['/user/queue/x'], basic(user));
    const other = await openStream(stage.relay, ['/user/queue/x'], basic(user));
    const destination = `/user/${user}/queue/x`;
    const session = other.about!.session;
    await post(stage.relays.at(-1)!, { destination, headers: { session }, body: 'for the other' });
    await post(stage.relay, { destination, body: 'for both' });
    expect((await other.events.take(2)).map(({ data }) => data.body).sort()).toEqual(['for both', 'for the other']);
    expect((await one.next()).data.body).toBe('for both');
  });

  test('each anonymous stream has its own user name', async () => {
    const one = await openStream(stage.relay, ['/user/queue/x']);
    const other = await openStream(stage.relay, ['/user/queue/x']);
    expect(one.about?.user).toBe(one.about?.session);
    await post(stage.relay, { destination: `/user/${one.about?.user}/queue/x`, body: 'for one' });
    await post(stage.relay, { destination: `/user/${other.about?.user}/queue/x`, body: 'for the other' });
    expect((await other.next()).data.body).toBe('for the other');
    expect((await one.next()).data.body).toBe('for one');
  });

  test('twenty streams each get a thousand messages once and in order', async () => {
    const destination = `/topic/${unique('stream')}`;
    const all = await Promise.all(Array.from({ length: 20 }, () => openStream(stage.relay, [destination])));
    const bodies = Array.from({ length: 1_000 }, (_, index) => String(index));
    await post(stage.relay, { messages: bodies.map((body) => ({ destination, body })) });
    for (const { events } of all) expect((await events.take(1_000)).map(({ data }) => data.body)).toEqual(bodies);
    expect(new Set(all.map(({ events }) => events.all.at(-1)?.id)).size).toBe(1); // the event was encoded once
  });

  test.each([
    ['/queue/x', 400, 'invalid-destination'],
    ['/amq/queue/x', 400, 'invalid-destination'],
    ['/nowhere', 400, 'invalid-destination'],
    ['/exchange/no-such-exchange', 404, 'exchange-not-found'],
  ])('a stream of %s is refused with a problem', async (destination, status, code) => {
    const answer = await get(streamUrl(stage.relay, '/topic/x', destination));
    expect([answer.status, answer.body.code]).toEqual([status, code]);
    expect(answer.headers.get('content-type')).toMatch('application/problem+json');
  });

  test('a stream is removed when its client has gone', async () => {
    const stream = await openStream(stage.relay, [`/topic/${unique('stream')}`]);
    expect(await metric(stage.relay, 'streams')).toBeGreaterThan(0);
    stream.close();
    await untilMetric(stage.relay, 'streams', 0);
  });
});

describe('a stream', () => {
  const stage = stageRelays('memory', { config: { http: { streamKeepAliveMs: 100 } } });

  test('a stream has headers against buffering by proxies, and keep-alives', async () => {
    const text = await (await openRaw(stage.relay, '/topic/x')).read((given) => given.split('\n:\n\n').length > 2);
    expect(text).toMatch(/^HTTP\/1.1 200 OK\r\n/);
    expect(text).toMatch(/content-type: text\/event-stream; charset=utf-8\r\n/i);
    expect(text).toMatch(/cache-control: no-cache, no-transform\r\n/i);
    expect(text).toMatch(/x-accel-buffering: no\r\n/i);
    expect(text).toMatch(/retry: \d{4}\nevent: ready\ndata: {"session":"~[\w-]+"/);
    expect(text).not.toMatch(/access-control/i);
  });

  test('HEAD and other methods on a stream get 405', async () => {
    const url = streamUrl(stage.relay, '/topic/x');
    expect((await get(url, {}, 'HEAD')).status).toBe(405);
    const answer = await get(url, {}, 'DELETE');
    expect([answer.status, answer.headers.get('allow'), answer.body.code]).toEqual([405, 'GET', 'method-not-allowed']);
  });

  test.each([
    ['no destination', '', 'invalid-request'],
    ['an empty destination', '?destination=', 'invalid-request'],
    ['another parameter', '?destination=/topic/x&token=secret', 'invalid-request'],
  ])('a stream with %s in its query is refused', async (_fault, query, code) => {
    const answer = await get(`${streamUrl(stage.relay).split('?', 1)[0]}${query}`);
    expect([answer.status, answer.body.code]).toEqual([400, code]);
    expect(JSON.stringify(answer.body)).not.toContain('secret');
  });
});

describe('the end of a stream', () => {
  let relay: TestRelay | undefined;
  afterEach(() => relay?.stop());

  test('a stream ends with token-expired when its token expires', async () => {
    const authenticate = () =>
      Promise.resolve({ name: 'eve', anonymous: false, claims: {}, expiresAtMs: Date.now() + 300 });
    relay = await startRelay('memory:', {}, { authenticator: { authenticate } });
    const stream = await openStream(relay, ['/topic/x']);
    expect((await stream.next('error')).data).toMatchObject({ code: 'token-expired', mayReconnect: true });
  });

  test('a stream ends with a reconnect delay when the relay stops', async () => {
    relay = await startRelay('memory:', {});
    const request = await openRaw(relay, '/topic/x');
    await request.read((text) => text.includes('event: ready'));
    const [rest] = await Promise.all([request.read(), relay.stop()]);
    expect(rest).toMatch(/retry: \d{4}\nevent: error\ndata: {.*"code":"shutting-down","mayReconnect":true}/);
  });

  test('a stream whose client does not read is ended, and other streams are not delayed', async () => {
    relay = await startRelay('memory:', { http: { streamMaxBytes: 64 * 1024, streamKeepAliveMs: 60_000 } });
    const destination = `/topic/${unique('stream')}`;
    (await openRaw(relay, destination)).socket.pause();
    const reader = await openStream(relay, [destination]);
    await untilMetric(relay, 'streams', 2);
    const body = 'x'.repeat(100_000);
    for (let sent = 0; (await metric(relay, 'slow_consumers_total')) === 0; sent++) {
      expect(sent).toBeLessThan(500);
      expect((await post(relay, { destination, body })).status).toBe(200);
      expect((await reader.next()).data.body).toBe(body);
    }
    await untilMetric(relay, 'streams', 1);
    await post(relay, { destination, body: 'still served' });
    expect((await reader.next()).data.body).toBe('still served');
  });

  test('a stream whose client reads nothing between two keep-alives is ended', async () => {
    relay = await startRelay('memory:', { http: { streamMaxBytes: 64 * 1024 * 1024, streamKeepAliveMs: 100 } });
    const destination = `/topic/${unique('stream')}`;
    (await openRaw(relay, destination)).socket.pause();
    await untilMetric(relay, 'streams', 1);
    for (let i = 0; i < 12; i++) await post(relay, { destination, body: 'x'.repeat(1_000_000) });
    await untilMetric(relay, 'slow_consumers_total', 1);
    await untilMetric(relay, 'streams', 0);
  });
});

describe('bounds on streams', () => {
  const stage = stageRelays('memory', {
    config: {
      http: { streamsMax: 3 },
      limits: { sessionsPerUserMax: 2 },
      session: { subscriptionsMax: 2, wildcardSubscriptionsMax: 1 },
    },
  });

  test('streams beyond sessionsPerUserMax or streamsMax are refused', async () => {
    await openStream(stage.relay, ['/topic/x'], basic('ann'));
    await openStream(stage.relay, ['/topic/x'], basic('ann'));
    const third = await get(streamUrl(stage.relay, '/topic/x'), basic('ann'));
    expect([third.status, third.body.code]).toEqual([429, 'too-many-user-sessions']);
    await openStream(stage.relay, ['/topic/x'], basic('bob'));
    const fourth = await get(streamUrl(stage.relay, '/topic/x'), basic('cyd'));
    expect([fourth.status, fourth.body.code]).toEqual([503, 'too-many-sessions']);
    expect(Number(fourth.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  test('a stream with more destinations than subscriptionsMax is refused', async () => {
    const answer = await get(streamUrl(stage.relay, '/topic/1', '/topic/2', '/topic/3'));
    expect([answer.status, answer.body.code]).toEqual([400, 'too-many-subscriptions']);
  });

  test('a stream with too many patterns, or with a costly pattern, is refused', async () => {
    const answer = await get(streamUrl(stage.relay, '/topic/a.*', '/topic/b.#'));
    expect([answer.status, answer.body.code]).toEqual([400, 'too-many-subscriptions']);
    expect(answer.body.detail).toContain('session.wildcardSubscriptionsMax (1)');
    for (const pattern of ['/topic/#.a.#', `/topic/${'a.'.repeat(32)}a`]) {
      const refused = await get(streamUrl(stage.relay, pattern));
      expect([refused.status, refused.body.code]).toEqual([400, 'invalid-destination']);
    }
  });
});
