/** Checks the raw test client against another server: RabbitMQ's own STOMP plugins. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createVhost, rabbitmq } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { connectStomp, frame, openStomp } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';

let vhost: Vhost;
const clients: StompClient[] = [];

beforeAll(async () => {
  vhost = await createVhost();
});
afterEach(() => clients.splice(0).forEach((client) => client.destroy()));
afterAll(() => vhost.delete());

const transports = {
  websocket: () => rabbitmq().webStompUrl,
  tcp: () => `tcp://${new URL(rabbitmq().amqpUrl).hostname}:${rabbitmq().stompPort}`,
};

describe.each(Object.entries(transports))('over %s', (_name, url) => {
  const connect = async () => {
    const client = await connectStomp(url(), { host: vhost.name, login: 'guest', passcode: 'guest' });
    clients.push(client);
    return client;
  };

  test('the test client connects, subscribes, sends and receives', async () => {
    const client = await connect();
    expect(client.connected?.headers['version']).toBe('1.2');
    await client.receipt('SUBSCRIBE', { id: 's', destination: '/topic/a' });
    await client.receipt('SEND', { destination: '/topic/a', 'x-odd': 'a\\cb\\\\\\nc' }, 'body');
    const message = await client.expectFrame('MESSAGE', { subscription: 's', 'x-odd': 'a:b\\\nc' });
    expect(message.body.toString()).toBe('body');
    expect(message.headerLines).toContain('x-odd:a\\cb\\\\\\nc');
    client.close();
    await client.expectClose(1000);
  });

  test('the test client can send a frame byte by byte', async () => {
    const client = await connect();
    await client.receipt('SUBSCRIBE', { id: 's', destination: '/topic/bytes' });
    client.sendInPieces(frame('SEND', { destination: '/topic/bytes' }, 'ü'), 1);
    expect((await client.expectFrame('MESSAGE')).body.toString()).toBe('ü');
  });

  test('an unexpected frame rejects with the expected and the received frame', async () => {
    const client = await connect();
    client.sendFrame('SEND', { destination: '/no-such-kind/x', receipt: '1' });
    await expect(client.expectFrame('RECEIPT', { 'receipt-id': '1' })).rejects.toThrow(/expected RECEIPT.*got ERROR/);
    await expect(client.nextFrame(50)).rejects.toThrow(/the last frames were:[^]*CONNECTED[^]*ERROR/);
  });

  test('the test client sees the end of the connection', async () => {
    const client = await openStomp(url());
    clients.push(client);
    client.send('GARBAGE\n\n\0');
    await client.take((f) => f.command === 'ERROR', 'ERROR');
    client.close();
    expect((await client.expectClose()).code).toBe(1000);
  });
});

test('a refused WebSocket upgrade rejects with its status', async () => {
  await expect(openStomp(rabbitmq().webStompUrl.replace(/ws$/, 'nowhere'))).rejects.toThrow(/HTTP 404/);
});
