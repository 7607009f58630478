/** The queue headers of SUBSCRIBE and SEND. */
import { textOf, unique } from './broker-desk.js';
import type { Suite } from './suite.js';
import { eventually } from './test-deadline.js';

type Headers = Readonly<Record<string, string>>;

export function queueArgumentTests({ desks, expect, needing }: Suite): void {
  const { describe, each, test } = needing('queues', 'acks', 'queueArguments');

  describe('queue headers', () => {
    test('x-overflow:reject-publish refuses messages beyond the limit', async () => {
      const queue = `/queue/${unique('full')}`;
      const headers = { 'x-max-length': '1', 'x-overflow': 'reject-publish' };
      await desks.there.send(queue, '1', headers);
      await expect(desks.there.send(queue, '2', headers)).rejects.toMatchObject({ code: 'publish-refused' });
      const { bodies } = await desks.here.channel().consume(queue);
      expect(await bodies(1)).toEqual(['1']);
      await eventually(
        () =>
          desks.there.send(queue, '3', headers).then(
            () => true,
            () => undefined,
          ),
        10_000,
        () => 'the queue is still full',
      );
      expect(await bodies(1)).toEqual(['3']);
    });

    test('x-max-priority delivers urgent messages first', async () => {
      const queue = `/queue/${unique('urgent')}`;
      const headers = { 'x-max-priority': '5' };
      for (const [body, priority] of Object.entries({ low: '1', none: '0', high: '5', higher: '9', middle: '3' })) {
        await desks.there.send(queue, body, { ...headers, priority });
      }
      const { bodies } = await desks.here.channel().consume(queue, { headers: { ...headers, 'prefetch-count': '1' } });
      expect(await bodies(5)).toEqual(['high', 'higher', 'middle', 'low', 'none']);
    });

    test('x-priority prefers a consumer', async () => {
      const queue = `/queue/${unique('preferred')}`;
      const plain = await desks.here.channel().consume(queue);
      const preferred = await desks.here
        .channel()
        .consume(queue, { headers: { 'x-priority': '10', 'prefetch-count': '2' } });
      for (const body of ['1', '2', '3']) await desks.there.send(queue, body);
      expect((await preferred.inbox.take(2)).map(({ message }) => textOf(message))).toEqual(['1', '2']);
      expect(await plain.bodies(1)).toEqual(['3']);
    });

    test('x-single-active-consumer gives all messages to one consumer, and then to the next', async () => {
      const queue = `/queue/${unique('single')}`;
      const headers = { 'x-single-active-consumer': 'true' };
      const first = await desks.here.channel().consume(queue, { headers });
      const second = await desks.there.channel().consume(queue, { headers });
      for (const body of ['1', '2', '3']) await desks.there.send(queue, body);
      expect(await first.bodies(3)).toEqual(['1', '2', '3']);
      await first.subscription.close();
      await desks.there.send(queue, '4');
      expect(await second.bodies(1)).toEqual(['4']);
    });

    test('x-expires removes an unused queue', async () => {
      const name = unique('unused');
      await desks.there.send(`/queue/${name}`, 'x', { 'x-expires': '100' });
      const code = await eventually(
        () =>
          desks.there.send(`/amq/queue/${name}`, 'x').then(
            () => undefined,
            (error: { code: string }) => error.code,
          ),
        10_000,
        () => 'the queue still exists',
      );
      expect(code).toBe('queue-not-found');
    });

    test('auto-delete removes a queue with its last consumer', async () => {
      const name = unique('auto');
      const headers = { 'auto-delete': 'true' };
      const one = await desks.here.channel().consume(`/queue/${name}`, { headers });
      const two = await desks.here.channel().consume(`/queue/${name}`, { headers });
      await one.subscription.close();
      await desks.there.send(`/amq/queue/${name}`, 'x');
      expect(await two.bodies(1)).toEqual(['x']);
      await two.subscription.close();
      await expect(desks.there.send(`/amq/queue/${name}`, 'x')).rejects.toMatchObject({ code: 'queue-not-found' });
    });

    each<[string, Headers]>([
      ['exclusive:true', { exclusive: 'true' }],
      ['durable:false', { durable: 'false' }],
    ])('%s: the consumer is exclusive, and the queue is deleted with the session', async (_, headers) => {
      const name = unique('mine');
      const channel = desks.here.channel();
      const { bodies } = await channel.consume(`/queue/${name}`, { headers: { exclusive: 'true', ...headers } });
      const second = desks.here.channel().consume(`/queue/${name}`);
      await expect(second).rejects.toMatchObject({ code: 'queue-in-use' });
      await desks.there.send(`/queue/${name}`, 'hello');
      expect(await bodies(1)).toEqual(['hello']);
      await channel.close();
      await expect(desks.there.channel().consume(`/amq/queue/${name}`)).rejects.toMatchObject({
        code: 'queue-not-found',
      });
    });

    test('exclusive:true is refused if the queue has a consumer', async () => {
      const queue = `/queue/${unique('shared')}`;
      const { bodies } = await desks.here.channel().consume(queue);
      const rival = desks.there
        .channel()
        .consume(queue.replace('/queue/', '/amq/queue/'), { headers: { exclusive: 'true' } });
      await expect(rival).rejects.toMatchObject({ code: 'queue-in-use' });
      await desks.there.send(queue, 'still here');
      expect(await bodies(1)).toEqual(['still here']);
    });

    test('arguments that differ from those of the queue are an error, none are not', async () => {
      const queue = `/queue/${unique('typed')}`;
      await desks.there.send(queue, '1', { 'x-max-length': '10' });
      const channel = desks.here.channel();
      const conflict = expect.objectContaining({ code: 'queue-conflict' });
      await expect(channel.consume(queue, { headers: { 'x-max-length': '11' } })).rejects.toEqual(conflict);
      await expect(channel.consume(queue, { headers: { durable: 'true' } })).rejects.toEqual(conflict);
      await expect(desks.there.send(queue, 'x', { 'x-message-ttl': '1000' })).rejects.toEqual(conflict);
      await desks.there.send(queue, '2');
      const { bodies } = await channel.consume(queue);
      expect(await bodies(2)).toEqual(['1', '2']);
    });

    test('a plain SEND accepts an existing queue of any type', async () => {
      const queue = `/queue/${unique('quorum')}`;
      const { bodies } = await desks.here.channel().consume(queue, { headers: { 'x-queue-type': 'quorum' } });
      await desks.there.send(queue, 'hello');
      expect(await bodies(1)).toEqual(['hello']);
    });

    test('combinations that exclude each other are an error', async () => {
      const headers = { 'x-queue-type': 'quorum', 'auto-delete': 'true' };
      await expect(desks.here.channel().consume(`/queue/${unique('odd')}`, { headers })).rejects.toMatchObject({
        code: 'queue-conflict',
      });
    });

    each<[string, string]>([
      ['x-message-ttl', 'soon'],
      ['x-max-length', '-1'],
      ['x-overflow', 'explode'],
      ['prefetch-count', '70000'],
      ['durable', 'perhaps'],
      ['x-queue-name', 'stomp-relay.user'],
      ['x-queue-name', 'amq.rabbitmq.x'],
      ['x-dead-letter-routing-key', `${'a.'.repeat(32)}a`],
      ['x-dead-letter-exchange', 'amq.rabbitmq.trace'],
    ])('%s:%s is refused', async (name, value) => {
      const headers = { [name]: value };
      const refused = expect.objectContaining({ code: 'invalid-header' });
      await expect(desks.here.channel().consume(`/queue/${unique('q')}`, { headers })).rejects.toEqual(refused);
      await expect(desks.here.channel().consume(`/topic/${unique('t')}`, { headers })).rejects.toEqual(refused);
    });
  });
}
