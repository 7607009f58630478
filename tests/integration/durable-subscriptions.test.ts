/** Durable subscriptions as operators see them: listed, ended, and gone with their user's access. */
import { describe, expect, jest, test } from '@jest/globals';
import amqp from 'amqplib';
import type { Authenticator } from '../../server/src/index.js';
import { eventually } from '../support/deadline.js';
import { createVhost, rabbitmq } from '../support/rabbitmq.js';
import { BROKERS, startRelay } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';
import { stageRelays, unique } from './stomp/relay-stage.js';

jest.setTimeout(60_000); // RabbitMQ's management API counts every five seconds

/** Every login is a password, so a revoked user may log in again. */
const passwords: Authenticator = {
  authenticate: ({ login = 'anonymous' }) => Promise.resolve({ name: login, anonymous: false, claims: {} }),
};

interface Listed {
  readonly queue: string;
  readonly user: string;
  readonly messages?: number;
  readonly isInUse?: boolean;
}

async function call(relay: TestRelay, path: string, method = 'GET', body?: object) {
  const response = await fetch(`${relay.adminUrl}api/${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    signal: AbortSignal.timeout(10_000),
  });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function listed(relay: TestRelay, query: string): Promise<Listed[]> {
  const { status, body } = await call(relay, `durable-subscriptions?${query}`);
  expect([status, body['code']]).toEqual([200, undefined]);
  return body['durableSubscriptions'] as Listed[];
}

/** RabbitMQ's management API counts every few seconds. */
function listedWhen(relay: TestRelay, query: string, isReady: (all: readonly Listed[]) => boolean): Promise<Listed[]> {
  const look = async () => {
    const all = await listed(relay, query);
    return isReady(all) ? all : undefined;
  };
  return eventually(look, 20_000, () => `durable subscriptions of ${query} do not become as expected`);
}

describe.each(BROKERS)('%s', (broker) => {
  const config = broker === 'memory' ? {} : { rabbitmq: { managementUrl: rabbitmq().managementUrl } };
  const instances = broker === 'memory' ? 1 : 2;
  const stage = stageRelays(broker, { instances, config, hooks: { authenticator: passwords } });
  const other = instances - 1;

  async function subscribed(login: string, destination: string, instance = 0): Promise<StompClient> {
    const client = await stage.connect('webSocketUrl', { login, 'client-id': 'tab' }, { instance });
    await client.receipt('SUBSCRIBE', { id: 'kept', destination, durable: 'true' });
    return client;
  }

  /** Their client has left. */
  async function abandoned(login: string, destination: string, instance = 0): Promise<void> {
    const client = await subscribed(login, destination, instance);
    await client.receipt('UNSUBSCRIBE', { id: 'kept' });
    await client.disconnect();
  }

  test('the admin API lists the durable subscriptions of a user, and of all users in pages', async () => {
    const [ann, bob] = [unique('ann'), unique('bob')];
    const destinations = ['/topic/a', '/topic/b', '/exchange/amq.topic/c', '/user/queue/d'].map(
      (each) => `${each}.${ann}`,
    );
    for (const each of destinations) await abandoned(ann, each);
    await abandoned(bob, destinations[0]!, other);
    const isCounted = ({ isInUse, messages }: Listed): boolean => isInUse === false && messages !== undefined;
    const ofAnn = await listedWhen(stage.relay, `user=${ann}`, (all) => all.every(isCounted));
    expect(ofAnn).toHaveLength(4);
    for (const destination of destinations) {
      expect(ofAnn).toContainEqual({
        queue: expect.stringMatching(/^stomp-relay\.durable\.[\w-]{22}\.[\w-]{43}$/),
        user: ann,
        clientId: 'tab',
        destination,
        subscription: 'kept',
        messages: 0,
        isInUse: false,
      });
    }
    const all: Listed[] = [];
    let after = '';
    for (let next: unknown = ''; next !== undefined;) {
      const { body } = await call(stage.relay, `durable-subscriptions?limit=2${after}`);
      all.push(...(body['durableSubscriptions'] as Listed[]));
      next = body['next'];
      after = `&after=${String(next)}`;
    }
    const names = all.map(({ queue }) => queue);
    expect(names).toEqual([...new Set(names)].sort());
    expect(names).toEqual(expect.arrayContaining(ofAnn.map(({ queue }) => queue)));
    expect(all.filter(({ user }) => user === bob)).toHaveLength(1);
  });

  test('the admin API ends a durable subscription that no session holds', async () => {
    const [user, destination] = [unique('user'), `/topic/${unique()}`];
    const holder = await subscribed(user, destination);
    const [{ queue } = { queue: '' }] = await listedWhen(stage.relay, `user=${user}`, (all) => all.length === 1);
    const end = () => call(stage.relay, `durable-subscriptions/${queue}`, 'DELETE');
    expect(await end()).toMatchObject({ status: 409, body: { code: 'queue-in-use' } });
    await holder.receipt('UNSUBSCRIBE', { id: 'kept' });
    expect(await end()).toEqual({ status: 200, body: { ended: queue } });
    expect(await end()).toMatchObject({ status: 404, body: { code: 'not-found' } });
    await listedWhen(stage.relay, `user=${user}`, (all) => all.length === 0);
    const foreign = await call(stage.relay, `durable-subscriptions/${unique('a.queue')}`, 'DELETE');
    expect(foreign).toMatchObject({ status: 404, body: { code: 'not-found' } });
  });

  test('a revocation ends the durable subscriptions of the user at all relays, held or not, and no others', async () => {
    const [user, spared, topic] = [unique('user'), unique('spared'), unique()];
    await abandoned(user, `/topic/${topic}`);
    await abandoned(user, `/topic/${topic}.2`, other);
    await abandoned(spared, `/topic/${topic}`, other);
    const holder = await subscribed(user, `/topic/${topic}.3`, other);
    await listedWhen(stage.relay, `user=${user}`, (all) => all.length === 3);
    const sender = await stage.connect('webSocketUrl', { login: unique('sender') });
    await sender.receipt('SEND', { destination: `/topic/${topic}` }, 'secret');
    const { status, body } = await call(stage.relay, 'revocations', 'POST', { user });
    // Besides those that sessions held. Another relay may be faster
    const durableSubscriptionsEnded = instances === 1 ? 2 : expect.any(Number);
    expect([status, body]).toEqual([200, expect.objectContaining({ user, durableSubscriptionsEnded })]);
    expect(body).not.toHaveProperty('durableSubscriptionsUnknown');
    await holder.expectFrame('ERROR', { code: 'revoked' });
    await listedWhen(stage.relay, `user=${user}`, (all) => all.length === 0);
    expect(await listed(stage.relay, `user=${spared}`)).toHaveLength(1);
    const next = await subscribed(user, `/topic/${topic}`);
    await sender.receipt('SEND', { destination: `/topic/${topic}` }, 'new');
    expect((await next.expectFrame('MESSAGE')).body.toString()).toBe('new');
  });
});

describe('RabbitMQ', () => {
  test('without rabbitmq.managementUrl the answers have the reason why durable subscriptions are not known', async () => {
    const vhost = await createVhost();
    const relay = await startRelay(vhost.amqpUrl, {}, { authenticator: passwords });
    try {
      const unknown = expect.stringContaining('Set rabbitmq.managementUrl');
      expect(await call(relay, 'durable-subscriptions?user=ann')).toEqual({
        status: 503,
        body: expect.objectContaining({ code: 'durable-subscriptions-unknown', detail: unknown }),
      });
      const ann = await connectStomp(relay.webSocketUrl, { login: 'ann' });
      await ann.receipt('SUBSCRIBE', { id: 's', destination: '/topic/a', durable: 'true' });
      const { body } = await call(relay, 'revocations', 'POST', { user: 'ann' });
      expect(body).toMatchObject({ durableSubscriptionsEnded: 0, durableSubscriptionsUnknown: unknown });
      // A session's own durable subscriptions end with it
      const look = async () => {
        const names = ((await vhost.api('GET', 'queues')) as { name: string }[]).map(({ name }) => name);
        return names.some((name) => name.startsWith('stomp-relay.durable.')) ? undefined : true;
      };
      await eventually(look, 10_000, () => 'the queue stays');
    } finally {
      await relay.stop();
      await vhost.delete();
    }
  });

  test('a queue with the name of an earlier version is used on, listed without a user, and can be ended', async () => {
    const vhost = await createVhost();
    const relay = await startRelay(
      vhost.amqpUrl,
      { rabbitmq: { managementUrl: rabbitmq().managementUrl } },
      { authenticator: passwords },
    );
    const backEnd = await amqp.connect(vhost.amqpUrl);
    const ann = await connectStomp(relay.webSocketUrl, { login: 'ann' });
    try {
      // ["ann",null,"/topic/a","s"], hashed
      const queue = 'stomp-relay.durable.VZfZ6hP9Zu5ojQ88gtLX7kAR_bYkhDR13ypHh3En-ZA';
      const channel = await backEnd.createChannel();
      await channel.assertQueue(queue, { durable: true, arguments: { 'x-queue-type': 'classic' } });
      await channel.bindQueue(queue, 'amq.topic', 'a');
      channel.publish('amq.topic', 'a', Buffer.from('kept'));
      await ann.receipt('SUBSCRIBE', { id: 's', destination: '/topic/a', durable: 'true' });
      expect((await ann.expectFrame('MESSAGE')).body.toString()).toBe('kept');
      const all = await listedWhen(relay, '', ([first]) => first?.isInUse === true && first.messages !== undefined);
      expect(all).toEqual([{ queue, messages: 0, isInUse: true }]);
      await ann.receipt('UNSUBSCRIBE', { id: 's' });
      expect(await call(relay, `durable-subscriptions/${queue}`, 'DELETE')).toMatchObject({ status: 200 });
    } finally {
      ann.destroy();
      await backEnd.close();
      await relay.stop();
      await vhost.delete();
    }
  });
});
