/**
 * One client floods what all users share, and a client of another address still gets its queue, reply, channel and
 * subscription. On both brokers, through sockets.
 */
import { describe, expect, test } from '@jest/globals';
import { BROKERS } from '../../support/relay.js';
import type { StompClient } from '../../support/stomp-client.js';
import { metric, post, RawRequest } from '../http/http-client.js';
import { stageRelays, unique } from './relay-stage.js';

const queueBounds = { queuesMax: 40, durableQueuesMax: 40, replyQueuesMax: 40 };
const config = {
  listen: { trustedProxies: ['127.0.0.1'] },
  limits: { subscriptionsMax: 80, patternsMax: 40 },
  rabbitmq: { ...queueBounds, channelsPerConnection: 40, connectionsMax: 1 },
  memory: { ...queueBounds, messagesMaxBytes: 1024 * 1024 },
  http: { bodyMaxBytes: 128 * 1024, bodiesMaxBytes: 1024 * 1024 },
};
const SOFT = { 'relay-extensions': 'soft-errors' };

describe.each(BROKERS)('on the broker %s', (kind) => {
  const stage = stageRelays(kind, { config });
  const connect = (address: string) => stage.connect('webSocketUrl', SOFT, { headers: { 'x-forwarded-for': address } });

  /** Sends `count` frames and resolves with the number of refusals by code. */
  async function flood(
    client: StompClient,
    count: number,
    frame: (index: number) => [string, Record<string, string>],
  ): Promise<Record<string, number>> {
    const codes: Record<string, number> = {};
    for (let i = 0; i < count; i++) {
      const [command, headers] = frame(i);
      client.sendFrame(command, { ...headers, receipt: `f-${i}` });
    }
    for (let i = 0; i < count; i++) {
      const answer = await client.take(
        ({ headers }) => (headers['receipt-id'] ?? '').startsWith('f-'),
        'the answer to a frame of the flood',
      );
      const code = answer.headers['code'] ?? 'done';
      codes[code] = (codes[code] ?? 0) + 1;
    }
    return codes;
  }

  /** A request and its reply, through a queue that the client makes. */
  async function askAndAnswer(client: StompClient): Promise<void> {
    const requests = `/queue/${unique('requests')}`;
    const service = unique('service');
    await client.receipt('SUBSCRIBE', { id: service, destination: requests });
    await client.receipt('SEND', { destination: requests, 'reply-to': '/temp-queue/replies' }, 'question');
    const { headers } = await client.expectFrame('MESSAGE', { subscription: service });
    await client.receipt('SEND', { destination: headers['reply-to']! }, 'answer');
    const reply = await client.expectFrame('MESSAGE', { subscription: '/temp-queue/replies' });
    expect(reply.body.toString()).toBe('answer');
    await client.receipt('UNSUBSCRIBE', { id: service });
  }

  test('a flood of SENDs to new queues', async () => {
    const name = unique('flood');
    const [attacker, healthy] = [await connect('203.0.113.1'), await connect('203.0.113.2')];
    const codes = await flood(attacker, 100, (i) => ['SEND', { destination: `/queue/${name}-${i}` }]);
    expect(codes).toEqual({ done: 20, 'too-many-queues': 80 });
    await askAndAnswer(healthy);
    expect(await metric(stage.relay, `limit_refused_total{limit="${kind}.queuesMax",bound="share"}`)).toBe(80);
  }, 60_000);

  test('a flood of temporary queues', async () => {
    const [attacker, healthy] = [await connect('203.0.113.1'), await connect('203.0.113.2')];
    const codes = await flood(attacker, 100, (i) => [
      'SEND',
      { destination: '/topic/x', 'reply-to': `/temp-queue/${i}` },
    ]);
    expect(codes).toEqual({ done: 20, 'too-many-queues': 80 });
    await askAndAnswer(healthy);
    attacker.destroy();
  }, 60_000);

  test('a flood of subscriptions, and of patterns', async () => {
    const name = unique('t');
    const [attacker, healthy] = [await connect('203.0.113.3'), await connect('203.0.113.4')];
    const all = await flood(attacker, 60, (i) => ['SUBSCRIBE', { id: `s-${i}`, destination: `/topic/${name}.${i}` }]);
    expect(all).toEqual({ done: 40, 'too-many-subscriptions': 20 });
    await healthy.receipt('SUBSCRIBE', { id: 'h', destination: `/topic/${name}` });
    await flood(attacker, 40, (i) => ['UNSUBSCRIBE', { id: `s-${i}` }]);
    const patterns = await flood(attacker, 30, (i) => [
      'SUBSCRIBE',
      { id: `p-${i}`, destination: `/topic/${name}.${i}.*` },
    ]);
    expect(patterns).toEqual({ done: 20, 'too-many-subscriptions': 10 });
    await healthy.receipt('SUBSCRIBE', { id: 'p', destination: `/topic/${name}.*.*` });
    // Subscribers of the same pattern share it
    await attacker.receipt('SUBSCRIBE', { id: 'same', destination: `/topic/${name}.*.*` });
    attacker.destroy();
    healthy.destroy();
  }, 60_000);

  test('a flood of half-sent HTTP requests', async () => {
    const [attacker, healthy] = ['203.0.113.5', '203.0.113.6'];
    const head = `POST /api/messages HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: ${attacker}\r\nContent-Type: application/json\r\nContent-Length: 131072\r\n\r\n`;
    const half = `{"destination":"/topic/x","body":"${'x'.repeat(120_000)}`;
    const requests = await Promise.all(Array.from({ length: 8 }, () => RawRequest.open(stage.relay, head + half)));
    const refused = requests.map((request) => request.read((text) => text.includes('"code":"overloaded"')));
    expect(await Promise.race(refused)).toContain('its share of the bytes of requests');
    const message = { destination: '/topic/x', body: 'x'.repeat(100_000) };
    expect((await post(stage.relay, message, { 'x-forwarded-for': healthy })).status).toBe(200);
    for (const request of requests) request.close();
  }, 60_000);

  if (kind === 'memory') {
    test('a flood of stored messages', async () => {
      const queue = `/queue/${unique('stored')}`;
      const [attacker, healthy] = [await connect('203.0.113.1'), await connect('203.0.113.2')];
      const own = `/queue/${unique('own')}`;
      await healthy.receipt('SUBSCRIBE', { id: 'h', destination: own, ack: 'client' });
      const body = 'x'.repeat(100_000);
      for (let i = 0; i < 10; i++) attacker.sendFrame('SEND', { destination: queue, receipt: `f-${i}` }, body);
      for (let i = 0; i < 10; i++) {
        await attacker.take(({ headers }) => headers['receipt-id'] === `f-${i}`, `the answer to SEND ${i}`);
      }
      await healthy.receipt('SEND', { destination: own }, body);
      expect((await healthy.expectFrame('MESSAGE', { subscription: 'h' })).body.length).toBe(100_000);
    }, 60_000);
  } else {
    test('a flood of channels', async () => {
      const [attacker, second, healthy] = [
        await connect('203.0.113.7'),
        await connect('203.0.113.7'),
        await connect('203.0.113.8'),
      ];
      // A consumer with a priority may be refused, so it has a channel of its own
      const headers = { destination: `/queue/${unique('busy')}`, 'x-priority': '1' };
      const codes = await flood(attacker, 18, (i) => ['SUBSCRIBE', { ...headers, id: `c-${i}` }]);
      const more = await flood(second, 10, (i) => ['SUBSCRIBE', { ...headers, id: `c-${i}` }]);
      expect([codes['too-many-channels'], more['too-many-channels']]).toEqual([undefined, 8]);
      await askAndAnswer(healthy);
    }, 60_000);
  }
});

describe('limits.mode: report', () => {
  const stage = stageRelays('memory', { config: { ...config, limits: { ...config.limits, mode: 'report' } } });

  test('counts what a share would refuse, and refuses nothing but the old bounds', async () => {
    const client = await stage.connect('webSocketUrl', SOFT, { headers: { 'x-forwarded-for': '203.0.113.1' } });
    for (let i = 0; i < 40; i++) await client.receipt('SEND', { destination: `/queue/report-${i}` });
    for (let i = 0; i < 100; i++) await client.receipt('SUBSCRIBE', { id: `${i}`, destination: `/topic/report-${i}` });
    client.sendFrame('SEND', { destination: '/queue/report-40', receipt: 'r' });
    await client.expectFrame('MESSAGE', { code: 'too-many-queues', 'receipt-id': 'r' });
    const read = (name: string, limit: string, more = '') => metric(stage.relay, `${name}{limit="${limit}"${more}}`);
    expect(await read('limit_used', 'limits.subscriptionsMax')).toBe(100);
    expect(await read('limit_refused_total', 'limits.subscriptionsMax', ',bound="share"')).toBe(40);
    expect(await read('limit_refused_total', 'limits.subscriptionsMax', ',bound="pot"')).toBe(20);
    expect(await read('limit_refused_total', 'memory.queuesMax', ',bound="share"')).toBe(20);
    expect(await read('limit_refused_total', 'memory.queuesMax', ',bound="pot"')).toBe(1);
  }, 60_000);
});
