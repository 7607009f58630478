import { expect, test } from '@jest/globals';
import type { Message } from '../../../client-sdk/src/core/index.js';
import { open, openConnected, settled } from './open-client.js';

test('creating a client opens no connection', async () => {
  const { client, relay } = open();
  await settled();
  expect([client.state, relay.sockets]).toEqual([{ name: 'idle' }, []]);
});

test('the client offers the STOMP sub-protocols, requests the extensions of the relay, and sends its login and headers', async () => {
  const { client, socket, connect, states } = await openConnected({
    login: 'anna',
    passcode: 'p',
    headers: { host: 'shop' },
    heartBeatMs: 5_000,
  });
  expect(socket.protocols).toEqual(['v12.stomp', 'v11.stomp', 'v10.stomp']);
  expect(connect.headers).toMatchObject({
    login: 'anna',
    passcode: 'p',
    host: 'shop',
    'accept-version': '1.2,1.1,1.0',
    'heart-beat': '5000,5000',
    'relay-extensions': 'soft-errors,drain,token-renewal,recovery',
  });
  expect(states).toEqual(['connecting', 'connected']);
  expect(client.state).toEqual({ name: 'connected' });
});

test('an undefined option has its default', async () => {
  const { connect } = await openConnected({ heartBeatMs: undefined } as object);
  expect(connect.headers['heart-beat']).toBe('10000,10000');
});

test('a message can be acknowledged with ACK or NACK', async () => {
  const { client, socket } = await openConnected();
  const messages: Message[] = [];
  const { ready } = client.subscribe('/queue/a', (message) => messages.push(message), { ack: 'client' });
  expect((await socket.acknowledge('SUBSCRIBE')).headers).toMatchObject({ id: '/queue/a', ack: 'client' });
  await ready;
  socket.deliver('/queue/a', 'hello', { ack: 'a1' });
  socket.deliver('/queue/a', 'again', { ack: 'a2' });
  expect(messages[0]).toMatchObject({ body: 'hello', destination: '/queue/a' });
  messages[0]?.ack();
  messages[1]?.nack({ requeue: 'false' });
  expect((await socket.frame('ACK')).headers['id']).toBe('a1');
  expect((await socket.frame('NACK')).headers).toMatchObject({ id: 'a2', requeue: 'false' });
});

test('the refusal of a frame without a receipt goes to onError', async () => {
  const errors: unknown[] = [];
  const { client, socket } = await openConnected({ onError: (error) => errors.push(error) });
  socket.report({ command: 'ACK', headers: { id: 'a1' }, body: '' }, 'unknown-ack', 'Too late.');
  socket.report({ command: 'UNSUBSCRIBE', headers: { id: 'x' }, body: '' }, 'unknown-subscription', 'It is over.');
  expect(errors).toMatchObject([{ code: 'unknown-ack', message: 'Too late.' }]);
  expect(client.state.name).toBe('connected');
});

test('every message has its own id', async () => {
  const { client, socket } = await openConnected({ receipts: false });
  const other = await openConnected({ receipts: false });
  await client.publish('/topic/a', '1');
  await client.publish('/topic/a', '2');
  await other.client.publish('/topic/a', '3');
  const ids = [...socket.seen('SEND'), ...other.socket.seen('SEND')].map(({ headers }) => headers['idempotency-key']);
  expect(new Set(ids).size).toBe(3);
  expect(ids).not.toContain(undefined);
});
