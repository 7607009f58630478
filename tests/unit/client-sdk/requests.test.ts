import { describe, expect, jest, test } from '@jest/globals';
import type { SeenFrame } from './fake-relay.js';
import { open, openConnected, settled } from './open-client.js';

const answerTo = ({ headers }: SeenFrame) => ({ 'correlation-id': headers['correlation-id'] ?? '' });

describe('a request', () => {
  test('names the temporary queue for the answer, and resolves with the decoded answer', async () => {
    const { client, socket } = await openConnected();
    const requesting = client.request<{ sum: number }>('/queue/sums', [1, 2], { headers: { priority: '5' } });
    const send = await socket.acknowledge('SEND');
    expect(send).toMatchObject({ headers: { 'reply-to': '/temp-queue/replies', priority: '5' }, body: '[1,2]' });
    socket.deliver('/temp-queue/replies', '{"sum":3}', answerTo(send));
    expect((await requesting).data).toEqual({ sum: 3 });
  });

  test('accepts an answer before the receipt, and matches answers with requests', async () => {
    const { client, socket } = await openConnected();
    const requesting = [client.request('/queue/q', 'a'), client.request('/queue/q', 'b')];
    const sent = [await socket.frame('SEND', 0), await socket.frame('SEND', 1)];
    socket.deliver('/temp-queue/replies', 'to b', answerTo(sent[1]!));
    socket.deliver('/temp-queue/replies', 'to none', { 'correlation-id': 'other' });
    socket.deliver('/temp-queue/replies', 'to none');
    socket.deliver('/temp-queue/replies', 'to a', answerTo(sent[0]!));
    expect((await Promise.all(requesting)).map(({ data }) => data)).toEqual(['to a', 'to b']);
  });

  test('rejects if the answer cannot be decoded', async () => {
    const { client, socket } = await openConnected();
    const requesting = client.request('/queue/q', 'a');
    const send = await socket.acknowledge('SEND');
    socket.deliver('/temp-queue/replies', '{', { ...answerTo(send), 'content-type': 'application/json' });
    await expect(requesting).rejects.toMatchObject({ code: 'decode-failed' });
  });

  test('rejects if the relay refuses it', async () => {
    const { client, socket } = await openConnected();
    const requesting = client.request('/queue/q', 'a');
    socket.report(await socket.frame('SEND'), 'access-denied', 'Not there.');
    await expect(requesting).rejects.toMatchObject({ code: 'access-denied' });
  });

  test.each(['before', 'after'])('is not sent again if the connection is lost %s the receipt', async (moment) => {
    const { client, socket, relay } = await openConnected();
    const requesting = client.request('/queue/q', 'a');
    if (moment === 'before') await socket.frame('SEND');
    else await socket.acknowledge('SEND');
    socket.end(1006);
    await expect(requesting).rejects.toMatchObject({ code: 'connection-lost' });
    const next = await relay.socket(1);
    await next.connect();
    await client.connect();
    await settled();
    expect(next.seen('SEND')).toEqual([]);
  });

  test('waits for a connection', async () => {
    const { client, relay } = open();
    const requesting = client.request('/queue/q', 'a');
    const socket = await relay.socket(0);
    await socket.connect();
    socket.deliver('/temp-queue/replies', 'b', answerTo(await socket.acknowledge('SEND')));
    expect((await requesting).data).toBe('b');
  });

  test('rejects after `timeoutMs`, and a later answer is ignored', async () => {
    const { client, socket } = await openConnected();
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
    const late = expect(client.request('/queue/q', 'a', { timeoutMs: 500 })).rejects.toMatchObject({
      code: 'timeout',
      message: 'The answer from /queue/q took more than 500 ms.',
    });
    const send = await socket.acknowledge('SEND');
    await jest.advanceTimersByTimeAsync(500);
    await late;
    jest.useRealTimers();
    socket.deliver('/temp-queue/replies', 'b', answerTo(send));
  });

  test('can be aborted', async () => {
    const { client, socket } = await openConnected();
    const abort = new AbortController();
    const requesting = client.request('/queue/q', 'a', { signal: abort.signal });
    await socket.acknowledge('SEND');
    abort.abort();
    await expect(requesting).rejects.toMatchObject({ code: 'aborted' });
    await expect(client.request('/queue/q', 'a', { signal: abort.signal })).rejects.toMatchObject({ code: 'aborted' });
    expect(socket.seen('SEND')).toHaveLength(1);
  });

  test('rejects data that cannot be encoded', async () => {
    const { client } = await openConnected();
    await expect(client.request('/queue/q', 1n)).rejects.toThrow(TypeError);
  });

  test('ends when the client is closed', async () => {
    const { client, socket } = await openConnected();
    const requesting = expect(client.request('/queue/q', 'a')).rejects.toMatchObject({ code: 'connection-lost' });
    await socket.acknowledge('SEND');
    const closing = client.close();
    await socket.acknowledge('DISCONNECT');
    await Promise.all([requesting, closing]);
  });
});
