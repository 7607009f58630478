/** Messages: headers and bodies, refusals before sending, and the meaning of a confirm. */
import { parseDestination } from '../destinations/destination.js';
import { BrokerDesk, messageOf, textOf, unique } from './broker-desk.js';
import { capabilitiesFor } from './suite.js';
import type { Suite } from './suite.js';

export function messageTests({ describe, desks, each, expect, makeBroker, needing, offers, test }: Suite): void {
  /** The destinations that the broker supports. */
  const usable = (destinations: readonly string[]) => destinations.filter((to) => offers(...capabilitiesFor(to)));

  describe('messages', () => {
    const PROPERTIES = {
      'content-type': 'text/plain; charset=utf-8',
      'content-encoding': 'identity',
      persistent: 'true',
      priority: '7',
      'correlation-id': 'c-1',
      'reply-to': '/topic/answers',
      expiration: '60000',
      'amqp-message-id': 'm-1',
      timestamp: '1700000000',
      type: 'greeting',
      'app-id': 'tests',
      'x-custom': 'a:b\\c\nd é ☕',
      'X-Upper': 'kept as written',
      empty: '',
      constructor: 'just a name',
      __proto__x: 'just a name',
    };

    each(['topic', 'queue'], (kind) => capabilitiesFor(`/${kind}`))(
      'headers and properties arrive as they were sent (%s)',
      async (kind) => {
        const to = `/${kind}/${unique('props')}`;
        const listening = kind === 'topic' ? await desks.here.listen(to) : undefined;
        const consuming = kind === 'queue' ? await desks.here.channel().consume(to, { ack: 'auto' }) : undefined;
        await desks.there.send(to, 'hello', PROPERTIES);
        const { message } = await (listening ?? consuming)!.inbox.next();
        expect(Object.fromEntries(message.headers)).toEqual(PROPERTIES);
        expect(message.resent).toBe(false);
      },
    );

    each(['topic', 'queue'], (kind) => capabilitiesFor(`/${kind}`))(
      'a header named __proto__ passes through (%s)',
      async (kind) => {
        const to = `/${kind}/${unique('proto')}`;
        const listening = kind === 'topic' ? await desks.here.listen(to) : undefined;
        const consuming = kind === 'queue' ? await desks.here.channel().consume(to, { ack: 'auto' }) : undefined;
        await desks.there.send(to, 'hello', Object.fromEntries([['__proto__', 'kept']]));
        const { message } = await (listening ?? consuming)!.inbox.next();
        expect([...message.headers]).toEqual([['__proto__', 'kept']]);
      },
    );

    test('persistent:false is left out, and numbers are normalized', async () => {
      const to = `/topic/${unique('props')}`;
      const { inbox } = await desks.here.listen(to);
      await desks.there.send(to, 'hello', { persistent: 'false', priority: '007', a: 'b' });
      expect(Object.fromEntries((await inbox.next()).message.headers)).toEqual({ priority: '7', a: 'b' });
    });

    test('a reply-to that is no destination arrives as a /reply-queue destination', async () => {
      const to = `/topic/${unique('reply')}`;
      const { inbox } = await desks.here.listen(to);
      await desks.there.send(to, '', { 'reply-to': 'some.queue/1' });
      expect((await inbox.next()).message.headers.get('reply-to')).toBe('/reply-queue/some.queue/1');
    });

    each([
      ['empty', Buffer.alloc(0)],
      ['with NULs', Buffer.from([0, 1, 0, 255, 254, 0])],
      ['of 1 MiB', Buffer.alloc(1024 * 1024, 'abc')],
    ])('a body %s arrives whole', async (_, body) => {
      const to = `/topic/${unique('body')}`;
      const queue = `/queue/${unique('body')}`;
      const { inbox } = await desks.here.listen(to);
      await desks.there.send(to, body);
      expect((await inbox.next()).message.body.equals(body)).toBe(true);
      if (!offers('queues', 'acks')) return;
      const consuming = await desks.here.channel().consume(queue);
      await desks.there.send(queue, body);
      const delivery = await consuming.inbox.next();
      expect(delivery.message.body.equals(body)).toBe(true);
      delivery.settle('ack');
    });

    const LONG = 'a.'.repeat(32);

    each(
      [
        `/topic/${LONG}a`,
        `/topic/${LONG.replaceAll('.', '/')}a`,
        `/exchange/amq.topic/${LONG}a`,
        `/exchange/amq.fanout/${LONG}a`,
        `/queue/${LONG}a`,
        `/amq/queue/${LONG}a`,
        `/reply-queue/${LONG}a`,
        `/user/${LONG}a/queue/x`,
      ],
      capabilitiesFor,
    )('a key with too many words is refused: %s', async (to) => {
      await expect(desks.here.send(to, 'x')).rejects.toMatchObject({
        code: 'invalid-destination',
        message: expect.stringContaining('topics.keyWordsMax (32)'),
      });
    });

    test('a key with the maximum number of words arrives', async () => {
      const to = `/topic/${'a.'.repeat(31)}${unique('last')}`;
      const { bodies } = await desks.here.listen(to);
      await desks.there.send(to, 'hello');
      expect(await bodies(1)).toEqual(['hello']);
    });

    each<[string, Readonly<Record<string, string>>]>([
      ['a reply-to with too many words', { 'reply-to': `/topic/${LONG}a` }],
      ['expiration:soon', { expiration: 'soon' }],
      ['expiration:-1', { expiration: '-1' }],
      ['priority:256', { priority: '256' }],
      ['priority:high', { priority: 'high' }],
      ['timestamp:now', { timestamp: 'now' }],
      ['persistent:maybe', { persistent: 'maybe' }],
      ['CC', { CC: 'elsewhere' }],
      ['BCC', { BCC: 'elsewhere' }],
      ['user-id', { 'user-id': 'alice' }],
      ['reply-to:amq.rabbitmq.reply-to', { 'reply-to': 'amq.rabbitmq.reply-to' }],
      ['an address of direct reply-to', { 'reply-to': '/reply-queue/amq.rabbitmq.reply-to.x' }],
      ['a type of 256 bytes', { type: 't'.repeat(256) }],
      ['a name of 256 bytes', { ['n'.repeat(256)]: 'x' }],
      ['a header of 70,000 bytes', { large: 'x'.repeat(70_000) }],
      [
        '70,000 bytes of headers',
        Object.fromEntries(Array.from({ length: 70 }, (_, i) => [`h${i}`, 'x'.repeat(1_000)])),
      ],
    ])('%s is refused, and other messages arrive', async (_, headers) => {
      const to = `/topic/${unique('healthy')}`;
      const { bodies } = await desks.here.listen(to);
      const healthy = Array.from({ length: 5 }, (_, i) => desks.here.send(to, String(i)));
      await expect(desks.here.send(to, 'bad', headers)).rejects.toMatchObject({ code: 'invalid-header' });
      await Promise.all(healthy);
      await desks.here.send(to, 'good');
      expect(await bodies(6)).toEqual(['0', '1', '2', '3', '4', 'good']);
    });
  });

  describe('confirms', () => {
    const mandatory = needing('mandatory');

    mandatory.test('mandatory: an error if no queue or listener receives the message', async () => {
      const [topic, user] = [`/topic/${unique('void')}`, unique('absent')];
      const unroutable = expect.objectContaining({ code: 'unroutable' });
      for (const to of usable([
        topic,
        `/user/${user}/queue/x`,
        `/reply-queue/${unique('void')}`,
        `/exchange/amq.direct/${unique('void')}`,
      ])) {
        await expect(desks.there.send(to, 'x', {}, true)).rejects.toEqual(unroutable);
      }
    });

    mandatory.test('mandatory: no error if a queue or listener receives the message', async () => {
      const topic = `/topic/${unique('received')}`;
      const { bodies, subscription } = await desks.here.listen(topic);
      await desks.there.send(topic, 'x', {}, true);
      expect(await bodies(1)).toEqual(['x']);
      for (const to of usable([`/queue/${unique('kept')}`])) await desks.there.send(to, 'x', {}, true);
      await subscription.close();
      await expect(desks.there.send(topic, 'x', {}, true)).rejects.toMatchObject({ code: 'unroutable' });
    });

    test('without mandatory a message needs no receiver', async () => {
      const destinations = [`/topic/${unique('void')}`, `/reply-queue/${unique('void')}`, `/exchange/amq.headers`];
      for (const to of usable(destinations)) await desks.there.send(to, 'x');
    });

    mandatory.test('each of many concurrent messages gets its own answer', async () => {
      const [received, unrouted] = [`/topic/${unique('received')}`, `/topic/${unique('void')}`];
      const { inbox } = await desks.here.listen(received);
      const answers = Array.from({ length: 60 }, (_, i) => {
        const to = i % 3 === 0 ? unrouted : received;
        return desks.there.send(to, String(i), {}, true).then(
          () => 'taken',
          (error: { code: string }) => error.code,
        );
      });
      const expected = Array.from({ length: 60 }, (_, i) => (i % 3 === 0 ? 'unroutable' : 'taken'));
      expect(await Promise.all(answers)).toEqual(expected);
      const bodies = (await inbox.take(40)).map(({ message }) => textOf(message));
      expect(bodies).toEqual(Array.from({ length: 60 }, (_, i) => String(i)).filter((_, i) => i % 3 !== 0));
    });
  });

  describe('lifecycle', () => {
    test('describes itself without credentials, and is down after close', async () => {
      const own = await makeBroker();
      const { broker } = own;
      expect(broker.isUp).toBe(true);
      expect(broker.description).not.toMatch(/:[^/]*@/);
      const desk = new BrokerDesk(broker);
      const hasQueues = offers('queues', 'acks');
      const to = hasQueues ? `/queue/${unique('last')}` : `/topic/${unique('last')}`;
      await desk.send(to, 'x');
      await desk.listen(`/topic/${unique('last')}`);
      const consuming = hasQueues ? await desk.channel().consume(to) : undefined;
      await own.close();
      expect(broker.isUp).toBe(false);
      await expect(desk.send(to, 'x')).rejects.toMatchObject({ code: 'broker-unavailable' });
      await expect(desk.listen(`/topic/${unique('late')}`)).rejects.toMatchObject({ code: 'broker-unavailable' });
      await consuming?.subscription.close();
      await desk.close();
      await broker.close();
    });

    test('destinations that accept no messages are refused before sending', () => {
      const own = parseDestination('/user/queue/x', 'subscribe');
      const temporary = { kind: 'temp-queue', text: '/temp-queue/x', name: 'x' } as const;
      for (const destination of [own, temporary]) {
        expect(() => desks.here.broker.publication(destination, messageOf('x'), { mandatory: false })).toThrow(
          expect.objectContaining({ code: 'invalid-destination' }),
        );
      }
    });
  });
}
