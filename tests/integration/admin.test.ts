/** The admin port: listing, showing and kicking sessions, subscriptions, revocations, and refused requests. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { ConfigInput } from '../../server/src/index.js';
import { eventually } from '../support/deadline.js';
import { BROKERS, startRelay, TRANSPORTS } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';
import { stageRelays, unique } from './stomp/relay-stage.js';

const TOKEN = 'operator-token-with-plenty-of-randomness-in-it';

interface Answered {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

/** Uses Node's own client, which can send any Host. */
async function call(url: string, method = 'GET', headers: Record<string, string> = {}, body = ''): Promise<Answered> {
  const sentRequest = request(url, { method, headers }).end(body);
  const [response] = (await once(sentRequest, 'response')) as [AsyncIterable<Buffer> & { statusCode: number }];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, body: JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown> };
}

function revoke(relay: TestRelay, body: object): Promise<Answered> {
  const headers = { 'content-type': 'application/json' };
  return call(`${relay.adminUrl}api/revocations`, 'POST', headers, JSON.stringify(body));
}

describe.each(BROKERS)('%s', (broker) => {
  const stage = stageRelays(broker);
  const get = async (path: string): Promise<Record<string, unknown>> => {
    const { status, body } = await call(`${stage.relay.adminUrl}api/${path}`);
    expect([path, status]).toEqual([path, 200]);
    return body;
  };

  describe.each(TRANSPORTS)('over %s', (transport) => {
    test('the admin API lists and shows a session, without its passcode', async () => {
      const [user, passcode] = [unique('user'), unique('secret')];
      const client = await stage.connect(transport, { login: user, passcode });
      await client.receipt('SUBSCRIBE', { id: 's1', destination: '/topic/admin.#' });
      await client.receipt('SUBSCRIBE', { id: 's2', destination: '/queue/admin', ack: 'client' });
      const id = client.connected?.headers['session'] ?? '';
      const summary = {
        id,
        user,
        anonymous: false,
        transport: transport === 'tcpUrl' ? 'tcp' : 'websocket',
        address: '127.0.0.1',
        connectedAtMs: expect.any(Number),
        bufferedBytes: 0,
        subscriptionCount: 2,
      };
      expect(await get(`sessions?user=${user}`)).toEqual({ sessions: [summary] });
      const detail = await get(`sessions/${id}`);
      expect(detail).toEqual({
        ...summary,
        subscriptions: [
          { id: 's1', destination: '/topic/admin.#', ack: 'auto' },
          { id: 's2', destination: '/queue/admin', ack: 'client' },
        ],
      });
      expect(JSON.stringify(detail)).not.toContain(passcode);
    });

    test('a kicked client gets ERROR kicked, and may connect again', async () => {
      const user = unique('user');
      const client = await stage.connect(transport, { login: user });
      const id = client.connected?.headers['session'] ?? '';
      const kicked = await call(`${stage.relay.adminUrl}api/sessions/${id}`, 'DELETE');
      expect(kicked).toMatchObject({ status: 200, body: { kicked: { id, user } } });
      await client.expectFrame('ERROR', { code: 'kicked' });
      expect((await client.expectClose()).code).toBe(transport === 'tcpUrl' ? 1000 : 4411);
      const isGone = async () => (await call(`${stage.relay.adminUrl}api/sessions/${id}`)).status === 404 || undefined;
      await eventually(isGone, 5_000, () => 'the session is still open');
      await stage.connect(transport, { login: user });
    });

    test('a revocation ends the sessions of a user and appears in the list', async () => {
      const user = unique('user');
      const client = await stage.connect(transport, { login: user });
      const revoked = await revoke(stage.relay, { user, reason: 'has left' });
      expect(revoked).toEqual({
        status: 200,
        body: {
          user,
          revokedAtMs: expect.any(Number),
          sessionsEnded: 1,
          othersTold: true,
          durableSubscriptionsEnded: 0,
          ...(broker === 'rabbitmq' && { durableSubscriptionsUnknown: expect.stringContaining('managementUrl') }),
        },
      });
      await client.expectFrame('ERROR', { code: 'revoked' });
      expect((await client.expectClose()).code).toBe(transport === 'tcpUrl' ? 1000 : 4401);
      const { revocations } = await get('revocations?limit=1000');
      expect(revocations).toContainEqual({ user, revokedAtMs: revoked.body['revokedAtMs'], reason: 'has left' });
    });

    test('the admin API lists the subscribers of a destination', async () => {
      const topic = unique('topic');
      const [exact, wide, own] = [unique('exact'), unique('wide'), unique('own')];
      const subscribe = async (login: string, destination: string): Promise<void> => {
        await (await stage.connect(transport, { login })).receipt('SUBSCRIBE', { id: '0', destination });
      };
      await subscribe(exact, `/topic/${topic}/a`);
      await subscribe(wide, `/topic/${topic}.#`);
      await subscribe(own, `/user/queue/${topic}`);
      const users = async (destination: string): Promise<unknown[]> => {
        const { subscribers } = await get(`subscriptions?destination=${encodeURIComponent(destination)}`);
        return (subscribers as { user: string }[]).map(({ user }) => user).sort();
      };
      expect(await users(`/topic/${topic}.a`)).toEqual([exact, wide].sort());
      expect(await users(`/topic/${topic}.b`)).toEqual([wide]);
      expect(await users(`/user/${own}/queue/${topic}`)).toEqual([own]);
      const { destinations } = await get('subscriptions?limit=1000');
      expect(destinations).toContainEqual({ destination: `/topic/${topic}.#`, subscriptionCount: 1 });
    });
  });

  test('paged lists have every session that stays, also while others come and go', async () => {
    const user = unique('user');
    const stayers = await Promise.all(Array.from({ length: 20 }, () => stage.connect('tcpUrl', { login: user })));
    const seen: string[] = [];
    for (let after: string | undefined = ''; after !== undefined;) {
      const passing = await stage.connect('tcpUrl', { login: user });
      const page = await get(`sessions?user=${user}&limit=3&after=${after}`);
      seen.push(...(page['sessions'] as { id: string }[]).map(({ id }) => id));
      passing.destroy();
      after = page['next'] as string | undefined;
    }
    expect(seen).toEqual([...new Set(seen)].sort());
    expect(seen).toEqual(expect.arrayContaining(stayers.map(({ connected }) => connected?.headers['session'])));
  });
});

describe('refused requests', () => {
  const relays: TestRelay[] = [];
  const clients: StompClient[] = [];
  afterEach(async () => {
    for (const client of clients.splice(0)) client.destroy();
    await Promise.all(relays.splice(0).map((relay) => relay.stop()));
  });
  const start = async (options: ConfigInput): Promise<TestRelay> => {
    const relay = await startRelay('memory:', options);
    relays.push(relay);
    return relay;
  };
  /** The URL of an admin port that listens on all addresses. */
  const local = ({ adminUrl }: TestRelay, path: string): string => `${adminUrl.replace('0.0.0.0', '127.0.0.1')}${path}`;

  test('on loopback, the admin port refuses foreign host names and requests of web pages', async () => {
    const relay = await start({});
    const client = await connectStomp(relay.webSocketUrl);
    clients.push(client);
    const url = `${relay.adminUrl}api/sessions/${client.connected?.headers['session']}`;
    for (const headers of [
      { host: 'rebound.example' },
      { host: 'rebound.example:8081' },
      { origin: 'http://localhost:3000' },
      { origin: relay.adminUrl.slice(0, -1) },
      { 'sec-fetch-site': 'cross-site' },
    ]) {
      for (const method of ['GET', 'DELETE']) expect((await call(url, method, headers)).status).toBe(403);
    }
    expect((await call(`${relay.adminUrl}metrics`, 'GET', { host: 'rebound.example' })).status).toBe(403);
    expect((await call(url)).status).toBe(200);
    expect((await call(url, 'GET', { host: 'localhost' })).status).toBe(200);
  });

  test.each(['HTTP/1.0', 'HTTP/1.1'])(
    'with %s a health check needs no Host, but metrics and the API do',
    async (version) => {
      const relay = await start({});
      const status = async (path: string, headers = ''): Promise<string | undefined> => {
        const socket = connect(Number(new URL(relay.adminUrl).port), '127.0.0.1');
        socket.write(`GET ${path} ${version}\r\n${headers}Connection: close\r\n\r\n`);
        return (await text(socket)).split(' ', 2)[1];
      };
      for (const headers of ['', 'Host:\r\n', 'Host: relays.internal\r\n', 'Host: 10.0.0.1:8081\r\n']) {
        for (const path of ['/livez', '/readyz'])
          expect([headers, await status(path, headers)]).toEqual([headers, '200']);
        for (const path of ['/metrics', '/api/sessions']) expect(await status(path, headers)).toBe('403');
      }
    },
  );

  test('beyond loopback without admin.tokenHash, the admin API is closed, but health checks are open', async () => {
    const relay = await start({ listen: { adminHost: '0.0.0.0' } });
    for (const path of ['livez', 'readyz']) expect((await call(local(relay, path))).status).toBe(200);
    for (const headers of [{}, { authorization: `Bearer ${TOKEN}` }] as Record<string, string>[]) {
      const refused = await call(local(relay, 'api/sessions'), 'GET', headers);
      expect(refused).toMatchObject({ status: 403, body: { code: 'admin-api-closed' } });
      expect(refused.body['detail']).toContain('admin.tokenHash');
    }
  });

  test('beyond loopback with admin.tokenHash, the admin API refuses requests without the token', async () => {
    const tokenHash = createHash('sha256').update(TOKEN).digest('hex');
    const relay = await start({ listen: { adminHost: '0.0.0.0' }, admin: { tokenHash } });
    const url = local(relay, 'api/sessions');
    expect((await call(url, 'GET', { authorization: `Bearer ${TOKEN}` })).body).toEqual({ sessions: [] });
    for (const authorization of ['', 'Bearer', `Bearer ${tokenHash}`, `Bearer ${TOKEN.slice(1)}`]) {
      const refused = await call(url, 'GET', { authorization });
      expect(refused.status).toBe(401);
      expect(JSON.stringify(refused.body)).not.toContain(tokenHash);
    }
  });

  test('the public port does not serve the admin API', async () => {
    const relay = await start({});
    for (const path of ['api/sessions', 'api/revocations', 'api/subscriptions']) {
      expect((await call(`${relay.pageUrl}${path}`)).status).toBe(404);
    }
  });
});
