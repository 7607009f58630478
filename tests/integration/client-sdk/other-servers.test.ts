/** The client on another STOMP server: the README's table about RabbitMQ's Web STOMP. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createClient } from 'stomp-relay-client';
import type { Client, ClientOptions, ConnectionState, Message, SubscriptionState } from 'stomp-relay-client';
import { WebSocket } from 'ws';
import { Inbox } from '../../../server/src/contract/test-inbox.js';
import { createVhost, rabbitmq } from '../../support/rabbitmq.js';
import type { Vhost } from '../../support/rabbitmq.js';

jest.setTimeout(20_000);
const clients: Client[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

function create(options: ClientOptions): Client {
  const client = createClient({ createWebSocket: (url, protocols) => new WebSocket(url, protocols), ...options });
  clients.push(client);
  return client;
}

describe('Web STOMP of RabbitMQ', () => {
  let vhost: Vhost;
  beforeAll(async () => {
    vhost = await createVhost();
  });
  afterAll(() => vhost?.delete());

  const open = (more: Partial<ClientOptions> = {}): Client => {
    const { username, password } = new URL(vhost.amqpUrl);
    const headers = { host: vhost.name };
    return create({ url: rabbitmq().webStompUrl, login: username, passcode: password, headers, ...more });
  };

  test('publishes and receives data with types', async () => {
    const client = open();
    const received = new Inbox<Message<unknown>>();
    await client.subscribe('/topic/rows.*', received.add).ready;
    await client.publish('/topic/rows.1', { id: 1 });
    await client.publish('/topic/rows.2', 'text é');
    await client.publish('/topic/rows.3', new Uint8Array([0, 1, 2]));
    const data = (await received.take(3)).map((message) => message.data);
    expect(data).toEqual([{ id: 1 }, 'text é', new Uint8Array([0, 1, 2])]);
  });

  test('supports requests, acknowledgements and transactions', async () => {
    const client = open();
    const queue = `/queue/${randomUUID()}`;
    const jobs = new Inbox<Message<{ a: number; b: number }>>();
    await client.subscribe(queue, jobs.add, { ack: 'client-individual' }).ready;
    const answer = client.request<{ sum: number }>(queue, { a: 1, b: 2 });
    const request = await jobs.next();
    await client.transaction((tx) => {
      const { 'reply-to': replyTo = '', 'correlation-id': id = '' } = request.headers;
      tx.publish(replyTo, { sum: request.data.a + request.data.b }, { headers: { 'correlation-id': id } });
      tx.ack(request);
    });
    expect((await answer).data).toEqual({ sum: 3 });
  });

  test('reconnects with its subscriptions, and with messages published meanwhile', async () => {
    const sockets: WebSocket[] = [];
    const createWebSocket = (url: string, protocols: string[]): WebSocket => {
      sockets.push(new WebSocket(url, protocols));
      return sockets.at(-1)!;
    };
    const client = open({ createWebSocket });
    const received = new Inbox<Message<unknown>>();
    const states = new Inbox<SubscriptionState>();
    const subscription = client.subscribe('/topic/lost', received.add);
    await subscription.ready;
    subscription.onState(states.add);
    sockets[0]!.terminate();
    await states.until((all) => all.at(-1)?.name === 'subscribing');
    await client.publish('/topic/lost', 'meanwhile');
    expect((await received.next()).data).toBe('meanwhile');
    expect(subscription.state).toEqual({ name: 'subscribed', mayHaveMissed: true });
  });

  // RabbitMQ leaves the connection open, so the client gives up after its time limit
  test('a wrong password is reported, and the client retries', async () => {
    const client = open({ passcode: 'wrong', connectTimeoutMs: 3_000 });
    const states = new Inbox<ConnectionState>();
    client.onState(states.add);
    void client.connect().catch(() => {});
    const all = await states.until((all) => all.at(-1)?.name === 'waiting');
    expect(all.at(-1)).toMatchObject({ reason: { code: 'error', message: expect.stringContaining('Access refused') } });
  });
});
