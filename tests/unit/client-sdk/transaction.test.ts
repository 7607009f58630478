import { describe, expect, test } from '@jest/globals';
import type { Message } from '../../../client-sdk/src/core/index.js';
import { open, openConnected } from './open-client.js';

describe('a transaction', () => {
  test('is sent in one go, and resolves with the receipt of COMMIT', async () => {
    const { client, socket } = await openConnected();
    const messages: Message[] = [];
    client.subscribe('/queue/a', (message) => messages.push(message), { ack: 'client-individual' });
    await socket.acknowledge('SUBSCRIBE');
    socket.deliver('/queue/a', '1', { ack: 'a1' });
    socket.deliver('/queue/a', '2', { ack: 'a2' });
    const committing = client.transaction((tx) => {
      tx.publish('/queue/b', { n: 1 }, { headers: { priority: '5' }, id: 'i1' });
      tx.ack(messages[0]!);
      tx.nack(messages[1]!);
    });
    await socket.acknowledge('COMMIT');
    await committing;
    const [begin, ...steps] = socket.frames.slice(-5);
    const { transaction } = begin!.headers;
    expect([begin, ...steps].map((frame) => frame?.command)).toEqual(['BEGIN', 'SEND', 'ACK', 'NACK', 'COMMIT']);
    expect(steps.map(({ headers }) => headers['transaction'])).toEqual(Array(4).fill(transaction));
    expect(steps[0]).toMatchObject({
      headers: { destination: '/queue/b', priority: '5', 'idempotency-key': 'i1' },
      body: '{"n":1}',
    });
    expect(steps.slice(1, 3).map(({ headers }) => headers['id'])).toEqual(['a1', 'a2']);
  });

  test('rejects with the error report on COMMIT', async () => {
    const { client, socket } = await openConnected();
    const committing = client.transaction((tx) => tx.publish('/queue/b', 1));
    socket.report(await socket.frame('COMMIT'), 'commit-failed', 'One was refused.');
    await expect(committing).rejects.toMatchObject({ code: 'commit-failed' });
  });

  test('needs a connection: for an ACK, the one that brought the message', async () => {
    await expect(open().client.transaction(() => {})).rejects.toMatchObject({ code: 'not-connected' });
    const { client, socket, relay } = await openConnected();
    let message: Message | undefined;
    client.subscribe('/queue/a', (each) => (message = each), { ack: 'client' });
    await socket.acknowledge('SUBSCRIBE');
    socket.deliver('/queue/a', '1', { ack: 'a1' });
    socket.end(1006);
    await expect(client.transaction(() => {})).rejects.toMatchObject({ code: 'not-connected' });
    const next = await relay.socket(1);
    await next.connect();
    await client.connect();
    await expect(client.transaction((tx) => tx.ack(message!))).rejects.toMatchObject({ code: 'connection-lost' });
    expect(next.seen('BEGIN')).toEqual([]);
  });

  test('rejects when its connection ends', async () => {
    const { client, socket } = await openConnected();
    const committing = client.transaction((tx) => tx.publish('/queue/b', 1));
    await socket.frame('COMMIT');
    socket.end(1006);
    await expect(committing).rejects.toMatchObject({ code: 'connection-lost' });
  });

  test('sends nothing if collecting its steps throws', async () => {
    const { client, socket } = await openConnected();
    const collecting = client.transaction((tx) => {
      tx.publish('/queue/b', 1);
      throw new Error('mine');
    });
    await expect(collecting).rejects.toThrow('mine');
    expect(socket.seen('BEGIN')).toEqual([]);
  });
});
