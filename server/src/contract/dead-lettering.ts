/** Dead letters: their targets, and the rule that they do not multiply messages. */
import type { Message } from '../brokers/broker.js';
import { textOf, unique } from './broker-desk.js';
import type { Consuming } from './broker-desk.js';
import type { Suite } from './suite.js';

type Headers = Readonly<Record<string, string>>;

const deathsOf = ({ headers }: Message) =>
  JSON.parse(headers.get('x-death') ?? '[]') as readonly Record<string, unknown>[];

export function deadLetterTests({ desks, expect, needing }: Suite): void {
  const { describe, each, test } = needing('queues', 'acks', 'queueArguments', 'exchanges');

  /** A queue whose dead letters go to a second queue, which has a consumer. */
  const withGraveyard = async (
    headers: Headers,
  ): Promise<{ queue: string; headers: Headers; graveyard: Consuming }> => {
    const key = unique('dead');
    const graveyard = await desks.here.channel().consume(`/exchange/amq.direct/${key}`, { id: 'graveyard' });
    const all = { 'x-dead-letter-exchange': 'amq.direct', 'x-dead-letter-routing-key': key, ...headers };
    return { queue: `/queue/${unique('mortal')}`, headers: all, graveyard };
  };

  describe('dead letters', () => {
    test('a dropped message reaches the dead-letter exchange, with the reason in its headers', async () => {
      const { queue, headers, graveyard } = await withGraveyard({});
      const { inbox } = await desks.here.channel().consume(queue, { headers });
      await desks.there.send(queue, 'unwanted', { mark: 'kept', expiration: '60000' });
      (await inbox.next()).settle('drop');
      const { message } = await graveyard.inbox.next();
      expect(textOf(message)).toBe('unwanted');
      expect(message.headers.get('mark')).toBe('kept');
      expect(message.headers.has('expiration')).toBe(false);
      expect(message.headers.get('x-first-death-reason')).toBe('rejected');
      expect(message.headers.get('x-first-death-queue')).toBe(queue.slice('/queue/'.length));
    });

    test('x-death has a record of each queue and reason, the newest first', async () => {
      const { queue, headers, graveyard } = await withGraveyard({});
      const name = queue.slice('/queue/'.length);
      const { inbox } = await desks.here.channel().consume(queue, { headers });
      await desks.there.send(queue, 'unwanted', { expiration: '60000', 'x-death': 'not a record' });
      (await inbox.next()).settle('drop');
      const once = (await graveyard.inbox.next()).message;
      const record = { reason: 'rejected', queue: name, exchange: '', 'routing-keys': [name] };
      const [first, ...others] = deathsOf(once);
      expect(others).toEqual([]);
      expect(first).toMatchObject({ count: 1, ...record, 'original-expiration': '60000' });
      expect(first?.['time']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z$/);
    });

    test('x-death counts the deaths in one queue for one reason', async () => {
      const [waiting, working] = [unique('waiting'), unique('working')];
      const dead = (key: string) => ({ 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': key });
      const retry = { ...dead(working), 'x-message-ttl': '1' };
      const { inbox } = await desks.here.channel().consume(`/queue/${working}`, { headers: dead(waiting) });
      await desks.there.send(`/queue/${waiting}`, 'again and again', retry);
      (await inbox.next()).settle('drop');
      (await inbox.next()).settle('drop');
      const { message } = await inbox.next();
      const [newest, oldest, ...others] = deathsOf(message);
      expect(others).toEqual([]);
      expect(newest).toMatchObject({ count: 3, reason: 'expired', queue: waiting });
      expect(oldest).toMatchObject({ count: 2, reason: 'rejected', queue: working, 'routing-keys': [working] });
      expect(message.headers.get('x-first-death-queue')).toBe(waiting);
    });

    test('without x-dead-letter-routing-key a dead letter keeps its routing key', async () => {
      const name = unique('mortal');
      const listener = await desks.here.listen(`/exchange/amq.direct/${name}`);
      const headers = { 'x-dead-letter-exchange': 'amq.direct' };
      const { inbox } = await desks.here.channel().consume(`/queue/${name}`, { headers });
      await desks.there.send(`/queue/${name}`, 'unwanted');
      (await inbox.next()).settle('drop');
      const { origin } = (await listener.inbox.next()).message;
      expect(origin).toMatchObject({ kind: 'exchange', exchange: 'amq.direct', key: name });
    });

    each<[string, Headers, Headers]>([
      ['x-message-ttl', { 'x-message-ttl': '30' }, {}],
      ['expiration', {}, { expiration: '30' }],
      ['the shorter of both', { 'x-message-ttl': '60000' }, { expiration: '30' }],
    ])('an expired message goes to the dead-letter exchange: %s', async (_, queueHeaders, messageHeaders) => {
      const { queue, headers, graveyard } = await withGraveyard(queueHeaders);
      await desks.there.send(queue, 'too late', { ...headers, ...messageHeaders });
      const { message } = await graveyard.inbox.next();
      expect(textOf(message)).toBe('too late');
      expect(message.headers.get('x-first-death-reason')).toBe('expired');
    });

    test('a full queue drops its oldest messages', async () => {
      const { queue, headers, graveyard } = await withGraveyard({ 'x-max-length': '2' });
      for (const body of ['1', '2', '3', '4']) await desks.there.send(queue, body, headers);
      expect(await graveyard.bodies(2)).toEqual(['1', '2']);
      const { bodies } = await desks.here.channel().consume(queue);
      expect(await bodies(2)).toEqual(['3', '4']);
    });

    test('x-max-length-bytes limits a queue', async () => {
      const { queue, headers, graveyard } = await withGraveyard({ 'x-max-length-bytes': '25' });
      for (const body of ['1234567890', 'abcdefghij', 'ABCDEFGHIJ']) await desks.there.send(queue, body, headers);
      expect(await graveyard.bodies(1)).toEqual(['1234567890']);
    });

    test('x-delivery-limit bounds the requeues of a message', async () => {
      const { queue, headers, graveyard } = await withGraveyard({ 'x-queue-type': 'quorum', 'x-delivery-limit': '1' });
      const { inbox } = await desks.here.channel().consume(queue, { headers });
      await desks.there.send(queue, 'poison');
      (await inbox.next()).settle('requeue');
      (await inbox.next()).settle('requeue');
      const { message } = await graveyard.inbox.next();
      expect(message.headers.get('x-first-death-reason')).toBe('delivery_limit');
    });
  });

  describe('one SEND stays one message for each subscription', () => {
    const refused = expect.objectContaining({
      code: 'invalid-header',
      message: expect.stringContaining('queues.arguments.boundDeadLetters'),
    });
    const conflict = expect.objectContaining({ code: 'queue-conflict' });

    needing('durable').each<[string, Headers]>([
      ['x-dead-letter-exchange', { 'x-dead-letter-exchange': 'amq.topic', 'x-message-ttl': '0' }],
      ['x-dead-letter-routing-key', { 'x-dead-letter-routing-key': 'k' }],
      ['x-dead-letter-strategy', { 'x-dead-letter-strategy': 'at-most-once' }],
    ])('no queue behind a topic, exchange or user has %s', async (_, headers) => {
      const channel = desks.here.channel();
      const topic = `/topic/${unique('t')}`;
      for (const [to, more] of [
        [topic, {}],
        [topic, { durable: 'true' }],
        [topic, { 'x-queue-name': unique('named') }],
        [topic, { durable: 'true', 'x-queue-name': unique('named') }],
        [`/exchange/amq.fanout/${unique('k')}`, {}],
        ['/user/queue/x', { durable: 'true' }],
      ] as const) {
        await expect(channel.consume(to, { headers: { ...headers, ...more }, user: 'alice' })).rejects.toEqual(refused);
      }
    });

    needing('durable').test(
      'durable subscriptions whose dead letters would go to their own topic get each message once',
      async () => {
        const key = unique('storm');
        const dead = { 'x-dead-letter-exchange': 'amq.topic', 'x-dead-letter-routing-key': key, 'x-message-ttl': '0' };
        const channel = desks.here.channel();
        const consumers = [];
        for (const id of ['1', '2', '3', '4', '5']) {
          const durable = { durable: 'true' };
          const storm = channel.consume(`/topic/${key}`, { id, headers: { ...durable, ...dead } });
          await expect(storm).rejects.toEqual(refused);
          consumers.push(await channel.consume(`/topic/${key}`, { id, headers: durable }));
        }
        await desks.there.send(`/topic/${key}`, 'once');
        await desks.there.send(`/topic/${key}`, 'after it');
        for (const { bodies } of consumers) expect(await bodies(2)).toEqual(['once', 'after it']);
        for (const { subscription } of consumers) await subscription.close({ forget: true });
      },
    );

    needing('durable', 'mandatory').test('a queue with dead letters cannot be bound to a topic', async () => {
      const [name, key] = [unique('mortal'), unique('t')];
      const dead = { 'x-dead-letter-exchange': 'amq.topic', 'x-dead-letter-routing-key': key, 'x-message-ttl': '0' };
      await desks.there.send(`/queue/${name}`, 'x', { ...dead, 'x-message-ttl': '60000' });
      const bind = (headers: Headers) =>
        desks.here.channel().consume(`/topic/${key}`, { headers: { 'x-queue-name': name, ...headers } });
      await expect(bind({ durable: 'true' })).rejects.toEqual(conflict);
      await expect(bind({})).rejects.toEqual(conflict);
      await expect(bind({ durable: 'true', 'x-message-ttl': '60000' })).rejects.toEqual(conflict);
      await expect(desks.there.send(`/topic/${key}`, 'x', {}, true)).rejects.toMatchObject({ code: 'unroutable' });
    });

    needing('durable').test('a queue that is bound to a topic cannot get dead letters', async () => {
      const [name, key] = [unique('bound'), unique('t')];
      const headers = { durable: 'true', 'x-queue-name': name };
      const { bodies, subscription } = await desks.here.channel().consume(`/topic/${key}`, { headers });
      const dead = { 'x-dead-letter-exchange': 'amq.topic', 'x-dead-letter-routing-key': key };
      await expect(desks.there.send(`/queue/${name}`, 'x', dead)).rejects.toEqual(conflict);
      await expect(desks.there.channel().consume(`/queue/${name}`, { headers: dead })).rejects.toEqual(conflict);
      await desks.there.send(`/topic/${key}`, 'hello');
      expect(await bodies(1)).toEqual(['hello']);
      await subscription.close({ forget: true });
    });

    test('x-max-priority is at most 10', async () => {
      const queue = `/queue/${unique('urgent')}`;
      const tooMany = expect.objectContaining({
        code: 'invalid-header',
        message: expect.stringContaining('queues.arguments.priorityMax (10)'),
      });
      const headers = { 'x-max-priority': '11' };
      await expect(desks.there.send(queue, 'x', headers)).rejects.toEqual(tooMany);
      for (const to of [queue, `/topic/${unique('t')}`])
        await expect(desks.here.channel().consume(to, { headers })).rejects.toEqual(tooMany);
      await desks.there.send(queue, 'x', { 'x-max-priority': '10' });
    });
  });
}
