/** BEGIN, COMMIT and ABORT with SEND, ACK and NACK (STOMP 1.2, "BEGIN"), and RECEIPTs inside transactions. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { StompClient } from '../../support/stomp-client.js';
import {
  bodiesUntilNow,
  EVERYWHERE,
  nextBodies,
  nextBody,
  refuses,
  stageRelays,
  unique,
  VERSIONS,
} from './relay-stage.js';

describe.each(EVERYWHERE)('on $broker over $transport', ({ broker, transport }) => {
  const stage = stageRelays(broker, {
    config: { session: { transactionsMax: 3, transactionMaxCount: 10 } },
  });
  let client: StompClient;
  let destination: string;
  beforeEach(async () => {
    client = await stage.connect(transport);
    destination = `/topic/${unique()}`;
    await client.receipt('SUBSCRIBE', { id: 's', destination });
  });
  const begin = (transaction = 't') => client.receipt('BEGIN', { transaction });
  const send = (body: string, transaction = 't', more = {}) =>
    client.sendFrame('SEND', { destination, transaction, ...more }, body);

  test('the SENDs of a transaction are published at COMMIT, in order, and not before', async () => {
    await begin();
    for (const body of ['a', 'b', 'c']) send(body);
    expect(await bodiesUntilNow(client)).toEqual([]);
    await client.receipt('COMMIT', { transaction: 't' });
    expect(await nextBodies(client, 3)).toEqual(['a', 'b', 'c']);
  });

  test('the transaction header does not reach subscribers', async () => {
    await begin();
    send('x');
    await client.receipt('COMMIT', { transaction: 't' });
    expect((await client.expectFrame('MESSAGE')).headers).not.toHaveProperty('transaction');
  });

  test('ABORT drops the SENDs of a transaction, and its id can be used again', async () => {
    await begin();
    send('never');
    await client.receipt('ABORT', { transaction: 't' });
    await begin();
    send('second');
    await client.receipt('COMMIT', { transaction: 't' });
    expect(await bodiesUntilNow(client)).toEqual(['second']);
  });

  test('a COMMIT of an empty transaction is accepted', async () => {
    await begin();
    await client.receipt('COMMIT', { transaction: 't' });
    expect(await bodiesUntilNow(client)).toEqual([]);
  });

  test('two open transactions are independent, and frames outside them are handled at once', async () => {
    await begin('t');
    await begin('u');
    send('in t', 't');
    send('in u', 'u');
    client.sendFrame('SEND', { destination }, 'outside');
    expect(await nextBody(client)).toBe('outside');
    await client.receipt('COMMIT', { transaction: 'u' });
    expect(await nextBody(client)).toBe('in u');
    await client.receipt('ABORT', { transaction: 't' });
    expect(await bodiesUntilNow(client)).toEqual([]);
  });

  test('transaction ids are separate for each session', async () => {
    await begin();
    const other = await stage.connect(transport);
    await other.receipt('BEGIN', { transaction: 't' });
    await other.receipt('ABORT', { transaction: 't' });
    await client.receipt('COMMIT', { transaction: 't' });
  });

  test('a transaction id may be any text', async () => {
    for (const id of ['a b', 'ü', '__proto__', '1', 'x'.repeat(500), 'a\\cb\\\\c']) {
      await client.receipt('BEGIN', { transaction: id });
      await client.receipt('COMMIT', { transaction: id });
    }
  });

  test('receipts of SENDs in a transaction come at COMMIT, and its own receipt comes last', async () => {
    await begin();
    send('a', 't', { receipt: 'r-a' });
    send('b', 't', { receipt: 'r-b' });
    expect(await bodiesUntilNow(client)).toEqual([]);
    client.sendFrame('COMMIT', { transaction: 't', receipt: 'r-commit' });
    const receipts = [];
    while (receipts.length < 3) {
      const { headers } = await client.take((f) => f.command === 'RECEIPT', 'a receipt');
      receipts.push(headers['receipt-id']);
    }
    expect(receipts.slice(0, 2).sort()).toEqual(['r-a', 'r-b']);
    expect(receipts[2]).toBe('r-commit');
  });

  test.each(['DISCONNECT', 'a lost connection', 'an ERROR'])('%s aborts open transactions', async (end) => {
    const sender = await stage.connect(transport);
    await sender.receipt('BEGIN', { transaction: 't' });
    sender.sendFrame('SEND', { destination, transaction: 't' }, 'never');
    await sender.receipt('BEGIN', { transaction: 'fence' });
    if (end === 'DISCONNECT') await sender.disconnect();
    else if (end === 'an ERROR') await refuses(sender, 'BEGIN', { transaction: 't' }, 'transaction-in-use');
    else sender.destroy();
    expect(await bodiesUntilNow(client)).toEqual([]);
  });

  describe.each(VERSIONS)('acks in %s', (version) => {
    const naming = (headers: Readonly<Record<string, string>>) => ({
      id: headers['ack'] ?? '-',
      'message-id': headers['message-id'] ?? '',
      subscription: 's',
    });

    /** A consumer with two unacknowledged messages and an open transaction. */
    async function consumer(queue: string) {
      const own = await stage.connect(transport, { 'accept-version': version });
      await own.receipt('SUBSCRIBE', { id: 's', destination: queue, ack: 'client' });
      for (const body of ['a', 'b']) await own.receipt('SEND', { destination: queue }, body);
      const [first, second] = [await own.expectFrame('MESSAGE'), await own.expectFrame('MESSAGE')];
      await own.receipt('BEGIN', { transaction: 't' });
      return { own, first: naming(first.headers), second: naming(second.headers) };
    }

    test('acks in a transaction count after COMMIT', async () => {
      const queue = `/queue/${unique()}`;
      const { own, second } = await consumer(queue);
      await own.receipt('ACK', { ...second, transaction: 't' });
      await own.receipt('COMMIT', { transaction: 't' });
      await own.disconnect();
      await client.receipt('SUBSCRIBE', { id: 'rest', destination: queue });
      expect(await bodiesUntilNow(client)).toEqual([]);
    });

    test('acks in a transaction do not count after ABORT, and can be sent again', async () => {
      const queue = `/queue/${unique()}`;
      const { own, first, second } = await consumer(queue);
      await own.receipt('ACK', { ...second, transaction: 't' });
      await own.receipt('ABORT', { transaction: 't' });
      await own.receipt('ACK', first);
      await own.disconnect();
      await client.receipt('SUBSCRIBE', { id: 'rest', destination: queue });
      expect(await nextBody(client, { redelivered: 'true' })).toBe('b');
    });

    test('acks in a transaction do not count if the client leaves before COMMIT', async () => {
      const queue = `/queue/${unique()}`;
      const { own, second } = await consumer(queue);
      await own.receipt('ACK', { ...second, transaction: 't' });
      await own.disconnect();
      await client.receipt('SUBSCRIBE', { id: 'rest', destination: queue });
      expect(await nextBodies(client, 2)).toEqual(['a', 'b']);
    });

    if (version === '1.0') return;
    test('a NACK in a transaction takes effect at COMMIT', async () => {
      const queue = `/queue/${unique()}`;
      const { own, second } = await consumer(queue);
      await own.receipt('NACK', { ...second, transaction: 't', requeue: 'false' });
      await own.receipt('COMMIT', { transaction: 't' });
      await own.disconnect();
      await client.receipt('SUBSCRIBE', { id: 'rest', destination: queue });
      expect(await bodiesUntilNow(client)).toEqual([]);
    });
  });

  describe('refused', () => {
    test.each([
      ['BEGIN', {}, 'missing-header'],
      ['COMMIT', {}, 'missing-header'],
      ['ABORT', {}, 'missing-header'],
      ['BEGIN', { transaction: '' }, 'missing-header'],
      ['COMMIT', { transaction: 'never' }, 'unknown-transaction'],
      ['ABORT', { transaction: 'never' }, 'unknown-transaction'],
      ['SEND', { destination: '/topic/x', transaction: 'never' }, 'unknown-transaction'],
      ['SEND', { destination: '/topic/x', transaction: '' }, 'invalid-header'],
      ['ACK', { id: 'x', transaction: 'never' }, 'unknown-transaction'],
      ['NACK', { id: 'x', transaction: 'never' }, 'unknown-transaction'],
    ])('%s with %j is refused', async (command, headers, code) => {
      await refuses(client, command, headers, code);
    });

    test('a BEGIN with the id of an open transaction is refused', async () => {
      await begin();
      send('never');
      await refuses(client, 'BEGIN', { transaction: 't' }, 'transaction-in-use');
    });

    test.each(['COMMIT', 'ABORT'])('a second %s of the same transaction is refused', async (end) => {
      await begin();
      await client.receipt(end, { transaction: 't' });
      await refuses(client, end, { transaction: 't' }, 'unknown-transaction');
    });

    test('a BEGIN beyond transactionsMax is refused with the limit', async () => {
      for (const id of ['1', '2', '3']) await begin(id);
      const error = await refuses(client, 'BEGIN', { transaction: '4' }, 'too-many-transactions');
      expect(error.body.toString()).toContain('transactionsMax (3)');
    });

    test('a frame beyond transactionMaxCount is refused', async () => {
      await begin();
      for (let i = 0; i < 10; i++) send('x');
      await refuses(client, 'SEND', { destination, transaction: 't' }, 'transaction-too-large');
    });

    test('a frame with an invalid destination is refused before COMMIT', async () => {
      await begin();
      await refuses(client, 'SEND', { destination: '/nowhere/x', transaction: 't' }, 'invalid-destination');
    });

    test('a SEND to a missing exchange is refused before COMMIT', async () => {
      await begin();
      const nowhere = `/exchange/${unique()}/k`;
      await refuses(client, 'SEND', { destination: nowhere, transaction: 't' }, 'exchange-not-found');
    });

    test('the ERROR of a failed COMMIT has the number of published frames', async () => {
      await begin();
      send('a');
      send('b', 't', { destination: `/queue/${unique()}` });
      client.sendFrame('SEND', { destination: `/topic/${unique()}`, transaction: 't', mandatory: 'true' }, 'c');
      client.sendFrame('COMMIT', { transaction: 't', receipt: 'refused' });
      const error = await client.expectError({ code: 'commit-failed', 'receipt-id': 'refused' });
      expect(error.body.toString()).toMatch(/\b2 of the 3\b/);
    });
  });
});
