import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { RelayError } from '../../../client-sdk/src/core/index.js';
import { nextState, open, openConnected, settled } from './open-client.js';

describe('the confirm', () => {
  test('resolves with the receipt', async () => {
    const { client, socket } = await openConnected();
    const publishing = client.publish('/topic/a', 'hello', { headers: { priority: '5' } });
    const send = await socket.acknowledge('SEND');
    await publishing;
    expect(send).toMatchObject({ headers: { destination: '/topic/a', priority: '5' }, body: 'hello' });
  });

  test('rejects with an error report, and the connection stays', async () => {
    const { client, socket } = await openConnected();
    const publishing = client.publish('/topic/a', 'x');
    socket.report(await socket.frame('SEND'), 'access-denied', 'Not there.');
    await expect(publishing).rejects.toEqual(new RelayError('access-denied', 'Not there.'));
    expect(client.state.name).toBe('connected');
  });

  test('rejects with the ERROR that names its receipt, and the client reconnects', async () => {
    const { client, socket, relay } = await openConnected();
    const publishing = client.publish('/exchange/none', 'x');
    const send = await socket.frame('SEND');
    const receipt = { 'receipt-id': send.headers['receipt'] ?? '' };
    socket.sendFrame(
      'ERROR',
      { message: 'exchange not found', code: 'exchange-not-found', ...receipt },
      'No such exchange.',
    );
    socket.end(4400);
    await expect(publishing).rejects.toEqual(new RelayError('exchange-not-found', 'No such exchange.'));
    await (await relay.socket(1)).connect();
    expect(client.state.name).toBe('connected');
  });

  test('resolves after sending if the server has no receipts', async () => {
    const { client, socket } = await openConnected({ receipts: false });
    await client.publish('/topic/a', 'x');
    expect(socket.seen('SEND').map(({ headers }) => headers['receipt'])).toEqual([undefined]);
  });
});

describe('across connections', () => {
  test('unanswered messages are sent again after the subscriptions, with the same id and in order', async () => {
    const { client, relay, socket } = await openConnected();
    client.subscribe('/topic/a', () => {});
    await socket.acknowledge('SUBSCRIBE');
    const publishing = [client.publish('/topic/a', 'one'), client.publish('/topic/a', 'two')];
    const before = [await socket.frame('SEND', 0), await socket.frame('SEND', 1)];
    socket.end(1006);
    publishing.push(client.publish('/topic/a', 'three'));
    const next = await relay.socket(1);
    await next.connect();
    await next.frame('SUBSCRIBE');
    expect(next.frames.map(({ command }) => command)).toEqual(['CONNECT', 'SUBSCRIBE']);
    await next.acknowledge('SUBSCRIBE');
    const after = [];
    for (const index of [0, 1, 2]) after.push(await next.acknowledge('SEND', index));
    await Promise.all(publishing);
    expect(after.map(({ body }) => body)).toEqual(['one', 'two', 'three']);
    const ids = [...before, ...after].map(({ headers }) => headers['idempotency-key']);
    expect(ids.slice(0, 2)).toEqual(ids.slice(2, 4));
    expect(new Set(ids).size).toBe(3);
  });

  test('the application can set the id', async () => {
    const { client, socket } = await openConnected();
    const publishing = client.publish('/topic/a', 'x', { id: 'order-7' });
    expect((await socket.acknowledge('SEND')).headers['idempotency-key']).toBe('order-7');
    await publishing;
  });

  test('answered messages are not sent again', async () => {
    const { client, relay, socket } = await openConnected();
    const publishing = client.publish('/topic/a', 'x');
    await socket.acknowledge('SEND');
    await publishing;
    socket.end(1006);
    const next = await relay.socket(1);
    await next.connect();
    await client.connect();
    await settled();
    expect(next.seen('SEND')).toEqual([]);
  });

  test('the first use connects', async () => {
    const { client, relay } = open();
    const publishing = client.publish('/topic/a', 'x');
    const socket = await relay.socket(0);
    await socket.connect();
    await socket.acknowledge('SEND');
    await publishing;
  });
});

/** A connected client whose subscription the relay has not confirmed yet: published messages wait for it. */
async function openBeforeSubscribed() {
  const { client, relay } = open();
  client.subscribe('/topic/a', () => {});
  const connected = nextState(client, 'connected');
  const socket = await relay.socket(0);
  await socket.connect();
  await connected;
  return { client, socket };
}

describe('queue: false', () => {
  test('rejects when the connection is lost before the answer', async () => {
    const { client, socket } = await openConnected();
    const publishing = client.publish('/topic/a', 'x', { queue: false });
    await socket.frame('SEND');
    socket.end(1006);
    await expect(publishing).rejects.toMatchObject({ code: 'connection-lost' });
    await expect(client.publish('/topic/a', 'x', { queue: false })).rejects.toMatchObject({ code: 'not-connected' });
  });

  test('waits for the subscriptions right after CONNECTED, like other messages', async () => {
    const { client, socket } = await openBeforeSubscribed();
    const publishing = client.publish('/topic/a', 'x', { queue: false });
    await settled();
    expect(socket.seen('SEND')).toEqual([]);
    await socket.acknowledge('SUBSCRIBE');
    await socket.acknowledge('SEND');
    await publishing;
  });

  test('rejects if that connection is lost before the message was sent', async () => {
    const { client, socket } = await openBeforeSubscribed();
    const publishing = client.publish('/topic/a', 'x', { queue: false });
    socket.end(1006);
    await expect(publishing).rejects.toMatchObject({ code: 'connection-lost' });
  });
});

describe('bounds', () => {
  beforeEach(() => void jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] }));
  afterEach(() => void jest.useRealTimers());

  test('at most `publishQueueMax` messages wait', async () => {
    const { client } = open({ publishQueueMax: 2 });
    const waiting = [client.publish('/topic/a', '1'), client.publish('/topic/a', '2')];
    await expect(client.publish('/topic/a', '3')).rejects.toMatchObject({ code: 'queue-full' });
    await client.close();
    for (const each of waiting) await expect(each).rejects.toMatchObject({ code: 'closed' });
  });

  test('messages that are sent and not confirmed count too', async () => {
    const { client, socket } = await openConnected({ publishQueueMax: 1 });
    const first = client.publish('/topic/a', '1');
    await expect(client.publish('/topic/a', '2')).rejects.toMatchObject({ code: 'queue-full' });
    await socket.acknowledge('SEND');
    await first;
    const third = client.publish('/topic/a', '3');
    await socket.acknowledge('SEND', 1);
    await third;
  });

  test('each message waits for at most `publishMaxAgeMs`, and is not sent later', async () => {
    const { client, relay } = open({ publishMaxAgeMs: 1_000, connectTimeoutMs: 60_000 });
    const late = expect(client.publish('/topic/a', 'x')).rejects.toMatchObject({ code: 'timeout' });
    await jest.advanceTimersByTimeAsync(1_000);
    await late;
    const socket = await relay.socket(0);
    await socket.connect();
    await client.connect();
    await settled();
    expect(socket.seen('SEND')).toEqual([]);
  });
});

describe('a client that is closed or refused', () => {
  test('lets the relay answer sent messages, and rejects the rest', async () => {
    const { client, socket } = await openConnected();
    const answered = client.publish('/topic/a', '1');
    const unanswered = expect(client.publish('/topic/a', '2')).rejects.toMatchObject({ code: 'closed' });
    const closing = client.close();
    await socket.acknowledge('SEND', 0);
    await socket.acknowledge('DISCONNECT');
    await Promise.all([answered, unanswered, closing]);
  });

  test('accepts no message', async () => {
    const { client, socket } = await openConnected();
    socket.end(4403);
    await expect(client.publish('/topic/a', 'x')).rejects.toBe((client.state as { reason?: unknown }).reason);
    await client.close();
    await expect(client.publish('/topic/a', 'x')).rejects.toMatchObject({ code: 'closed' });
  });
});
