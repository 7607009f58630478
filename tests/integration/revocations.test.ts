/** A revocation at one relay applies to all relays on the broker; credentials issued later are accepted again. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { AuthenticationError } from '../../server/src/index.js';
import type { Authenticator } from '../../server/src/index.js';
import { eventually } from '../support/deadline.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { BROKERS, startRelay, TRANSPORTS } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp, openStomp } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { stageRelays, unique } from './stomp/relay-stage.js';

/** A passcode is its time of issue, or `password`. */
const tokens: Authenticator = {
  authenticate: ({ login, passcode = '' }) => {
    if (login === undefined) return Promise.resolve({ name: 'anonymous', anonymous: true, claims: {} });
    if (passcode === '') return Promise.reject(new AuthenticationError('authentication-failed', 'No passcode.'));
    const issued = passcode === 'password' ? {} : { issuedAtMs: Number(passcode) };
    return Promise.resolve({ name: login, anonymous: false, claims: {}, ...issued });
  },
};

function tokenFrom(ms: number): string {
  return String(Date.now() + ms);
}

async function expectRevoked(client: StompClient): Promise<void> {
  await client.expectFrame('ERROR', { code: 'revoked' });
  expect([4401, 1000]).toContain((await client.expectClose()).code); // TCP has no codes
}

describe.each(BROKERS)('%s', (broker) => {
  const stage = stageRelays(broker, { instances: broker === 'memory' ? 1 : 2, hooks: { authenticator: tokens } });
  const there = { instance: broker === 'memory' ? 0 : 1 };

  describe.each(TRANSPORTS)('over %s', (transport) => {
    test('a revocation ends the sessions of the user at all relays, and no others', async () => {
      const [user, other] = [unique('user'), unique('other')];
      const token = tokenFrom(-1_000);
      const ended = [
        await stage.connect(transport, { login: user, passcode: token }),
        await stage.connect(transport, { login: user, passcode: token }, there),
        await stage.connect(transport, { login: user, passcode: 'password' }, there),
      ];
      const spared = [
        await stage.connect(transport, { login: other, passcode: token }, there),
        await stage.connect(transport, {}, there),
      ];
      const result = await stage.relay.library.revoke(user, 'a test');
      expect(result).toMatchObject({ user, sessionsEnded: broker === 'memory' ? 3 : 1, othersTold: true });
      for (const each of ended) await expectRevoked(each);
      for (const each of spared) await each.receipt('SUBSCRIBE', { id: '0', destination: `/topic/${user}` });
    });

    test('after a revocation all relays refuse the old token, and accept a newer one and a password', async () => {
      const user = unique('user');
      const old = tokenFrom(-1_000);
      const witness = await stage.connect(transport, { login: user, passcode: old }, there);
      await stage.relay.library.revoke(user);
      await expectRevoked(witness);
      for (const instance of [0, there.instance]) {
        const refused = await stage.open(transport, { instance });
        refused.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', login: user, passcode: old });
        await refused.expectFrame('ERROR', { code: 'authentication-failed' });
        await stage.connect(transport, { login: user, passcode: tokenFrom(1_000) }, { instance });
        await stage.connect(transport, { login: user, passcode: 'password' }, { instance });
      }
    });
  });
});

describe('over HTTP', () => {
  const stage = stageRelays('rabbitmq', { instances: 2, hooks: { authenticator: tokens } });

  test('a revocation ends the streams of the user at all relays, and the old token opens no new one', async () => {
    const [user, topic] = [unique('user'), unique('topic')];
    const open = (relay: TestRelay, passcode: string): Promise<Response> =>
      fetch(`${relay.pageUrl}api/stream?destination=/topic/${topic}`, {
        headers: { authorization: `Basic ${Buffer.from(`${user}:${passcode}`).toString('base64')}` },
        signal: AbortSignal.timeout(10_000),
      });
    const old = tokenFrom(-1_000);
    const streams = await Promise.all(stage.relays.map((relay) => open(relay, old)));
    expect(streams.map(({ status }) => status)).toEqual([200, 200]);
    const [first] = (await stage.relay.library.sessions.list({ user })).items;
    expect(first).toMatchObject({ user, transport: 'stream', subscriptionCount: 1 });
    await stage.relay.library.revoke(user);
    for (const stream of streams) expect(await stream.text()).toMatch(/event: error\ndata: .*"code":"revoked"/);
    for (const relay of stage.relays) {
      expect((await open(relay, old)).status).toBe(401);
      const fresh = await open(relay, tokenFrom(1_000));
      expect(fresh.status).toBe(200);
      await fresh.body?.cancel();
    }
  });
});

describe('a client that forges revocations', () => {
  const stage = stageRelays('rabbitmq', { instances: 2, hooks: { authenticator: tokens } });

  test('a revocation forged by a client does not reach other relays', async () => {
    const victim = unique('victim');
    const witness = await stage.connect('webSocketUrl', { login: victim, passcode: 'password' }, { instance: 1 });
    const forged = { kind: 'revoked', from: 'x', revocations: [{ user: victim, revokedAtMs: Date.now() }] };
    const body = JSON.stringify(forged);
    const login = { login: unique('attacker'), passcode: 'password', 'relay-extensions': 'soft-errors' };
    const attacker = await stage.connect('webSocketUrl', login);
    for (const headers of [
      { destination: '/user/relays/queue/' },
      { destination: '/user/relays/queue/%00' },
      { destination: '/user/relays/queue/%20' },
      { destination: '/user//queue/relays' },
      { destination: '/user/%00/queue/relays' },
      { destination: '/user/%20/queue/relays' },
      { destination: '/user/queue/relays' },
      { destination: '/exchange/stomp-relay.user/.relays' },
      { destination: '/topic/.relays' },
      { destination: '/reply-queue/.relays' },
      { destination: '/topic/a', CC: '.relays' },
      { destination: '/topic/a', 'reply-to': '/user/relays/queue/' },
      {
        destination: `/queue/${unique()}`,
        'x-message-ttl': '0',
        'x-dead-letter-exchange': 'stomp-relay.user',
        'x-dead-letter-routing-key': '.relays',
      },
    ] as Record<string, string>[]) {
      attacker.sendFrame('SEND', { ...headers, 'content-type': 'application/json' }, body);
      const basic = Buffer.from(`${login.login}:password`).toString('base64');
      await fetch(`${stage.relay.pageUrl}api/messages`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Basic ${basic}` },
        body: JSON.stringify({ destination: headers['destination'], headers: { ...headers }, body }),
      });
    }
    await attacker.receipt('SEND', { destination: `/user/${victim}/queue/last` }, 'end');
    await witness.receipt('SUBSCRIBE', { id: '0', destination: '/topic/still-here' });
    for (const { library } of stage.relays) {
      expect((await library.operations.revocations({ limit: 100 })).items).toEqual([]);
    }
  });
});

describe('a session that is being authenticated', () => {
  let pending: (() => void)[] = [];
  const slow: Authenticator = {
    authenticate: async (credentials) => {
      await new Promise<void>((resolve) => pending.push(resolve));
      return tokens.authenticate(credentials);
    },
  };
  const stage = stageRelays('rabbitmq', { instances: 2, hooks: { authenticator: slow } });
  beforeEach(() => {
    pending = [];
  });

  test.each(['password', '1000'])(
    'a login that is being checked during the revocation is refused, with %s',
    async (passcode) => {
      const user = unique('user');
      const clients = [await stage.open('webSocketUrl'), await stage.open('webSocketUrl', { instance: 1 })];
      for (const each of clients) {
        each.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', login: user, passcode });
      }
      const begun = () => (pending.length === 2 ? true : undefined);
      await eventually(begun, 5_000, () => 'the authenticator was not called');
      await stage.relay.library.revoke(user);
      // Both relays know the revocation, also the one that received it from the other
      const isKnown = async (relay: TestRelay) =>
        (await relay.library.operations.revocations({ limit: 100 })).items.some((each) => each.user === user);
      for (const relay of stage.relays) {
        await eventually(
          async () => ((await isKnown(relay)) ? true : undefined),
          5_000,
          () => 'a relay has not received the revocation',
        );
      }
      for (const answer of pending) answer();
      for (const each of clients) {
        await each.expectFrame('ERROR', { code: 'authentication-failed' });
        expect((await each.expectClose()).code).toBe(4401);
      }
    },
  );
});

describe('a relay that missed a revocation', () => {
  const clients: StompClient[] = [];
  const relays: TestRelay[] = [];
  let vhost: Vhost;
  let proxy: TcpProxy;
  beforeAll(async () => {
    vhost = await createVhost();
    proxy = await TcpProxy.start(vhost.amqpUrl);
  }, 60_000);
  afterAll(async () => {
    for (const client of clients) client.destroy();
    await Promise.all(relays.map((relay) => relay.stop()));
    await proxy.close();
    await vhost.delete();
  });

  const start = async (url: string): Promise<TestRelay> => {
    const relay = await startRelay(url, { rabbitmq: { reconnectMaxMs: 500 } }, { authenticator: tokens });
    relays.push(relay);
    return relay;
  };
  const keep = (client: StompClient): StompClient => {
    clients.push(client);
    return client;
  };

  test('a relay gets missed revocations when it starts and when it reconnects', async () => {
    const [user, later, fromAfar] = [unique('user'), unique('later'), unique('afar')];
    const old = tokenFrom(-1_000);
    const first = await start(vhost.amqpUrl);
    await first.library.revoke(user);

    const second = await start(proxy.url(vhost.amqpUrl));
    const isRefused = async (): Promise<true | undefined> => {
      const client = keep(await openStomp(second.webSocketUrl));
      client.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', login: user, passcode: old });
      return (await client.nextFrame()).command === 'ERROR' ? true : undefined;
    };
    await eventually(isRefused, 10_000, () => 'the new relay accepts the old token');

    const victim = keep(await connectStomp(second.webSocketUrl, { login: later, passcode: old }));
    const fresh = keep(await connectStomp(second.webSocketUrl, { login: later, passcode: tokenFrom(3_600_000) }));
    const farVictim = keep(await connectStomp(first.webSocketUrl, { login: fromAfar, passcode: old }));
    proxy.cut();
    const isAway = () => second.library.notReady() !== undefined || undefined;
    await eventually(isAway, 10_000, () => 'the second relay still has its broker');
    expect(await first.library.revoke(later)).toMatchObject({ sessionsEnded: 0, othersTold: true });
    expect(await second.library.revoke(fromAfar)).toMatchObject({ sessionsEnded: 0, othersTold: false });
    proxy.restore();
    await expectRevoked(victim);
    await expectRevoked(farVictim);
    await fresh.receipt('SUBSCRIBE', { id: '0', destination: `/topic/${later}` });
  }, 60_000);
});
