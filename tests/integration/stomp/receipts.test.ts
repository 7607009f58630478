/** RECEIPT for every frame that asks, what it promises, DISCONNECT, and how an ERROR ends a session. */
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
    test.each(VERSIONS)('answers every frame that asks, in %s', async (version) => {
      const queue = `/queue/${unique()}`;
      const own = await stage.connect(transport, { 'accept-version': version });
      const subscribe = { id: 's', destination: queue, ack: 'client' };
      const ask = async (command: string, headers: Record<string, string>) => {
        const receipt = await own.receipt(command, headers);
        expect(receipt.headerLines).toHaveLength(1);
        expect(receipt.body).toHaveLength(0);
      };
      await ask('SUBSCRIBE', subscribe);
      await ask('SEND', { destination: queue });
      const { headers } = await own.expectFrame('MESSAGE');
      await ask('BEGIN', { transaction: 't' });
      const named = { id: headers['ack'] ?? '-', 'message-id': headers['message-id'] ?? '', subscription: 's' };
      await ask('ACK', { ...named, transaction: 't' });
      await ask('ABORT', { transaction: 't' });
      if (version !== '1.0') {
        await ask('NACK', named);
        const again = await own.expectFrame('MESSAGE', { redelivered: 'true' });
        const id = again.headers['ack'] ?? '-';
        await ask('ACK', { id, 'message-id': again.headers['message-id'] ?? '', subscription: 's' });
      }
      await ask('BEGIN', { transaction: 't' });
      await ask('COMMIT', { transaction: 't' });
      await ask('UNSUBSCRIBE', { id: 's' });
      await ask('DISCONNECT', {});
    });

    test.each(['1', 'message-12345', ' spaced ', 'ü 😀', 'x'.repeat(2_000), '', 'a\\cb\\\\c\\nd', 'a:b', '77,78'])(
      'has the value of receipt: %.20j',
      async (receipt) => {
        client.sendFrame('BEGIN', { transaction: 't', receipt });
        const answer = await client.expectFrame('RECEIPT');
        expect(answer.headerLines).toEqual([`receipt-id:${receipt === 'a:b' ? 'a\\cb' : receipt}`]);
      },
    );

    test('the same value may be used again', async () => {
      for (const transaction of ['t', 'u']) await client.receipt('BEGIN', { transaction, receipt: 'same' });
    });

    test('no receipt is sent that nobody asked for', async () => {
      client.sendFrame('SEND', { destination: topic });
      client.sendFrame('BEGIN', { transaction: 't' });
      await client.receipt('COMMIT', { transaction: 't' });
      expect(client.received()).toEqual([]);
    });

    test('a receipt of SEND means that it is stored', async () => {
      const queue = `/queue/${unique()}`;
      await client.receipt('SEND', { destination: queue }, 'x');
      client.destroy();
      const next = await stage.connect(transport);
      await next.receipt('SUBSCRIBE', { id: 's', destination: queue });
      expect(await nextBody(next)).toBe('x');
    });

    test('many in flight, all answered, those of one destination in order', async () => {
      const queue = `/queue/${unique()}`;
      for (let i = 0; i < 300; i++) client.sendFrame('SEND', { destination: queue, receipt: `r${i}` }, String(i));
      for (let i = 0; i < 300; i++) await client.expectFrame('RECEIPT', { 'receipt-id': `r${i}` });
    });

    test('interleaved with frames that ask for none', async () => {
      await client.receipt('SUBSCRIBE', { id: 's', destination: topic });
      client.sendFrame('SEND', { destination: topic, receipt: 'a' }, '1');
      client.sendFrame('SEND', { destination: topic }, '2');
      client.sendFrame('SEND', { destination: topic, receipt: 'b' }, '3');
      for (const id of ['a', 'b']) await client.take((f) => f.headers['receipt-id'] === id, id);
      expect(await nextBodies(client, 3)).toEqual(['1', '2', '3']);
    });
  });

  describe('DISCONNECT', () => {
    test('is answered, and the relay closes', async () => {
      client.sendFrame('DISCONNECT', { receipt: '77' });
      await client.expectFrame('RECEIPT', { 'receipt-id': '77' });
      await client.expectClose(transport === 'webSocketUrl' ? 1000 : undefined);
    });

    test('without a receipt closes too', async () => {
      client.sendFrame('DISCONNECT');
      await client.expectClose(transport === 'webSocketUrl' ? 1000 : undefined);
      expect(client.received()).toEqual([]);
    });

    test('is the last frame: what follows is not done', async () => {
      const reader = await stage.connect(transport);
      await reader.receipt('SUBSCRIBE', { id: 's', destination: topic });
      client.send(`DISCONNECT\nreceipt:d\n\n\0SEND\ndestination:${topic}\nreceipt:late\n\nlate\0`);
      await client.expectFrame('RECEIPT', { 'receipt-id': 'd' });
      await client.expectClose();
      expect(client.received()).toEqual([]);
      await reader.receipt('SEND', { destination: topic }, 'fence');
      expect(await nextBody(reader)).toBe('fence');
    });

    test('its receipt comes behind those of all SENDs before', async () => {
      const queue = `/queue/${unique()}`;
      for (let i = 0; i < 100; i++) client.sendFrame('SEND', { destination: queue, receipt: `r${i}` }, String(i));
      client.sendFrame('DISCONNECT', { receipt: 'last' });
      for (let i = 0; i < 100; i++) await client.expectFrame('RECEIPT', { 'receipt-id': `r${i}` });
      await client.expectFrame('RECEIPT', { 'receipt-id': 'last' });
    });

    test('with headers that mean nothing', async () => {
      await client.receipt('DISCONNECT', { session: 'x', 'x-y': 'z' });
    });

    test('right after SENDs, and the end at once: nothing is lost', async () => {
      const queue = `/queue/${unique()}`;
      for (let i = 0; i < 50; i++) client.sendFrame('SEND', { destination: queue }, String(i));
      client.sendFrame('DISCONNECT');
      client.close();
      await client.expectClose();
      const next = await stage.connect(transport);
      await next.receipt('SUBSCRIBE', { id: 's', destination: queue });
      expect(await nextBodies(next, 50)).toEqual(Array.from({ length: 50 }, (_, i) => String(i)));
    });

    test('a close without DISCONNECT: what was received before is still done', async () => {
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
    test('names the receipt of the frame at fault, not of one before', async () => {
      await client.receipt('BEGIN', { transaction: 't', receipt: 'first' });
      await refuses(client, 'COMMIT', { transaction: 'other' }, 'unknown-transaction');
    });

    test('has no receipt-id where none was asked for', async () => {
      client.sendFrame('COMMIT', { transaction: 'other' });
      await expectRefusal(client, 'unknown-transaction', undefined, 4400);
    });

    test.each(VERSIONS)('the receipt is written as %s writes it', async (version) => {
      const own = await stage.connect(transport, { 'accept-version': version });
      own.sendFrame('COMMIT', { transaction: 'other', receipt: 'a:b' });
      const { headerLines } = await expectRefusal(own, 'unknown-transaction', 'a:b');
      expect(headerLines).toContain(version === '1.0' ? 'receipt-id:a:b' : 'receipt-id:a\\cb');
    });

    test.each(['FOO', 'MESSAGE', 'RECEIPT', 'CONNECTED', 'ERROR', 'ACKNOWLEDGE'])(
      '%s is no command',
      async (command) => {
        await refuses(client, command, { destination: topic }, 'unknown-command');
      },
    );

    test('comes behind what was sent before it', async () => {
      const witness = await stage.connect(transport);
      for (const each of [client, witness]) await each.receipt('SUBSCRIBE', { id: 's', destination: topic });
      await client.receipt('SEND', { destination: topic }, 'before');
      // The broker may confirm a message before it delivers it
      expect(await nextBody(witness)).toBe('before');
      client.sendFrame('COMMIT', { transaction: 'other' });
      expect(await nextBody(client)).toBe('before');
      await expectRefusal(client, 'unknown-transaction');
    });

    test('of a session ends its subscriptions', async () => {
      const queue = `/queue/${unique()}`;
      await client.receipt('SUBSCRIBE', { id: 's', destination: queue });
      await refuses(client, 'COMMIT', { transaction: 'other' }, 'unknown-transaction');
      const next = await stage.connect(transport);
      await next.receipt('SEND', { destination: queue }, 'x');
      await next.receipt('SUBSCRIBE', { id: 's', destination: queue });
      expect(await nextBody(next)).toBe('x');
    });

    test('the frames before the faulty one are done, those behind are not', async () => {
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
