/**
 * A policy, tested through sockets: a denied destination is denied in every spelling, and an allowed one works. A
 * client with refused subscriptions receives none of the messages that an allowed subscriber receives.
 */
import { describe, expect, test } from '@jest/globals';
import type { ConfigInput, RelayHooks } from '../../server/src/index.js';
import { BROKERS } from '../support/relay.js';
import type { StompClient } from '../support/stomp-client.js';
import { stageRelays, unique } from './stomp/relay-stage.js';

const config: ConfigInput = {
  policy: {
    rules: [
      { deny: ['send', 'subscribe'], destination: ['/topic/secret.#', '/queue/secret'], users: 'everyone' },
      { allow: ['send', 'subscribe'], destination: '/#', claims: { role: 'admin' } },
      {
        allow: 'subscribe',
        destination: ['/topic/private.{user}.#', '/user/queue/#', '/topic/tenants.{claims.tenant}.news'],
      },
      { allow: ['send', 'subscribe'], destination: ['/topic/chat.#', '/queue/jobs', '/queue/tasks'] },
      { allow: ['send', 'subscribe'], destination: '/queue/plain', queueArguments: ['x-expires'] },
      { allow: 'send', destination: ['/user/*/queue/replies', '/queue/requests', '/exchange/amq.direct/#'] },
      { allow: 'subscribe', destination: '/topic/public.#', users: 'everyone' },
    ],
  },
};
/** Takes claims from headers of CONNECT; a client without a login is anonymous. */
const hooks: RelayHooks = {
  authenticator: {
    authenticate: ({ login, headers }) =>
      Promise.resolve({
        name: login ?? 'anonymous',
        anonymous: login === undefined,
        claims: { role: headers.get('role'), tenant: headers.get('tenant') },
      }),
  },
};

describe.each(BROKERS)('rules, with %s', (broker) => {
  const stage = stageRelays(broker, { config, hooks });
  const join = (login: string | undefined, more: Record<string, string> = {}) =>
    stage.connect('webSocketUrl', {
      ...(login !== undefined && { login }),
      'relay-extensions': 'soft-errors',
      ...more,
    });
  const admin = () => join('root', { role: 'admin' });

  /** The reason of a refusal. The sessions use soft-errors, so one session can be refused many times. */
  async function refused(client: StompClient, command: string, headers: Record<string, string>): Promise<string> {
    const receipt = unique();
    client.sendFrame(command, { ...headers, receipt }, command === 'SEND' ? 'x' : '');
    const answer = await client.take(
      (frame) => frame.headers['receipt-id'] === receipt,
      `an answer to ${JSON.stringify(headers)}`,
    );
    expect([answer.command, answer.headers['code']]).toEqual(['MESSAGE', 'access-denied']);
    return answer.body.toString();
  }

  test.each([
    ['/topic/secret.a', '/topic/secret/a', '/topic/%73ecret.a', '/topic/secret%2Ea'],
    ['/topic/#', '/topic/*', '/topic/*.a', '/topic/#.a', '/topic/secret.#'],
    ['/exchange/amq.topic/secret.a', '/exchange/amq.topic/#', '/exchange/%61mq.topic/secret.*', '/exchange/amq.topic'],
    ['/queue/secret', 'secret', '/amq/queue/secret', '/queue/%73ecret'],
    ['/topic/private.bob.a', '/topic/private.*.a', '/topic/private.#', '/topic/tenants.#', '/amq/queue/jobs'],
    ['/topic/other', '/topic/chats', '/exchange/amq.fanout', '/exchange/amq.direct/x', '/exchange/amq.headers/chat.a'],
  ])('SUBSCRIBE to the denied %s, %s and other spellings is refused', async (...destinations) => {
    const ann = await join('ann', { tenant: '#' });
    for (const destination of destinations) await refused(ann, 'SUBSCRIBE', { id: 's', destination });
  });

  test('an allowed subscriber gets a message, and clients with refused subscriptions do not', async () => {
    const [root, ann, bob, anonymous] = await Promise.all([admin(), join('ann'), join('bob'), join(undefined)]);
    await ann.receipt('SUBSCRIBE', { id: 's', destination: '/topic/private.ann.#' });
    for (const destination of ['/topic/private.ann.#', '/exchange/amq.topic/private.#', '/topic/*.ann.*']) {
      await refused(bob, 'SUBSCRIBE', { id: 's', destination });
      await refused(anonymous, 'SUBSCRIBE', { id: 's', destination });
    }
    await refused(anonymous, 'SUBSCRIBE', { id: 's', destination: '/topic/private.anonymous.#' });
    for (const client of [ann, bob]) await client.receipt('SUBSCRIBE', { id: 'end', destination: '/topic/chat.end' });
    await anonymous.receipt('SUBSCRIBE', { id: 'end', destination: '/topic/public.#' });
    await root.receipt('SEND', { destination: '/topic/private.ann.a' }, 'for ann');
    await root.receipt('SEND', { destination: '/topic/chat.end' }, 'end');
    await root.receipt('SEND', { destination: '/topic/public.end' }, 'end');
    expect((await ann.nextFrame()).body.toString()).toBe('for ann');
    for (const client of [ann, bob, anonymous]) expect((await client.nextFrame()).body.toString()).toBe('end');
  });

  test('a deny rule for everyone also applies to an administrator', async () => {
    const root = await admin();
    expect(await refused(root, 'SEND', { destination: '/exchange/amq.topic/secret.a' })).toBe(
      '"root" may not send to /exchange/amq.topic/secret.a: policy.rules.0 denies it.',
    );
    await refused(root, 'SUBSCRIBE', { id: 's', destination: '/topic/#' });
    await refused(root, 'SEND', { destination: '/reply-queue/secret' });
    await root.receipt('SEND', { destination: '/topic/anything' });
  });

  test('a denied SEND is refused in other spellings, in a transaction, and with a key that looks like a pattern', async () => {
    const ann = await join('ann');
    for (const destination of [
      '/topic/other',
      '/topic/#',
      '/exchange/amq.topic/other',
      '/reply-queue/jobs',
      '/amq/queue/jobs',
    ])
      await refused(ann, 'SEND', { destination });
    await refused(ann, 'SEND', { destination: '/user/bob/queue/orders' });
    ann.sendFrame('BEGIN', { transaction: 't' });
    await refused(ann, 'SEND', { destination: '/topic/other', transaction: 't' });
  });

  test('a claim in a rule matches exactly one word, and never acts as a wildcard', async () => {
    const [root, ann, wild] = await Promise.all([
      admin(),
      join('ann', { tenant: 'acme' }),
      join('eve', { tenant: '*' }),
    ]);
    await ann.receipt('SUBSCRIBE', { id: 's', destination: '/topic/tenants.acme.news' });
    expect(await refused(wild, 'SUBSCRIBE', { id: 's', destination: '/topic/tenants.*.news' })).toMatch(
      /policy\.rules\.2 does not allow it, since this user has no single word .* for \{claims\.tenant\}/,
    );
    await refused(wild, 'SUBSCRIBE', { id: 's', destination: '/topic/tenants.acme.news' });
    await root.receipt('SEND', { destination: '/topic/tenants.acme.news' }, 'news');
    expect((await ann.nextFrame()).body.toString()).toBe('news');
  });

  test('a SEND with a reply-to where its client may not send is refused', async () => {
    const ann = await join('ann');
    const to = { destination: '/queue/requests' };
    for (const replyTo of [
      'secret',
      '/queue/secret',
      '/topic/secret.a',
      'other',
      '/user/bob/queue/orders',
      '/exchange/amq.fanout',
    ])
      await refused(ann, 'SEND', { ...to, 'reply-to': replyTo });
    for (const replyTo of ['/temp-queue/t', 'jobs', '/queue/jobs', '/user/queue/replies', '/user/bob/queue/replies'])
      await ann.receipt('SEND', { ...to, 'reply-to': replyTo });
  });

  test('queue headers cannot bypass the policy', async () => {
    const ann = await join('ann');
    const chat = { id: 's', destination: '/topic/chat.a' };
    for (const headers of [
      { 'x-queue-name': 'secret' },
      { 'x-queue-name': 'requests', durable: 'true' },
      { 'x-dead-letter-exchange': 'amq.topic' },
      { 'x-dead-letter-exchange': 'amq.topic', 'x-dead-letter-routing-key': 'secret.a' },
      { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'secret' },
      { 'x-dead-letter-exchange': '' },
    ])
      await refused(ann, 'SUBSCRIBE', { ...chat, ...headers });
    for (const headers of [
      { 'x-message-ttl': '0' },
      { 'x-dead-letter-exchange': 'amq.direct' },
      { 'auto-delete': 'true' },
    ])
      await refused(ann, 'SEND', { destination: '/queue/requests', ...headers });
    await ann.receipt('SUBSCRIBE', {
      ...chat,
      destination: '/queue/tasks',
      'x-dead-letter-exchange': 'amq.topic',
      'x-dead-letter-routing-key': 'chat.dead',
    });
    await ann.receipt('SUBSCRIBE', { ...chat, id: 'u', durable: 'true', 'x-queue-name': 'jobs' });
  });

  test('a rule decides which queue arguments its users may use', async () => {
    const ann = await join('ann');
    const queue = { id: 's', destination: '/queue/plain', 'x-expires': '60000' };
    for (const command of ['SUBSCRIBE', 'SEND']) {
      const reason = await refused(ann, command, { ...queue, 'x-max-length': '5' });
      expect(reason).toMatch(/policy\.rules\.4 allows it without x-expires, x-max-length/);
    }
    await ann.receipt('SUBSCRIBE', queue);
    await ann.receipt('SEND', queue);
  });

  test('users can send to other users where a rule allows it', async () => {
    const [ann, bob] = await Promise.all([join('ann'), join('bob')]);
    await bob.receipt('SUBSCRIBE', { id: 's', destination: '/user/queue/replies' });
    await ann.receipt('SEND', { destination: '/user/bob/queue/replies' }, 'hello');
    expect((await bob.nextFrame()).body.toString()).toBe('hello');
  });
});
