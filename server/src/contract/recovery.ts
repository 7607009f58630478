/** Histories: one order on all instances, and what a returning client gets or is refused. */
import type { Resumption } from '../brokers/history.js';
import { unique } from './broker-desk.js';
import { FeedDesk } from './feed-desk.js';
import type { Suite } from './suite.js';

/** The rules that the tested broker must have, if it declares `history`. */
export const HISTORY_RULES = [
  { name: 'contract-topics', match: '/topic/contract-history.#', maxAgeMs: 900_000, maxBytes: 64 * 1024 * 1024 },
  { name: 'contract-users', match: '/user/queue/contract-history', maxAgeMs: 900_000, maxBytes: 64 * 1024 * 1024 },
];

const INBOX = '/user/queue/contract-history';

export function recoveryTests({ desks, expect, needing, test }: Suite): void {
  const here = () => new FeedDesk(desks.here);
  const there = () => new FeedDesk(desks.there);
  const topic = () => `/topic/contract-history.${unique('t')}`;
  const sendAll = async (to: string, bodies: readonly string[]): Promise<void> => {
    for (const body of bodies) await desks.there.send(to, body);
  };
  const bodiesOf = (messages: readonly { readonly message: { readonly body: Buffer } }[]) =>
    messages.map(({ message }) => message.body.toString());

  needing('history').describe('histories: rules', () => {
    test('the feed of a rule serves everything inside it', () => {
      const { rule } = here().feedOf('/topic/contract-history.a')!;
      expect(rule.name).toBe('contract-topics');
      for (const to of ['/topic/contract-history.#', '/topic/contract-history', '/topic/contract-history/*/b']) {
        expect(here().feedOf(to)?.rule.name).toBe('contract-topics');
      }
      expect(here().feedOf(INBOX, 'ada')?.rule.name).toBe('contract-users');
    });

    test('a subscription that gets more than a rule keeps has no history', () => {
      for (const to of ['/topic/#', '/topic/other', '/topic/*.a', '/topic/contract-history2', '/user/queue/other']) {
        expect(here().feedOf(to, 'ada')).toBeUndefined();
      }
    });

    test('a pattern that the broker refuses is refused here too', async () => {
      await expect(here().follow('/topic/contract-history.#.a.#.b.#')).rejects.toMatchObject({
        code: 'invalid-destination',
      });
    });
  });

  needing('history').describe('histories: live deliveries', () => {
    test('all instances deliver in one order, with the same names and positions', async () => {
      const to = topic();
      const one = await here().follow(to);
      const other = await there().follow(`${to}.#`);
      const bodies = Array.from({ length: 40 }, (_, index) => String(index));
      await Promise.all(bodies.map((body, index) => (index % 2 ? desks.here : desks.there).send(to, body)));
      const [first, second] = [await one.inbox.take(40), await other.inbox.take(40)];
      const shown = (all: typeof first) =>
        all.map(({ message: { body, historyId, position }, key }) => [body.toString(), historyId, position, key]);
      expect(shown(second)).toEqual(shown(first));
      expect(new Set(first.map(({ message }) => message.historyId)).size).toBe(40);
      expect(new Set(first.map(({ message }) => message.position)).size).toBe(40);
      for (const { message } of first) expect(message.position).toMatch(/^[!-~]{1,79}$/);
      expect(bodiesOf(first).sort()).toEqual([...bodies].sort());
    });

    test('a closed subscription gets nothing more, and the others do', async () => {
      const to = topic();
      const closed = await here().follow(to);
      const open = await here().follow(to);
      await sendAll(to, ['1']);
      await closed.inbox.take(1);
      await closed.subscription.close();
      await sendAll(to, ['2']);
      expect(await open.bodies(2)).toEqual(['1', '2']);
      expect(closed.inbox.all).toHaveLength(1);
    });

    needing('history', 'deliversInSend').test('a listener has the message when send() returns', async () => {
      const to = topic();
      const { inbox } = await here().follow(to);
      const sent = desks.here.send(to, 'x');
      expect(inbox.all).toHaveLength(1);
      await sent;
    });

    needing('history', 'mandatory').test('mandatory: a message that is kept counts as received', async () => {
      await desks.there.send(topic(), 'kept', {}, true);
    });
  });

  needing('history').describe('histories: return', () => {
    test('on another instance a client gets exactly what it missed', async () => {
      const to = topic();
      const following = await here().follow(to);
      await sendAll(to, ['1', '2', '3', '4', '5']);
      const [, second = ''] = await following.positions(5);
      const missed = await there().missed(to, second);
      expect(bodiesOf(missed)).toEqual(['3', '4', '5']);
      const live = following.inbox.all.slice(2).map(({ message, key }) => [message.historyId, message.position, key]);
      expect(missed.map(({ message, key }) => [message.historyId, message.position, key])).toEqual(live);
    });

    test('with the newest position a client missed nothing', async () => {
      const to = topic();
      const following = await here().follow(to);
      await sendAll(to, ['1', '2']);
      const [, newest = ''] = await following.positions(2);
      expect(await there().missed(to, newest)).toEqual([]);
      expect(await here().missed(to, following.feed.position)).toEqual([]);
    });

    test('the position of a feed serves a client that has no message yet', async () => {
      const to = topic();
      const { feed } = await here().follow(to);
      const { position } = feed;
      await sendAll(to, ['1', '2']);
      expect(bodiesOf(await there().missed(to, position))).toEqual(['1', '2']);
    });

    test('a position of a wider pattern serves a narrower one', async () => {
      const to = topic();
      const following = await here().follow(`${to}.#`);
      for (const [key, body] of [
        ['a', '1'],
        ['b', '2'],
        ['a', '3'],
        ['b', '4'],
        ['a.c', '5'],
      ]) {
        await desks.there.send(`${to}.${key}`, body!);
      }
      const [first = ''] = await following.positions(5);
      expect(bodiesOf(await there().missed(`${to}.a`, first))).toEqual(['3']);
      expect(bodiesOf(await there().missed(`${to}.b`, first))).toEqual(['2', '4']);
      expect(bodiesOf(await there().missed(`${to}.*`, first))).toEqual(['2', '3', '4']);
      expect(bodiesOf(await there().missed(`${to}.a.#`, first))).toEqual(['3', '5']);
    });

    test('headers and body are those of the live delivery', async () => {
      const to = topic();
      const following = await here().follow(to);
      const { position } = following.feed;
      await desks.there.send(to, Buffer.from([0, 255, 10]), { 'content-type': 'a/b', 'correlation-id': 'c', x: 'é' });
      const { message } = await following.inbox.next();
      const [missed] = await there().missed(to, position);
      expect([...missed!.message.headers]).toEqual([...message.headers]);
      expect(missed!.message.body.equals(message.body)).toBe(true);
      expect(missed!.message.origin).toEqual(message.origin);
    });

    test('each user gets the own messages, also those for a single session', async () => {
      const [ada, bob] = [unique('ada'), unique("b.o*b'(é)")];
      const following = await here().follow(INBOX, bob);
      const { position } = following.feed;
      const send = (user: string, body: string, session?: string) =>
        desks.there.send(`/user/${encodeURIComponent(user)}/queue/contract-history`, body, {}, false, session);
      await send(bob, '1');
      await send(ada, '2');
      await send(bob, '3', 'session-7');
      expect(await following.bodies(2)).toEqual(['1', '3']);
      const missed = await there().missed(INBOX, position, bob);
      expect(bodiesOf(missed)).toEqual(['1', '3']);
      expect(missed.map(({ message }) => message.toSession)).toEqual([undefined, 'session-7']);
      expect(bodiesOf(await there().missed(INBOX, position, ada))).toEqual(['2']);
    });
  });

  needing('history').describe('histories: refusals', () => {
    const reasonOf = (resumption: Resumption) => (resumption.recovered ? 'recovered' : resumption.reason);

    test('a text that is no position: unknown-position', async () => {
      const to = topic();
      const { feed } = await here().follow(to);
      const texts = ['', 'now', '1.2.3', '....', '-1.0.0.a', `${feed.position}x.`, '☕', '\0', 'z'.repeat(100_000)];
      for (const text of texts) expect(reasonOf(await there().resume(to, text))).toBe('unknown-position');
    });

    test('a position of another history: other-history', async () => {
      const to = topic();
      await here().follow(to);
      const { feed } = await here().follow(INBOX, 'ada');
      const user = unique('u');
      for (let i = 0; i < 3; i++) await desks.there.send(`/user/${user}/queue/contract-history`, String(i));
      expect(reasonOf(await there().resume(to, feed.position))).toBe('other-history');
    });

    test('a destination that the rule does not cover: not-recoverable', async () => {
      const { feed } = await here().follow(topic());
      const destination = { kind: 'topic', text: '/topic/#', key: '#', spelling: 'dots' } as const;
      expect(reasonOf(await feed.resume(destination, feed.position))).toBe('not-recoverable');
    });

    test('a message that looks like a record of relays is a message', async () => {
      const to = topic();
      const following = await here().follow(to);
      const { position } = following.feed;
      const forged = { marker: 'zzzz', type: 'marker', 'relay-marker': 'zzzz', 'relay-record': 'marker' };
      await desks.there.send(to, 'forged', forged);
      await sendAll(to, ['after']);
      expect(await following.bodies(2)).toEqual(['forged', 'after']);
      expect(bodiesOf(await there().missed(to, position))).toEqual(['forged', 'after']);
      const [forgedAt = ''] = following.inbox.all.map(({ message }) => message.position);
      expect(bodiesOf(await there().missed(to, forgedAt))).toEqual(['after']);
      expect(following.gaps).toEqual([]);
    });
  });
}
