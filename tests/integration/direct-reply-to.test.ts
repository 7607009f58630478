/** AMQP requesters with RabbitMQ's direct reply-to (the default of Spring's RabbitTemplate) and a STOMP service. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { startRelay } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';

const DIRECT = 'amq.rabbitmq.reply-to';

let vhost: Vhost;
let relay: TestRelay;
beforeAll(async () => {
  vhost = await createVhost();
  relay = await startRelay(vhost.amqpUrl);
}, 60_000);
afterAll(async () => {
  await relay.stop();
  await vhost.delete();
});

class Requester {
  readonly replies = new Inbox<ConsumeMessage>();
  constructor(
    private readonly model: ChannelModel,
    readonly channel: Channel,
  ) {}

  async listen(): Promise<void> {
    await this.channel.consume(DIRECT, (message) => message && this.replies.add(message), { noAck: true });
  }

  request(exchange: string, key: string, replyTo = DIRECT): void {
    this.channel.publish(exchange, key, Buffer.from('ping'), { replyTo, correlationId: 'c-1' });
  }

  close(): Promise<void> {
    return this.model.close();
  }
}

async function startRequester(): Promise<Requester> {
  const model = await amqp.connect(vhost.amqpUrl);
  const requester = new Requester(model, await model.createChannel());
  await requester.listen();
  return requester;
}

let service: StompClient;
let topic: string;
beforeEach(async () => {
  topic = `requests.${randomUUID()}`;
  service = await connectStomp(relay.tcpUrl, { 'relay-extensions': 'soft-errors' });
});

async function subscribe(headers: Record<string, string> = {}): Promise<void> {
  service.sendFrame('SUBSCRIBE', { id: 's', destination: `/topic/${topic}`, receipt: 'r', ...headers });
  await service.expectFrame('RECEIPT');
}

/** Sends a request, and returns the address that the service receives. */
async function received(requester: Requester, replyTo?: string): Promise<string> {
  requester.request('amq.topic', topic, replyTo);
  const { headers } = await service.expectFrame('MESSAGE');
  expect(headers['correlation-id']).toBe('c-1');
  return headers['reply-to']!;
}

function reply(client: StompClient, destination: string, headers: Record<string, string> = {}): void {
  client.sendFrame('SEND', { destination, 'correlation-id': 'c-1', receipt: 'sent', ...headers }, 'pong');
}

describe.each([
  ['a shared subscription', {}],
  ['a subscription with acks', { ack: 'client-individual' }],
])('a request that arrives at %s', (_, headers) => {
  test('is answered', async () => {
    const requester = await startRequester();
    await subscribe(headers);
    const address = await received(requester);
    expect(address).toMatch(/^\/reply-queue\/amq\.rabbitmq\.reply-to\../);
    reply(service, address, { mandatory: 'true' });
    await service.expectFrame('RECEIPT');
    const { content, properties } = await requester.replies.next();
    expect(content.toString()).toBe('pong');
    expect(properties.correlationId).toBe('c-1');
    await requester.close();
  });
});

test('replies in a transaction arrive after COMMIT', async () => {
  const requester = await startRequester();
  await subscribe();
  const address = await received(requester);
  service.sendFrame('BEGIN', { transaction: 't' });
  reply(service, address, { transaction: 't', receipt: 'a' });
  reply(service, address, { transaction: 't', receipt: 'b' });
  service.sendFrame('COMMIT', { transaction: 't' });
  await requester.replies.atLeast(2);
  await requester.close();
});

test('a session that did not receive the address is refused, and so is HTTP', async () => {
  const requester = await startRequester();
  await subscribe();
  const address = await received(requester);
  const other = await connectStomp(relay.tcpUrl);
  reply(other, address);
  const error = await other.expectError({ code: 'invalid-destination' });
  expect(error.body.toString()).toContain('session.replyAddressesMax');
  const response = await fetch(new URL('/api/messages', relay.pageUrl), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ destination: address, body: 'pong' }),
  });
  expect(response.status).toBe(400);
  await requester.close();
});

test('a reply to a requester that is gone is lost, and unroutable with mandatory', async () => {
  const requester = await startRequester();
  await subscribe();
  const address = await received(requester);
  reply(service, address);
  await service.expectFrame('RECEIPT');
  await requester.replies.next();
  await requester.close();
  reply(service, address);
  await service.expectFrame('RECEIPT');
  reply(service, address, { mandatory: 'true' });
  await service.expectFrame('MESSAGE', { destination: '/relay/errors', code: 'unroutable' });
});

test('a malformed address costs only its own replies', async () => {
  const requester = await startRequester();
  await subscribe();
  const forged = await received(requester, `${DIRECT}.!!!.${randomUUID()}`);
  const address = await received(requester);
  reply(service, forged, { mandatory: 'true', receipt: 'forged' });
  reply(service, address, { receipt: 'real' });
  await service.expectFrame('MESSAGE', { destination: '/relay/errors', code: 'unroutable' });
  await service.expectFrame('RECEIPT');
  await requester.replies.next();
  expect(relay.library.notReady()).toBeUndefined();
  await requester.close();
});
