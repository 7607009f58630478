/** Topics, exchanges and users: matching, and the start and end of a subscription. */
import { textOf, unique } from './broker-desk.js';
import { capabilitiesFor } from './suite.js';
import type { Suite } from './suite.js';

export function sharedSubscriptionTests({ describe, desks, each, expect, needing, offers, test }: Suite): void {
  describe('topics', () => {
    test('a message reaches every listener on every instance, once', async () => {
      const to = `/topic/${unique('news')}`;
      const listeners = [await desks.here.listen(to), await desks.here.listen(to), await desks.there.listen(to)];
      await desks.there.send(to, 'one');
      await desks.here.send(to, 'two');
      for (const { inbox } of listeners) {
        const bodies = (await inbox.take(2)).map(({ message }) => textOf(message));
        expect(bodies.sort()).toEqual(['one', 'two']);
      }
      await desks.there.send(to, 'end');
      for (const { bodies, inbox } of listeners) {
        expect(await bodies(1)).toEqual(['end']);
        expect(inbox.all).toHaveLength(3);
      }
    });

    test('a flush resolves when all earlier messages have arrived', async () => {
      const to = `/topic/${unique('news')}`;
      const { inbox, subscription } = await desks.here.listen(to);
      if (!subscription.flush) return;
      for (let n = 0; n < 100; n++) await desks.there.send(to, String(n));
      expect(await subscription.flush()).toBe(true);
      expect(inbox.all).toHaveLength(100);
    });

    test('slashes and dots are equal, and listeners get the key that matched', async () => {
      const name = unique('a');
      const slashes = await desks.here.listen(`/topic/${name}/b`);
      const dots = await desks.here.listen(`/topic/${name}.b`);
      await desks.there.send(`/topic/${name}/b`, 'hello');
      for (const { inbox } of [slashes, dots]) {
        const { message, key } = await inbox.next();
        expect(key).toBe(`${name}.b`);
        expect(message.origin).toMatchObject({ kind: 'topic', key: `${name}.b` });
        expect(message.resent).toBe(false);
      }
    });

    test('patterns match words, and a listener gets each message once for any number of patterns', async () => {
      const name = unique('a');
      const patterns = { exact: 'b.c', star: '*.c', hash: '#', middle: '#.b.#', other: '*', none: 'b.*.c' };
      const bodies = new Map<string, string[]>();
      const ends: Promise<unknown>[] = [];
      for (const [label, pattern] of Object.entries(patterns)) {
        const { inbox } = await desks.here.listen(`/topic/${name}.${pattern}`);
        const end = await desks.here.listen(`/topic/${name}.end`);
        ends.push(
          end.inbox.next().then(() =>
            bodies.set(
              label,
              inbox.all.map(({ message }) => textOf(message)),
            ),
          ),
        );
      }
      for (const key of ['b.c', 'b', 'x.c', 'b.x.c']) await desks.there.send(`/topic/${name}.${key}`, key);
      await desks.there.send(`/topic/${name}.end`, 'end');
      await Promise.all(ends);
      expect(Object.fromEntries(bodies)).toEqual({
        exact: ['b.c'],
        star: ['b.c', 'x.c'],
        hash: ['b.c', 'b', 'x.c', 'b.x.c', 'end'],
        middle: ['b.c', 'b', 'b.x.c'],
        other: ['b', 'end'],
        none: ['b.x.c'],
      });
    });

    each(
      [`/topic/#.a.#.b.#`, '/exchange/amq.direct/#.#.#', `/topic/${'*.'.repeat(32)}a`, `/exchange/e/${'.'.repeat(32)}`],
      capabilitiesFor,
    )('%s is too expensive to match, and is refused in every kind of subscription', async (pattern) => {
      const refused = expect.objectContaining({ code: 'invalid-destination' });
      await expect(desks.here.listen(pattern)).rejects.toEqual(refused);
      if (!offers('acks')) return;
      await expect(desks.here.channel().consume(pattern)).rejects.toEqual(refused);
      if (!offers('durable')) return;
      await expect(desks.here.channel().consume(pattern, { headers: { durable: 'true' } })).rejects.toEqual(refused);
    });

    test('keys may contain every character of a segment', async () => {
      const name = unique('a');
      const { inbox } = await desks.here.listen(`/topic/${name}.*`);
      for (const word of ['b%2Fc', '100%25', 'é ☕', '%2A']) {
        await desks.there.send(`/topic/${name}.${word}`, word);
        expect((await inbox.next()).key).toBe(`${name}.${decodeURIComponent(word)}`);
      }
    });

    test('a subscriber misses no message from another instance once it is subscribed', async () => {
      const base = unique('live');
      for (let i = 0; i < 20; i++) {
        const listening = await desks.here.listen(`/topic/${base}.${i}`);
        await desks.there.send(`/topic/${base}.${i}`, String(i));
        expect(await listening.bodies(1)).toEqual([String(i)]);
      }
    });

    test('many concurrent subscriptions are all live when they resolve', async () => {
      const to = `/topic/${unique('crowd')}`;
      const listeners = await Promise.all(Array.from({ length: 20 }, () => desks.here.listen(to)));
      await desks.there.send(to, 'now');
      for (const { bodies } of listeners) expect(await bodies(1)).toEqual(['now']);
    });

    test('a closed subscription gets nothing, and the others continue', async () => {
      const to = `/topic/${unique('leaving')}`;
      const leaving = await desks.here.listen(to);
      const staying = await desks.here.listen(to);
      const closed = leaving.subscription.close();
      await desks.there.send(to, 'after');
      expect(await staying.bodies(1)).toEqual(['after']);
      await closed;
      await desks.there.send(to, 'later');
      expect(await staying.bodies(1)).toEqual(['later']);
      expect(leaving.inbox.all).toEqual([]);
    });

    test('subscribing, closing and subscribing again at once ends subscribed', async () => {
      const to = `/topic/${unique('restless')}`;
      for (let i = 0; i < 5; i++) {
        const first = await desks.here.listen(to);
        void first.subscription.close();
        const again = await desks.here.listen(to);
        await desks.there.send(to, String(i));
        expect(await again.bodies(1)).toEqual([String(i)]);
        await again.subscription.close();
      }
    });

    test('messages of one publisher keep their order', async () => {
      const to = `/topic/${unique('order')}`;
      const { bodies } = await desks.here.listen(to);
      const numbers = Array.from({ length: 300 }, (_, i) => String(i));
      await Promise.all(numbers.map((number) => desks.there.send(to, number)));
      expect(await bodies(300)).toEqual(numbers);
    });
  });

  const exchanges = needing('exchanges');
  exchanges.describe('exchanges', () => {
    test('a direct exchange compares keys', async () => {
      const key = unique('k');
      const { inbox } = await desks.here.listen(`/exchange/amq.direct/${key}`);
      const star = await desks.here.listen('/exchange/amq.direct/*');
      await desks.there.send(`/exchange/amq.direct/${key}`, 'hello');
      const delivered = await inbox.next();
      expect(delivered.key).toBe(key);
      expect(delivered.message.origin).toMatchObject({ kind: 'exchange', exchange: 'amq.direct', key });
      expect(star.inbox.all).toEqual([]);
    });

    test('a fanout exchange reaches all subscribers, with or without keys', async () => {
      const body = unique('to all');
      const plain = await desks.here.listen('/exchange/amq.fanout');
      const keyed = await desks.here.listen('/exchange/amq.fanout/some.key');
      await desks.there.send('/exchange/amq.fanout/other', body);
      for (const { inbox } of [plain, keyed]) {
        const { message } = await inbox.next();
        expect(textOf(message)).toBe(body);
        expect(message.origin).toMatchObject({ kind: 'exchange', exchange: 'amq.fanout', key: 'other' });
      }
    });

    test('a headers exchange matches all or any of the headers', async () => {
      const mark = unique('mark');
      const all = await desks.here.listen('/exchange/amq.headers', {
        'x-match': 'all',
        'arg-mark': mark,
        'arg-a': '1',
      });
      const any = await desks.here.listen('/exchange/amq.headers', { 'x-match': 'any', 'arg-b': mark, 'arg-a': mark });
      const byDefault = await desks.here.listen('/exchange/amq.headers', { 'arg-mark': mark });
      await desks.there.send('/exchange/amq.headers', 'both', { mark, a: '1' });
      await desks.there.send('/exchange/amq.headers', 'mark only', { mark, a: '2' });
      await desks.there.send('/exchange/amq.headers', 'b', { b: mark });
      await desks.there.send('/exchange/amq.headers', 'nothing', { c: mark });
      await desks.there.send('/exchange/amq.headers', 'end', { mark, a: '1', b: mark });
      expect(await all.bodies(2)).toEqual(['both', 'end']);
      expect(await any.bodies(2)).toEqual(['b', 'end']);
      expect(await byDefault.bodies(3)).toEqual(['both', 'mark only', 'end']);
    });

    test('text equals no typed argument of a headers exchange', async () => {
      const mark = unique('mark');
      const typed = { 'arg-a': '1', 'arg-b': 'true', 'arg-type-a': 'int', 'arg-type-b': 'bool' };
      const any = await desks.here.listen('/exchange/amq.headers', { 'x-match': 'any', 'arg-mark': mark, ...typed });
      const typedOnly = await desks.here.listen('/exchange/amq.headers', {
        'x-match': 'any',
        ...typed,
        'arg-end': mark,
      });
      await desks.there.send('/exchange/amq.headers', 'text', { mark, a: '1', b: 'true' });
      await desks.there.send('/exchange/amq.headers', 'end', { mark, end: mark });
      expect(await any.bodies(2)).toEqual(['text', 'end']);
      expect(await typedOnly.bodies(1)).toEqual(['end']);
    });

    each<[string, string, string]>([
      ['a type that does not exist', 'float', '1'],
      ['an int beyond 32 bits', 'int', '2147483648'],
      ['a long beyond 64 bits', 'long', '9223372036854775808'],
      ['a double that is no number', 'double', 'NaN'],
      ['a bool that is neither true nor false', 'bool', '1'],
    ])('a typed argument is refused with its name: %s', async (_, type, value) => {
      const headers = { 'arg-size': value, 'arg-type-size': type };
      const refused = expect.objectContaining({ code: 'invalid-header', message: expect.stringContaining('size:') });
      await expect(desks.here.listen('/exchange/amq.headers', headers)).rejects.toEqual(refused);
      await expect(desks.here.listen('/exchange/amq.headers', { 'arg-type-size': 'int' })).rejects.toEqual(
        expect.objectContaining({ code: 'invalid-header', message: expect.stringContaining('arg-size') }),
      );
    });

    test('a topic exchange can be addressed with /exchange', async () => {
      const key = unique('k');
      const byExchange = await desks.here.listen(`/exchange/amq.topic/${key}.*`);
      const byTopic = await desks.here.listen(`/topic/${key}.a`);
      await desks.there.send(`/exchange/amq.topic/${key}.a`, 'one');
      await desks.there.send(`/topic/${key}.a`, 'two');
      expect(await byExchange.bodies(2)).toEqual(['one', 'two']);
      expect(await byTopic.bodies(2)).toEqual(['one', 'two']);
    });

    needing('queues', 'acks').test('a missing exchange is an error for the requesting client only', async () => {
      const missing = `/exchange/${unique('missing')}/k`;
      const to = `/topic/${unique('healthy')}`;
      const { bodies } = await desks.here.listen(to);
      const expected = expect.objectContaining({
        code: 'exchange-not-found',
        message: expect.stringContaining('missing-'),
      });
      await expect(desks.here.send(missing, 'x')).rejects.toEqual(expected);
      await expect(desks.here.listen(missing)).rejects.toEqual(expected);
      const channel = desks.here.channel();
      await expect(channel.consume(missing)).rejects.toEqual(expected);
      await desks.here.send(to, 'still here');
      expect(await bodies(1)).toEqual(['still here']);
      const queue = `/queue/${unique('healthy')}`;
      const consuming = await channel.consume(queue);
      await desks.here.send(queue, 'this too');
      expect(await consuming.bodies(1)).toEqual(['this too']);
    });
  });

  describe('users', () => {
    test('a message reaches every session of that user on every instance, and no other user', async () => {
      const [bob, eve] = [unique('bob'), unique('eve')];
      const listeners = [
        await desks.here.listen('/user/queue/mail', {}, bob),
        await desks.here.listen('/user/queue/mail', {}, bob),
        await desks.there.listen('/user/queue/mail', {}, bob),
      ];
      const other = await desks.here.listen('/user/queue/other', {}, bob);
      const stranger = await desks.here.listen('/user/queue/mail', {}, eve);
      await desks.there.send(`/user/${bob}/queue/mail`, 'for bob');
      for (const { bodies } of listeners) expect(await bodies(1)).toEqual(['for bob']);
      await desks.there.send(`/user/${eve}/queue/mail`, 'for eve');
      expect(await stranger.bodies(1)).toEqual(['for eve']);
      expect(other.inbox.all).toEqual([]);
    });

    test('the target session travels with the message to all sessions, and is no header', async () => {
      const bob = unique('bob');
      const shared = await desks.here.listen('/user/queue/mail', {}, bob);
      const own = offers('acks')
        ? await desks.there.channel().consume('/user/queue/mail', { user: bob })
        : await desks.there.listen('/user/queue/mail', {}, bob);
      await desks.there.send(`/user/${bob}/queue/mail`, 'for one', { session: 'mine' }, false, 'theirs');
      await desks.there.send(`/user/${bob}/queue/mail`, 'for all', { session: 'mine' });
      const delivered = (await shared.inbox.take(2)).map(({ message }) => message);
      const consumed = (await own.inbox.take(2)).map(({ message }) => message);
      for (const messages of [delivered, consumed]) {
        expect(messages.map(({ toSession }) => toSession)).toEqual(['theirs', undefined]);
        for (const { headers } of messages) expect(Object.fromEntries(headers)).toEqual({ session: 'mine' });
      }
    });

    const NAMES = ['*', '#', 'a', 'a.b', 'a.*', 'a.#', '*.*', '.', '%2A', '%23', 'a%2Eb', 'a/b', "it's (a)!", 'Zoë 🙂'];

    test('no name is a wildcard, in either spelling: each user gets its own messages and no others', async () => {
      const x = unique('x');
      const listeners = await Promise.all(NAMES.map((name) => desks.here.listen(`/user/queue/${x}`, {}, name)));
      const consuming = offers('acks') ? NAMES : [];
      const own = await Promise.all(
        consuming.map((name) => desks.here.channel(name).consume(`/user/queue/${x}`, { user: name })),
      );
      for (const name of NAMES) await desks.there.send(`/user/${encodeURIComponent(name)}/queue/${x}`, `for ${name}`);
      for (const name of NAMES) await desks.there.send(`/user/${asInRfc3986(name)}/queue/${x}`, `end ${name}`);
      for (const [index, name] of NAMES.entries()) {
        const both = [`for ${name}`, `end ${name}`];
        expect(await listeners[index]!.bodies(2)).toEqual(both);
        if (offers('acks')) expect(await own[index]!.bodies(2)).toEqual(both);
      }
    });

    test('no name behind /queue/ is a wildcard', async () => {
      const bob = unique('bob');
      const listeners = await Promise.all(
        NAMES.map((name) => desks.here.listen(`/user/queue/${encodeURIComponent(name)}`, {}, bob)),
      );
      for (const text of ['for', 'end']) {
        for (const name of NAMES)
          await desks.there.send(`/user/${bob}/queue/${encodeURIComponent(name)}`, `${text} ${name}`);
      }
      for (const [index, name] of NAMES.entries()) {
        expect(await listeners[index]!.bodies(2)).toEqual([`for ${name}`, `end ${name}`]);
      }
    });

    test('the name of a user and the name behind /queue/ stay separate', async () => {
      const name = unique('today.ann');
      const one = await desks.here.listen('/user/queue/news', {}, name);
      const other = await desks.here.listen('/user/queue/news.today', {}, name.slice('today.'.length));
      for (const text of ['for one', 'end']) await desks.there.send(`/user/${name}/queue/news`, text);
      for (const text of ['for the other', 'end']) {
        await desks.there.send(`/user/${name.slice('today.'.length)}/queue/news.today`, text);
      }
      expect(await one.bodies(2)).toEqual(['for one', 'end']);
      expect(await other.bodies(2)).toEqual(['for the other', 'end']);
    });

    test('the name behind /queue/ may have more dots than a key may have words', async () => {
      const [name, x] = ['u.u', `${'x.'.repeat(33)}x`];
      const { bodies } = await desks.here.listen(`/user/queue/${x}`, {}, name);
      await desks.there.send(`/user/${name}/queue/${x}`, 'hello', { 'reply-to': `/user/${name}/queue/${x}` });
      expect(await bodies(1)).toEqual(['hello']);
    });

    test('user names may contain slashes, dots and wildcards', async () => {
      const name = unique('a/queue/b.*.#');
      const { bodies } = await desks.here.listen('/user/queue/x', {}, name);
      await desks.there.send(`/user/${encodeURIComponent(name)}/queue/x`, 'hello');
      expect(await bodies(1)).toEqual(['hello']);
    });
  });
}

/** The URL encoding of most languages; JavaScript's leaves these characters as they are. */
function asInRfc3986(name: string): string {
  return encodeURIComponent(name).replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16)}`);
}
