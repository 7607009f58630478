/** Queues and their consumers: acks, prefetch, competing consumers, and the end of a session. */
import type { Delivery } from '../brokers/broker.js';
import { messageOf, textOf, unique } from './broker-desk.js';
import { capabilitiesFor } from './suite.js';
import type { Suite } from './suite.js';
import { Inbox } from './test-inbox.js';

const text = (delivery: Delivery): string => textOf(delivery.message);

export function ownSubscriptionTests({ desks, expect, needing, offers }: Suite): void {
  const { describe, test } = needing('queues', 'acks');

  describe('queues', () => {
    test('keep messages in order until a consumer comes', async () => {
      const queue = `/queue/${unique('jobs')}`;
      for (const body of ['1', '2', '3']) await desks.there.send(queue, body);
      const { inbox } = await desks.here.channel().consume(queue);
      const deliveries = await inbox.take(3);
      expect(deliveries.map(text)).toEqual(['1', '2', '3']);
      expect(deliveries.map(({ redelivered }) => redelivered)).toEqual([false, false, false]);
      expect(deliveries[0]!.message.origin).toMatchObject({ kind: 'queue', queue: queue.slice('/queue/'.length) });
    });

    test('give each message to one consumer, round robin', async () => {
      const queue = `/queue/${unique('jobs')}`;
      const one = await desks.here.channel().consume(queue, { headers: { 'prefetch-count': '5' } });
      const two = await desks.there.channel().consume(queue, { headers: { 'prefetch-count': '5' } });
      for (let i = 0; i < 10; i++) await desks.there.send(queue, String(i));
      const bodies = [...(await one.bodies(5)), ...(await two.bodies(5))];
      expect(bodies.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 10 }, (_, i) => i));
    });

    test('keep the order of one publisher', async () => {
      const queue = `/queue/${unique('jobs')}`;
      const { bodies } = await desks.here.channel().consume(queue);
      const numbers = Array.from({ length: 300 }, (_, i) => String(i));
      await Promise.all(numbers.map((number) => desks.there.send(queue, number)));
      expect(await bodies(300)).toEqual(numbers);
    });

    test('need no preparation once they are known', async () => {
      const destination = { kind: 'queue', text: '/queue/known', queue: unique('known') } as const;
      const readiness = () => desks.there.broker.publication(destination, messageOf('x'), { mandatory: false }).ready;
      await readiness();
      expect(readiness()).toBeUndefined();
    });

    needing('replies', 'mandatory').test('can be addressed as reply queues by their exact names', async () => {
      const name = unique('a/b%2F');
      const { bodies } = await desks.here.channel().consume(`/queue/${encodeURIComponent(name)}`);
      await desks.there.send(`/reply-queue/${name}`, 'verbatim', {}, true);
      expect(await bodies(1)).toEqual(['verbatim']);
    });

    test('must exist for /amq/queue, and are created by /queue', async () => {
      const name = unique('late');
      const channel = desks.here.channel();
      await expect(channel.consume(`/amq/queue/${name}`)).rejects.toMatchObject({ code: 'queue-not-found' });
      await desks.there.send(`/queue/${name}`, 'hello');
      const { bodies } = await channel.consume(`/amq/queue/${name}`);
      expect(await bodies(1)).toEqual(['hello']);
    });

    test('must exist for a SEND to /amq/queue, which refuses only that message', async () => {
      const [missing, present] = [unique('missing'), unique('present')];
      const { bodies } = await desks.here.channel().consume(`/queue/${present}`);
      const missed = { code: 'queue-not-found', message: expect.stringContaining(missing) };
      const sent = ['1', '2', '3'].map((body) => desks.there.send(`/amq/queue/${present}`, body));
      await expect(desks.there.send(`/amq/queue/${missing}`, 'x')).rejects.toMatchObject(missed);
      if (offers('mandatory')) {
        await expect(desks.there.send(`/amq/queue/${missing}`, 'x', {}, true)).rejects.toMatchObject(missed);
      }
      await Promise.all(sent);
      expect(await bodies(3)).toEqual(['1', '2', '3']);
      await desks.there.send(`/queue/${missing}`, 'declares it');
      await desks.there.send(`/amq/queue/${missing}`, 'found');
      const found = await desks.here.channel().consume(`/amq/queue/${missing}`);
      expect(await found.bodies(2)).toEqual(['declares it', 'found']);
    });

    // Reserved by RabbitMQ
    needing('exchanges').test('with reserved names cannot be created', async () => {
      const queue = `/queue/${unique('amq.mine')}`;
      await expect(desks.here.send(queue, 'x')).rejects.toMatchObject({ code: 'access-refused' });
      await expect(desks.here.channel().consume(queue)).rejects.toMatchObject({ code: 'access-refused' });
    });

    test('may have any name', async () => {
      const name = unique('a/b %.*#é');
      const queue = `/queue/${encodeURIComponent(name)}`;
      await desks.there.send(queue, 'hello');
      const { inbox } = await desks.here.channel().consume(queue);
      expect((await inbox.next()).message.origin).toMatchObject({ kind: 'queue', queue: name });
    });

    test('for replies only cannot be subscribed to', async () => {
      const channel = desks.here.channel();
      const options = { ack: 'auto', headers: new Map<string, string>(), subscriptionId: '1' } as const;
      const consumer = { deliver: () => {}, ended: () => {} };
      for (const destination of [
        { kind: 'reply-queue', text: '/reply-queue/q', queue: 'q' },
        { kind: 'temp-queue', text: '/temp-queue/q', name: 'q' },
      ] as const) {
        await expect(channel.channel.consume(destination, options, consumer)).rejects.toMatchObject({
          code: 'invalid-destination',
        });
      }
    });
  });

  describe('settling', () => {
    test('ack removes the message', async () => {
      const queue = `/queue/${unique('jobs')}`;
      const channel = desks.here.channel();
      const { inbox } = await channel.consume(queue);
      for (const body of ['1', '2']) await desks.there.send(queue, body);
      (await inbox.next()).settle('ack');
      await inbox.next();
      await channel.close();
      const later = await desks.here.channel().consume(queue);
      expect(text(await later.inbox.next())).toBe('2');
    });

    test('requeue delivers the message again, marked, in its old place', async () => {
      const queue = `/queue/${unique('jobs')}`;
      for (const body of ['1', '2', '3']) await desks.there.send(queue, body);
      const { inbox } = await desks.here.channel().consume(queue, { headers: { 'prefetch-count': '1' } });
      const first = await inbox.next();
      first.settle('requeue');
      const again = await inbox.next();
      expect([text(again), again.redelivered]).toEqual(['1', true]);
      again.settle('ack');
      const second = await inbox.next();
      expect([text(second), second.redelivered]).toEqual(['2', false]);
    });

    test('drop without a dead-letter exchange removes the message', async () => {
      const queue = `/queue/${unique('jobs')}`;
      const { inbox } = await desks.here.channel().consume(queue, { headers: { 'prefetch-count': '1' } });
      for (const body of ['1', '2']) await desks.there.send(queue, body);
      (await inbox.next()).settle('drop');
      expect(text(await inbox.next())).toBe('2');
    });

    test('the number of unsettled deliveries never exceeds the prefetch count', async () => {
      const [queue, marker] = [`/queue/${unique('jobs')}`, `/queue/${unique('marker')}`];
      const channel = desks.here.channel();
      const { inbox } = await channel.consume(queue, { headers: { 'prefetch-count': '2' } });
      const marked = await channel.consume(marker);
      const pass = async (): Promise<void> => {
        await desks.there.send(marker, 'pass');
        await marked.bodies(1);
      };
      for (let i = 0; i < 5; i++) await desks.there.send(queue, String(i));
      const [first, second] = await inbox.take(2);
      await pass();
      expect(inbox.all).toHaveLength(2);
      second!.settle('ack');
      await inbox.next();
      await pass();
      expect(inbox.all).toHaveLength(3);
      first!.settle('requeue');
      expect(text(await inbox.next())).toBe('0');
    });

    test('still works after the subscription has been closed', async () => {
      const queue = `/queue/${unique('jobs')}`;
      const channel = desks.here.channel();
      const { inbox, subscription } = await channel.consume(queue);
      for (const body of ['1', '2', '3']) await desks.there.send(queue, body);
      const deliveries = await inbox.take(3);
      await subscription.close();
      deliveries[0]!.settle('ack');
      deliveries[1]!.settle('requeue');
      await desks.there.send(queue, '4');
      const other = await desks.here.channel().consume(queue);
      expect((await other.inbox.take(2)).map(text)).toEqual(['2', '4']);
      expect(inbox.all).toHaveLength(3);
      await channel.close();
      expect(text(await other.inbox.next())).toBe('3');
    });

    test('closing a channel requeues unsettled deliveries, marked', async () => {
      const queue = `/queue/${unique('jobs')}`;
      const channel = desks.here.channel();
      const { inbox } = await channel.consume(queue);
      for (const body of ['1', '2', '3']) await desks.there.send(queue, body);
      const deliveries = await inbox.take(3);
      deliveries[1]!.settle('ack');
      await channel.close();
      deliveries[0]!.settle('ack');
      const later = await desks.there.channel().consume(queue);
      const again = await later.inbox.take(2);
      expect(again.map(text)).toEqual(['1', '3']);
      expect(again.map(({ redelivered }) => redelivered)).toEqual([true, true]);
    });

    test('a consumer that requeues everything does not block the others', async () => {
      const [queue, other] = [`/queue/${unique('bounced')}`, `/queue/${unique('other')}`];
      const channel = desks.here.channel();
      const bounced = new Inbox<Delivery>('bounced');
      await channel.channel.consume(
        { kind: 'queue', text: queue, queue: queue.slice('/queue/'.length) },
        { ack: 'client', headers: new Map(), subscriptionId: '1' },
        {
          deliver: (delivery) => {
            bounced.add(delivery);
            delivery.settle(bounced.all.length < 10 ? 'requeue' : 'ack');
          },
          ended: () => {},
        },
      );
      const { bodies } = await channel.consume(other, { id: '2' });
      await desks.there.send(queue, 'again');
      await bounced.take(10);
      await desks.there.send(other, 'hello');
      expect(await bodies(1)).toEqual(['hello']);
    });
  });

  const acks = needing('acks');
  acks.describe('a dedicated queue', () => {
    acks.each(['topic', 'exchange', 'user'], (kind) => capabilitiesFor(`/${kind}`))(
      'serves a subscription to a %s, with real acks',
      async (kind) => {
        const name = unique('own');
        const [from, to] = {
          topic: [`/topic/${name}.*`, `/topic/${name}/a`],
          exchange: [`/exchange/amq.direct/${name}`, `/exchange/amq.direct/${name}`],
          user: ['/user/queue/own', `/user/${name}/queue/own`],
        }[kind] as [string, string];
        const { inbox } = await desks.here.channel(name).consume(from, { ack: 'client', user: name });
        const shared = await desks.here.listen(from, {}, name);
        await desks.there.send(to, 'hello');
        expect(await shared.bodies(1)).toEqual(['hello']);
        const first = await inbox.next();
        expect([text(first), first.redelivered]).toEqual(['hello', false]);
        first.settle('requeue');
        const again = await inbox.next();
        expect([text(again), again.redelivered]).toEqual(['hello', true]);
        again.settle('ack');
      },
    );

    needing('exchanges').test('matches headers on a headers exchange', async () => {
      const mark = unique('mark');
      const headers = { 'x-match': 'all', 'arg-mark': mark };
      const { bodies } = await desks.here.channel().consume('/exchange/amq.headers', { headers });
      await desks.there.send('/exchange/amq.headers', 'no', { mark: 'other' });
      await desks.there.send('/exchange/amq.headers', 'yes', { mark });
      expect(await bodies(1)).toEqual(['yes']);
    });

    needing('mandatory').test('is deleted when the subscription ends', async () => {
      const to = `/topic/${unique('own')}`;
      const { subscription } = await desks.here.channel().consume(to);
      await desks.there.send(to, 'taken', {}, true);
      await subscription.close();
      await expect(desks.there.send(to, 'x', {}, true)).rejects.toMatchObject({ code: 'unroutable' });
    });

    needing('mandatory').test('is deleted when the session ends', async () => {
      const to = `/topic/${unique('own')}`;
      const channel = desks.here.channel();
      await channel.consume(to);
      await channel.close();
      await expect(desks.there.send(to, 'x', {}, true)).rejects.toMatchObject({ code: 'unroutable' });
    });

    acks.test('receives messages from every instance once subscribed', async () => {
      const base = unique('live');
      const channel = desks.here.channel();
      for (let i = 0; i < 10; i++) {
        const { bodies } = await channel.consume(`/topic/${base}.${i}`, { id: String(i) });
        await desks.there.send(`/topic/${base}.${i}`, String(i));
        expect(await bodies(1)).toEqual([String(i)]);
      }
    });
  });
}
