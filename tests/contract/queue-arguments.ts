/** What the headers of SUBSCRIBE and SEND say about queues. */
import { describe, expect, test } from '@jest/globals';
import { eventually } from '../support/deadline.js';
import { textOf, unique, type Consuming } from '../support/broker-desk.js';
import type { Desks } from './broker-contract.js';

type Headers = Readonly<Record<string, string>>;

export function queueArgumentTests(desks: Desks): void {
  /** A queue that dead-letters into another one, which is consumed. */
  const withGraveyard = async (
    headers: Headers,
  ): Promise<{ queue: string; headers: Headers; graveyard: Consuming }> => {
    const key = unique('dead');
    const graveyard = await desks.here.channel().consume(`/exchange/amq.direct/${key}`, { id: 'graveyard' });
    const all = { 'x-dead-letter-exchange': 'amq.direct', 'x-dead-letter-routing-key': key, ...headers };
    return { queue: `/queue/${unique('mortal')}`, headers: all, graveyard };
  };

  describe('dead letters', () => {
    test('what is dropped arrives at the dead-letter exchange and says why', async () => {
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

    test('without a key of its own a dead letter keeps its routing key', async () => {
      const name = unique('mortal');
      const heard = await desks.here.listen(`/exchange/amq.direct/${name}`);
      const headers = { 'x-dead-letter-exchange': 'amq.direct' };
      const { inbox } = await desks.here.channel().consume(`/queue/${name}`, { headers });
      await desks.there.send(`/queue/${name}`, 'unwanted');
      (await inbox.next()).settle('drop');
      const { origin } = (await heard.inbox.next()).message;
      expect(origin).toMatchObject({ kind: 'exchange', exchange: 'amq.direct', key: name });
    });

    test.each<[string, Headers, Headers]>([
      ['x-message-ttl', { 'x-message-ttl': '30' }, {}],
      ['expiration', {}, { expiration: '30' }],
      ['the shorter of both', { 'x-message-ttl': '60000' }, { expiration: '30' }],
    ])('what has waited too long goes there: %s', async (_, queueHeaders, messageHeaders) => {
      const { queue, headers, graveyard } = await withGraveyard(queueHeaders);
      await desks.there.send(queue, 'too late', { ...headers, ...messageHeaders });
      const { message } = await graveyard.inbox.next();
      expect(textOf(message)).toBe('too late');
      expect(message.headers.get('x-first-death-reason')).toBe('expired');
    });

    test('a queue that is full drops its oldest messages', async () => {
      const { queue, headers, graveyard } = await withGraveyard({ 'x-max-length': '2' });
      for (const body of ['1', '2', '3', '4']) await desks.there.send(queue, body, headers);
      expect(await graveyard.bodies(2)).toEqual(['1', '2']);
      const { bodies } = await desks.here.channel().consume(queue);
      expect(await bodies(2)).toEqual(['3', '4']);
    });

    test('bytes can be limited too', async () => {
      const { queue, headers, graveyard } = await withGraveyard({ 'x-max-length-bytes': '25' });
      for (const body of ['1234567890', 'abcdefghij', 'ABCDEFGHIJ']) await desks.there.send(queue, body, headers);
      expect(await graveyard.bodies(1)).toEqual(['1234567890']);
    });

    test('a quorum queue limits how often a message comes back', async () => {
      const { queue, headers, graveyard } = await withGraveyard({ 'x-queue-type': 'quorum', 'x-delivery-limit': '1' });
      const { inbox } = await desks.here.channel().consume(queue, { headers });
      await desks.there.send(queue, 'poison');
      (await inbox.next()).settle('requeue');
      (await inbox.next()).settle('requeue');
      const { message } = await graveyard.inbox.next();
      expect(message.headers.get('x-first-death-reason')).toBe('delivery_limit');
    }, 30_000);
  });

  describe('one SEND stays one message for each subscription', () => {
    const refused = expect.objectContaining({
      code: 'invalid-header',
      message: expect.stringContaining('queues.arguments.boundDeadLetters'),
    });
    const conflict = expect.objectContaining({ code: 'queue-conflict' });

    test.each<[string, Headers]>([
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

    test('durable subscriptions whose dead letters would go to their own topic get each message once', async () => {
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
    });

    test('a queue that has dead letters already is not bound to a topic', async () => {
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

    test('a queue that is bound to a topic is given no dead letters', async () => {
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

  describe('queue headers', () => {
    test('x-overflow:reject-publish refuses what does not fit', async () => {
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

    test('x-max-priority brings urgent messages first', async () => {
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

    test('x-single-active-consumer gives all to one, and then to the next', async () => {
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

    test('x-expires removes a queue that nobody uses', async () => {
      const name = unique('unused');
      await desks.there.send(`/queue/${name}`, 'x', { 'x-expires': '100' });
      const code = await eventually(
        () =>
          desks.there.send(`/amq/queue/${name}`, 'x', {}, true).then(
            () => undefined,
            (error: { code: string }) => error.code,
          ),
        10_000,
        () => 'the queue is still there',
      );
      expect(code).toBe('unroutable');
    });

    test('auto-delete removes a queue with its last consumer', async () => {
      const name = unique('auto');
      const headers = { 'auto-delete': 'true' };
      const one = await desks.here.channel().consume(`/queue/${name}`, { headers });
      const two = await desks.here.channel().consume(`/queue/${name}`, { headers });
      await one.subscription.close();
      await desks.there.send(`/amq/queue/${name}`, 'x', {}, true);
      expect(await two.bodies(1)).toEqual(['x']);
      await two.subscription.close();
      await expect(desks.there.send(`/amq/queue/${name}`, 'x', {}, true)).rejects.toMatchObject({ code: 'unroutable' });
    });

    test.each<[string, Headers]>([
      ['exclusive:true', { exclusive: 'true' }],
      ['durable:false', { durable: 'false' }],
    ])('%s: alone at the queue, and the queue goes with the session', async (_, headers) => {
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

    test('exclusive:true is refused where somebody consumes already', async () => {
      const queue = `/queue/${unique('shared')}`;
      const { bodies } = await desks.here.channel().consume(queue);
      const rival = desks.there
        .channel()
        .consume(queue.replace('/queue/', '/amq/queue/'), { headers: { exclusive: 'true' } });
      await expect(rival).rejects.toMatchObject({ code: 'queue-in-use' });
      await desks.there.send(queue, 'still here');
      expect(await bodies(1)).toEqual(['still here']);
    });

    test('others than a queue exists with are an error, none are not', async () => {
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

    test('a plain SEND takes a queue of any kind as it exists', async () => {
      const queue = `/queue/${unique('quorum')}`;
      const { bodies } = await desks.here.channel().consume(queue, { headers: { 'x-queue-type': 'quorum' } });
      await desks.there.send(queue, 'hello');
      expect(await bodies(1)).toEqual(['hello']);
    }, 30_000);

    test('combinations that make no sense are an error', async () => {
      const headers = { 'x-queue-type': 'quorum', 'auto-delete': 'true' };
      await expect(desks.here.channel().consume(`/queue/${unique('odd')}`, { headers })).rejects.toMatchObject({
        code: 'queue-conflict',
      });
    });

    test.each<[string, string]>([
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
