/** Queues: competing consumers, and the effects of queue headers. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { StompClient } from '../../support/stomp-client.js';
import {
  bodiesUntilNow,
  EVERYWHERE,
  expectRefusal,
  nextBodies,
  nextBody,
  refuses,
  stageRelays,
  unique,
} from './relay-stage.js';

describe.each(EVERYWHERE)('on $broker over $transport', ({ broker, transport }) => {
  const stage = stageRelays(broker, { config: { session: { ackGraceMs: 0 } } });
  let client: StompClient;
  let queue: string;
  beforeEach(async () => {
    client = await stage.connect(transport);
    queue = `/queue/${unique()}`;
  });

  describe('/queue', () => {
    test('a queue keeps messages until it has a consumer', async () => {
      for (const body of ['a', 'b']) await client.receipt('SEND', { destination: queue }, body);
      await client.receipt('SUBSCRIBE', { id: 's', destination: queue });
      expect(await nextBodies(client, 2)).toEqual(['a', 'b']);
    });

    test('a queue delivers each message to one consumer, and distributes them in turn', async () => {
      const other = await stage.connect(transport);
      const options = { destination: queue, ack: 'client', 'prefetch-count': '5' };
      await client.receipt('SUBSCRIBE', { id: 's', ...options });
      await other.receipt('SUBSCRIBE', { id: 's', ...options });
      for (let i = 0; i < 10; i++) await client.receipt('SEND', { destination: queue }, String(i));
      const all = [...(await nextBodies(client, 5)), ...(await nextBodies(other, 5))];
      expect(all.sort()).toEqual(Array.from({ length: 10 }, (_, i) => String(i)));
    });

    test('two subscriptions of one session share the messages of a queue', async () => {
      await client.receipt('SUBSCRIBE', { id: 'a', destination: queue });
      await client.receipt('SUBSCRIBE', { id: 'b', destination: queue });
      for (const body of ['1', '2']) client.sendFrame('SEND', { destination: queue }, body);
      expect((await nextBodies(client, 2)).sort()).toEqual(['1', '2']);
      expect(await bodiesUntilNow(client)).toEqual([]);
    });

    test('a message returned by one consumer goes to another, marked as redelivered', async () => {
      const other = await stage.connect(transport);
      await client.receipt('SUBSCRIBE', { id: 's', destination: queue, ack: 'client' });
      await client.receipt('SEND', { destination: queue }, 'x');
      expect(await nextBody(client, { redelivered: 'false' })).toBe('x');
      await other.receipt('SUBSCRIBE', { id: 's', destination: queue, ack: 'client' });
      await client.disconnect();
      expect(await nextBody(other, { redelivered: 'true' })).toBe('x');
    });

    test('a queue delivers a message of 1 MB', async () => {
      const body = 'x'.repeat(1_000_000);
      await client.receipt('SUBSCRIBE', { id: 's', destination: queue });
      client.sendFrame('SEND', { destination: queue, 'content-length': String(body.length) }, body);
      expect(await nextBody(client)).toBe(body);
    });
  });

  describe('queue headers', () => {
    test('x-message-ttl:0 expires messages at once', async () => {
      const options = { destination: queue, 'x-message-ttl': '0' };
      await client.receipt('SEND', options, 'expired at once');
      await client.receipt('SUBSCRIBE', { id: 's', ...options });
      expect(await bodiesUntilNow(client)).toEqual([]);
    });

    test('x-max-length drops the oldest messages', async () => {
      const options = { destination: queue, 'x-max-length': '2' };
      for (const body of ['a', 'b', 'c']) await client.receipt('SEND', options, body);
      await client.receipt('SUBSCRIBE', { id: 's', ...options });
      expect(await bodiesUntilNow(client)).toEqual(['b', 'c']);
    });

    test('with x-overflow:reject-publish, the publisher to a full queue gets publish-refused', async () => {
      const options = { destination: queue, 'x-max-length': '1', 'x-overflow': 'reject-publish' };
      await client.receipt('SEND', options, 'a');
      client.sendFrame('SEND', { ...options, receipt: 'b' }, 'b');
      await expectRefusal(client, 'publish-refused', 'b', 1013);
    });

    test('x-dead-letter-exchange and x-dead-letter-routing-key route a rejected message', async () => {
      const dead = unique('dead');
      await client.receipt('SUBSCRIBE', { id: 'd', destination: `/topic/${dead}` });
      const dlx = { 'x-dead-letter-exchange': 'amq.topic', 'x-dead-letter-routing-key': dead };
      await client.receipt('SUBSCRIBE', { id: 's', destination: queue, ack: 'client', ...dlx });
      client.sendFrame('SEND', { destination: queue, 'x-mine': 'kept' }, 'x');
      const { headers } = await client.expectFrame('MESSAGE', { subscription: 's' });
      await client.receipt('NACK', { id: headers['ack'] ?? '', requeue: 'false' });
      expect(await nextBody(client, { subscription: 'd', 'x-mine': 'kept' })).toBe('x');
    });

    test('x-max-priority delivers messages by priority', async () => {
      const options = { destination: queue, 'x-max-priority': '5' };
      for (const priority of ['1', '5', '3']) await client.receipt('SEND', { ...options, priority }, priority);
      await client.receipt('SUBSCRIBE', { id: 's', ...options });
      expect(await nextBodies(client, 3)).toEqual(['5', '3', '1']);
    });

    test('with x-single-active-consumer one consumer gets all messages, and the next takes over when it leaves', async () => {
      const other = await stage.connect(transport);
      const options = { id: 's', destination: queue, ack: 'client', 'x-single-active-consumer': 'true' };
      await client.receipt('SUBSCRIBE', options);
      await other.receipt('SUBSCRIBE', options);
      for (const body of ['a', 'b']) await client.receipt('SEND', { ...options, id: '' }, body);
      expect(await nextBodies(client, 2)).toEqual(['a', 'b']);
      client.destroy();
      expect(await nextBodies(other, 2)).toEqual(['a', 'b']);
    });

    test('exclusive:true refuses a second consumer', async () => {
      await client.receipt('SUBSCRIBE', { id: 's', destination: queue, exclusive: 'true' });
      const other = await stage.connect(transport);
      other.sendFrame('SUBSCRIBE', { id: 's', destination: queue, receipt: 'r' });
      await expectRefusal(other, 'queue-in-use', 'r', 1013);
    });

    test.each([{ 'auto-delete': 'true', durable: 'false' }, { exclusive: 'true' }])(
      'with %j the queue is deleted with its session',
      async (options) => {
        const temporary = { id: 's', destination: queue, ack: 'client', ...options } as Record<string, string>;
        await client.receipt('SUBSCRIBE', temporary);
        await client.receipt('UNSUBSCRIBE', { id: 's' });
        await client.disconnect();
        const next = await stage.connect(transport);
        for (;;) {
          // The broker deletes the queue some time after the end of the session.
          const probe = await stage.connect(transport);
          const asked = probe.receipt('SUBSCRIBE', { id: 's', destination: queue.replace('/queue/', '/amq/queue/') });
          const answer = await asked.catch((error: Error) => error.message);
          if (typeof answer === 'string') {
            expect(answer).toContain('queue-not-found');
            break;
          }
          await probe.receipt('UNSUBSCRIBE', { id: 's' });
        }
        await next.disconnect();
      },
    );

    test('with durable:false a queue stays while another session consumes it', async () => {
      const other = await stage.connect(transport);
      for (const each of [client, other]) {
        await each.receipt('SUBSCRIBE', { id: 's', destination: queue, durable: 'false', 'auto-delete': 'true' });
      }
      await client.disconnect();
      for (let i = 0; i < 5; i++) {
        await other.receipt('SEND', { destination: queue, durable: 'false', 'auto-delete': 'true' }, 'x');
        expect(await nextBody(other)).toBe('x');
      }
    });

    test('queue headers that differ from the queue are a conflict; a SUBSCRIBE without them is accepted', async () => {
      await client.receipt('SEND', { destination: queue, 'x-max-length': '5' }, 'x');
      const other = await stage.connect(transport);
      await other.receipt('SUBSCRIBE', { id: 's', destination: queue });
      expect(await nextBody(other)).toBe('x');
      await refuses(client, 'SUBSCRIBE', { id: 's', destination: queue, 'x-max-length': '6' }, 'queue-conflict');
    });

    test.each([
      ['x-message-ttl', 'soon'],
      ['x-message-ttl', '-1'],
      ['x-expires', '0'],
      ['x-max-length', '1.5'],
      ['x-overflow', 'explode'],
      ['x-queue-type', 'magic'],
      ['durable', 'maybe'],
      ['auto-delete', '1'],
      ['exclusive', 'yes'],
      ['prefetch-count', 'many'],
      ['prefetch-count', '-1'],
      ['prefetch-count', '65536'],
      ['x-stream-offset', 'middle'],
      ['x-priority', 'high'],
    ])('a SUBSCRIBE with %s:%s is refused', async (name, value) => {
      await refuses(client, 'SUBSCRIBE', { id: 's', destination: queue, [name]: value }, 'invalid-header');
    });

    test('x-queue-name sets the name of the queue behind a topic', async () => {
      const name = unique('named');
      const topic = `/topic/${unique()}`;
      await client.receipt('SUBSCRIBE', { id: 's', destination: topic, 'x-queue-name': name });
      client.sendFrame('SEND', { destination: topic }, 'by topic');
      expect(await nextBody(client, { subscription: 's', destination: topic })).toBe('by topic');
      client.sendFrame('SEND', { destination: `/amq/queue/${name}` }, 'by queue');
      expect(await nextBody(client, { subscription: 's', destination: `/queue/${name}` })).toBe('by queue');
    });
  });
});
