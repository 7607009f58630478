/** Durable subscriptions to topics, and queues behind topics that several consumers share. */
import { unique } from './broker-desk.js';
import { capabilitiesFor } from './suite.js';
import type { Suite } from './suite.js';

const DURABLE = { durable: 'true' };

export function durableSubscriptionTests({ desks, expect, needing }: Suite): void {
  const { describe, each, test } = needing('durable', 'acks');

  describe('durable subscriptions', () => {
    each(['topic', 'exchange', 'user'], (kind) => capabilitiesFor(`/${kind}`))(
      'keep messages while their client is away (%s)',
      async (kind) => {
        const key = unique('kept');
        const [from, to] = {
          topic: [`/topic/${key}/*`, `/topic/${key}/a`],
          exchange: [`/exchange/amq.direct/${key}`, `/exchange/amq.direct/${key}`],
          user: ['/user/queue/kept', `/user/${key}/queue/kept`],
        }[kind] as [string, string];
        const settings = { headers: DURABLE, ack: 'auto', user: key } as const;
        const before = desks.here.channel(key);
        const first = await before.consume(from, settings);
        await desks.there.send(to, '1');
        expect(await first.bodies(1)).toEqual(['1']);
        await before.close();
        await desks.there.send(to, '2');
        const after = await desks.there.channel(key).consume(from, settings);
        await desks.there.send(to, '3');
        expect(await after.bodies(2)).toEqual(['2', '3']);
        await after.subscription.close({ forget: true });
      },
    );

    test('are identified by user, client-id, destination and id', async () => {
      const [to, other] = [`/topic/${unique('kept')}`, `/topic/${unique('other')}`];
      const holders = await Promise.all([
        desks.here.channel('alice').consume(to, { headers: DURABLE }),
        desks.here.channel('bob').consume(to, { headers: DURABLE }),
        desks.here.channel('alice', 'tablet').consume(to, { headers: DURABLE }),
        desks.here.channel('alice').consume(to, { headers: DURABLE, id: 'sub-1' }),
      ]);
      const elsewhere = await desks.here.channel('alice').consume(other, { headers: DURABLE });
      await desks.there.send(to, 'for all');
      await desks.there.send(other, 'for one');
      for (const { bodies } of holders) expect(await bodies(1)).toEqual(['for all']);
      expect(await elsewhere.bodies(1)).toEqual(['for one']);
      for (const { subscription } of [...holders, elsewhere]) await subscription.close({ forget: true });
    });

    test('have one holder at a time, on all instances', async () => {
      const to = `/topic/${unique('kept')}`;
      const holder = desks.here.channel('alice');
      const held = await holder.consume(to, { headers: DURABLE });
      const rival = desks.there.channel('alice');
      const inUse = expect.objectContaining({ code: 'queue-in-use' });
      await expect(rival.consume(to, { headers: DURABLE })).rejects.toEqual(inUse);
      await desks.there.send(to, 'for the holder');
      expect(await held.bodies(1)).toEqual(['for the holder']);
      await holder.close();
      const next = await rival.consume(to, { headers: DURABLE });
      await desks.there.send(to, 'for the next');
      expect(await next.bodies(1)).toEqual(['for the next']);
      await next.subscription.close({ forget: true });
    });

    test('redeliver messages that their holder did not settle', async () => {
      const to = `/topic/${unique('kept')}`;
      const before = desks.here.channel('alice');
      const first = await before.consume(to, { headers: DURABLE });
      await desks.there.send(to, '1');
      await first.inbox.next();
      await before.close();
      const after = await desks.here.channel('alice').consume(to, { headers: DURABLE });
      const again = await after.inbox.next();
      expect(again.redelivered).toBe(true);
      again.settle('ack');
      await after.subscription.close({ forget: true });
    });

    needing('mandatory').test(
      'end with their session if it is closed with forget, and only with that one',
      async () => {
        const [to, kept] = [`/topic/${unique('gone')}`, `/topic/${unique('kept')}`];
        const [ending, lasting] = [desks.here.channel('alice'), desks.here.channel('alice')];
        await ending.consume(to, { headers: DURABLE });
        await lasting.consume(kept, { headers: DURABLE });
        await ending.channel.close({ forget: true });
        await lasting.channel.close();
        const unroutable = expect.objectContaining({ code: 'unroutable' });
        await expect(desks.there.send(to, 'x', {}, true)).rejects.toEqual(unroutable);
        await desks.there.send(kept, 'x', {}, true);
        const again = await desks.here.channel('alice').consume(kept, { headers: DURABLE });
        await again.subscription.close({ forget: true });
      },
    );

    needing('mandatory').test('end when they are closed with forget', async () => {
      const to = `/topic/${unique('kept')}`;
      const first = await desks.here.channel('alice').consume(to, { headers: DURABLE });
      await first.subscription.close({ forget: true });
      await expect(desks.there.send(to, 'x', {}, true)).rejects.toMatchObject({ code: 'unroutable' });
      const after = await desks.here.channel('alice').consume(to, { headers: DURABLE });
      await desks.there.send(to, 'new');
      expect(await after.bodies(1)).toEqual(['new']);
      await after.subscription.close({ forget: true });
    });
  });

  describe('x-queue-name', () => {
    test('lets several consumers share the messages of a topic', async () => {
      const to = `/topic/${unique('shared')}`;
      const headers = { 'x-queue-name': unique('workers'), 'prefetch-count': '2' };
      const one = await desks.here.channel('alice').consume(to, { headers });
      const two = await desks.there.channel('bob').consume(to, { headers });
      for (const body of ['1', '2', '3', '4']) await desks.there.send(to, body);
      expect([...(await one.bodies(2)), ...(await two.bodies(2))].sort()).toEqual(['1', '2', '3', '4']);
    });

    needing('queues', 'mandatory').test('names a queue that other clients can address by that name', async () => {
      const [to, name] = [`/topic/${unique('named')}`, unique('workers')];
      const { bodies } = await desks.here.channel().consume(to, { headers: { 'x-queue-name': name } });
      await desks.there.send(to, 'by topic');
      await desks.there.send(`/amq/queue/${name}`, 'by name', {}, true);
      expect(await bodies(2)).toEqual(['by topic', 'by name']);
    });
  });
}
