/** RECEIPTs and their meaning, DISCONNECT, and the end of a session by an ERROR. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { StompClient } from '../../support/stomp-client.js';
import {
  EVERYWHERE,
  expectRefusal,
  nextBodies,
  nextBody,
  refuses,
  stageRelays,
  unique,
  VERSIONS,
} from './relay-stage.js';

describe.each(EVERYWHERE)('on $broker over $transport', ({ broker, transport }) => {
  const stage = stageRelays(broker);
  let client: StompClient;
  let topic: string;
  beforeEach(async () => {
    client = await stage.connect(transport);
    topic = `/topic/${unique()}`;
  });

  describe('RECEIPT', () => {
    test.each(VERSIONS)('every frame with a receipt header gets a RECEIPT in %s', async (version) => {
      const queue = `/queue/${unique()}`;
      const own = await stage.connect(transport, { 'accept-version': version });
      const subscribe = { id: 's', destination: queue, ack: 'client' };
      const request = async (command: string, headers: Record<string, string>) => {
        const receipt = await own.receipt(command, headers);
        expect(receipt.headerLines).toHaveLength(1);
        expect(receipt.body).toHaveLength(0);
      };
      await request('SUBSCRIBE', subscribe);
      await request('SEND', { destination: queue });
      const { headers } = await own.expectFrame('MESSAGE');
      await request('BEGIN', { transaction: 't' });
      const named = { id: headers['ack'] ?? '-', 'message-id': headers['message-id'] ?? '', subscription: 's' };
      await request('ACK', { ...named, transaction: 't' });
      await request('ABORT', { transaction: 't' });
      if (version !== '1.0') {
        await request('NACK', named);
        const again = await own.expectFrame('MESSAGE', { redelivered: 'true' });
        const id = again.headers['ack'] ?? '-';
        await request('ACK', { id, 'message-id': again.headers['message-id'] ?? '', subscription: 's' });
      }
      await request('BEGIN', { transaction: 't' });
      await request('COMMIT', { transaction: 't' });
      await request('UNSUBSCRIBE', { id: 's' });
      await request('DISCONNECT', {});
    });

    test.each(['1', 'message-12345', ' spaced ', 'ü 😀', 'x'.repeat(2_000), '', 'a\\cb\\\\c\\nd', 'a:b', '77,78'])(
      'RECEIPT has the value of the receipt header: %.20j',
      async (receipt) => {
        client.sendFrame('BEGIN', { transaction: 't', receipt });
        const answer = await client.expectFrame('RECEIPT');
        expect(answer.headerLines).toEqual([`receipt-id:${receipt === 'a:b' ? 'a\\cb' : receipt}`]);
      },
    );

    test('a receipt value may be used again', async () => {
      for (const transaction of ['t', 'u']) await client.receipt('BEGIN', { transaction, receipt: 'same' });
    });

    test('frames without a receipt header get no RECEIPT', async () => {
      client.sendFrame('SEND', { destination: topic });
      client.sendFrame('BEGIN', { transaction: 't' });
      await client.receipt('COMMIT', { transaction: 't' });
      expect(client.received()).toEqual([]);
    });

    test('after the RECEIPT of SEND the message is in its queue', async () => {
      const queue = `/queue/${unique()}`;
      await client.receipt('SEND', { destination: queue }, 'x');
      client.destroy();
      const next = await stage.connect(transport);
      await next.receipt('SUBSCRIBE', { id: 's', destination: queue });
      expect(await nextBody(next)).toBe('x');
    });

    test('300 SENDs with receipts in flight are all answered, in order for one destination', async () => {
      const queue = `/queue/${unique()}`;
      for (let i = 0; i < 300; i++) client.sendFrame('SEND', { destination: queue, receipt: `r${i}` }, String(i));
      for (let i = 0; i < 300; i++) await client.expectFrame('RECEIPT', { 'receipt-id': `r${i}` });
    });

    test('only the SENDs with a receipt header get a RECEIPT', async () => {
      await client.receipt('SUBSCRIBE', { id: 's', destination: topic });
      client.sendFrame('SEND', { destination: topic, receipt: 'a' }, '1');
      client.sendFrame('SEND', { destination: topic }, '2');
      client.sendFrame('SEND', { destination: topic, receipt: 'b' }, '3');
      for (const id of ['a', 'b']) await client.take((f) => f.headers['receipt-id'] === id, id);
      expect(await nextBodies(client, 3)).toEqual(['1', '2', '3']);
    });
  });

  describe('DISCONNECT', () => {
    test('DISCONNECT gets its RECEIPT, and the relay closes the connection', async () => {
      client.sendFrame('DISCONNECT', { receipt: '77' });
      await client.expectFrame('RECEIPT', { 'receipt-id': '77' });
      await client.expectClose(transport === 'webSocketUrl' ? 1000 : undefined);
    });

    test('DISCONNECT without a receipt closes the connection', async () => {
      client.sendFrame('DISCONNECT');
      await client.expectClose(transport === 'webSocketUrl' ? 1000 : undefined);
      expect(client.received()).toEqual([]);
    });

    test('frames after DISCONNECT are not handled', async () => {
      const reader = await stage.connect(transport);
      await reader.receipt('SUBSCRIBE', { id: 's', destination: topic });
      client.send(`DISCONNECT\nreceipt:d\n\n\0SEND\ndestination:${topic}\nreceipt:late\n\nlate\0`);
      await client.expectFrame('RECEIPT', { 'receipt-id': 'd' });
      await client.expectClose();
      expect(client.received()).toEqual([]);
      await reader.receipt('SEND', { destination: topic }, 'fence');
      expect(await nextBody(reader)).toBe('fence');
    });

    test('the RECEIPT of DISCONNECT comes after those of all earlier SENDs', async () => {
      const queue = `/queue/${unique()}`;
      for (let i = 0; i < 100; i++) client.sendFrame('SEND', { destination: queue, receipt: `r${i}` }, String(i));
      client.sendFrame('DISCONNECT', { receipt: 'last' });
      for (let i = 0; i < 100; i++) await client.expectFrame('RECEIPT', { 'receipt-id': `r${i}` });
      await client.expectFrame('RECEIPT', { 'receipt-id': 'last' });
    });

    test('DISCONNECT with unknown headers is accepted', async () => {
      await client.receipt('DISCONNECT', { session: 'x', 'x-y': 'z' });
    });

    test('SENDs directly before DISCONNECT and close are not lost', async () => {
      const queue = `/queue/${unique()}`;
      for (let i = 0; i < 50; i++) client.sendFrame('SEND', { destination: queue }, String(i));
      client.sendFrame('DISCONNECT');
      client.close();
      await client.expectClose();
      const next = await stage.connect(transport);
      await next.receipt('SUBSCRIBE', { id: 's', destination: queue });
      expect(await nextBodies(next, 50)).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
    });

    test('SENDs received before a close without DISCONNECT are still handled', async () => {
      const queue = `/queue/${unique()}`;
      for (let i = 0; i < 50; i++) client.sendFrame('SEND', { destination: queue }, String(i));
      client.close();
      await client.expectClose();
      const next = await stage.connect(transport);
      await next.receipt('SUBSCRIBE', { id: 's', destination: queue });
      expect(await nextBodies(next, 50)).toHaveLength(50);
    });
  });

  describe('ERROR', () => {
    test('ERROR has the receipt of the refused frame, not of an earlier one', async () => {
      await client.receipt('BEGIN', { transaction: 't', receipt: 'first' });
      await refuses(client, 'COMMIT', { transaction: 'other' }, 'unknown-transaction');
    });

    test('ERROR has no receipt-id if the frame had no receipt', async () => {
      client.sendFrame('COMMIT', { transaction: 'other' });
      await expectRefusal(client, 'unknown-transaction', undefined, 4400);
    });

    test.each(VERSIONS)('the receipt-id of an ERROR is encoded as in %s', async (version) => {
      const own = await stage.connect(transport, { 'accept-version': version });
      own.sendFrame('COMMIT', { transaction: 'other', receipt: 'a:b' });
      const { headerLines } = await expectRefusal(own, 'unknown-transaction', 'a:b');
      expect(headerLines).toContain(version === '1.0' ? 'receipt-id:a:b' : 'receipt-id:a\\cb');
    });

    test.each(['FOO', 'MESSAGE', 'RECEIPT', 'CONNECTED', 'ERROR', 'ACKNOWLEDGE'])(
      'the command %s is unknown',
      async (command) => {
        await refuses(client, command, { destination: topic }, 'unknown-command');
      },
    );

    test('ERROR comes after the messages that were sent before it', async () => {
      const witness = await stage.connect(transport);
      for (const each of [client, witness]) await each.receipt('SUBSCRIBE', { id: 's', destination: topic });
      await client.receipt('SEND', { destination: topic }, 'before');
      // The broker may confirm a message before it delivers the message
      expect(await nextBody(witness)).toBe('before');
      client.sendFrame('COMMIT', { transaction: 'other' });
      expect(await nextBody(client)).toBe('before');
      await expectRefusal(client, 'unknown-transaction');
    });

    test('an ERROR ends the subscriptions of its session', async () => {
      const queue = `/queue/${unique()}`;
      await client.receipt('SUBSCRIBE', { id: 's', destination: queue });
      await refuses(client, 'COMMIT', { transaction: 'other' }, 'unknown-transaction');
      const next = await stage.connect(transport);
      await next.receipt('SEND', { destination: queue }, 'x');
      await next.receipt('SUBSCRIBE', { id: 's', destination: queue });
      expect(await nextBody(next)).toBe('x');
    });

    test('frames before a refused frame are handled, frames behind it are not', async () => {
      const queue = `/queue/${unique()}`;
      const send = (body: string) => `SEND\ndestination:${queue}\n\n${body}\0`;
      client.send(`${send('1')}${send('2')}COMMIT\ntransaction:other\n\n\0${send('3')}`);
      await expectRefusal(client, 'unknown-transaction');
      const next = await stage.connect(transport);
      await next.receipt('SUBSCRIBE', { id: 's', destination: queue });
      expect(await nextBodies(next, 2)).toEqual(['1', '2']);
      await next.receipt('SEND', { destination: queue }, 'fence');
      expect(await nextBody(next)).toBe('fence');
    });
  });
});
