import { describe, expect, jest, test } from '@jest/globals';
import { SessionDirectory } from '../../../../server/src/admin/session-directory.js';
import type { SessionInfo } from '../../../../server/src/session/session-info.js';
import { FakeSession, FakeSource, subscription } from '../session/observed-sessions.js';

function directoryOf(...sessions: FakeSession[]): SessionDirectory {
  return new SessionDirectory([new FakeSource(sessions)]);
}

const ids = (items: readonly { readonly id: string }[]): string[] => items.map(({ id }) => id);

describe('a list', () => {
  const streams = new FakeSource([new FakeSession('s1', { transport: 'stream', user: 'carol' })]);
  const sessions = new FakeSource([
    new FakeSession('b', { address: '192.0.2.2', subscriptions: [subscription('/topic/prices.#')] }),
    new FakeSession('a', { user: 'bob' }),
  ]);
  const directory = new SessionDirectory([sessions, streams]);

  test('has the sessions of all sources, in the order of their ids, without their subscriptions', async () => {
    const { items, next } = await directory.list({ limit: 10 });
    expect(ids(items)).toEqual(['a', 'b', 's1']);
    expect(next).toBeUndefined();
    expect(items[1]).toEqual({
      id: 'b',
      user: 'alice',
      anonymous: false,
      transport: 'websocket',
      address: '192.0.2.2',
      connectedAtMs: 1_000,
      issuedAtMs: undefined,
      expiresAtMs: undefined,
      bufferedBytes: 0,
      subscriptionCount: 1,
    });
  });

  test.each([
    [{ user: 'bob' }, ['a']],
    [{ address: '192.0.2.2' }, ['b']],
    [{ transport: 'stream' as const }, ['s1']],
    [{ destination: '/topic/prices.eur' }, ['b']],
    [{ user: 'bob', transport: 'stream' as const }, []],
  ])('can be filtered by %j', async (filter, expected) => {
    expect(ids((await directory.list({ ...filter, limit: 10 })).items)).toEqual(expected);
  });

  test('has each lasting session exactly once, while others connect and disconnect between the pages', async () => {
    const source = new FakeSource();
    const id = (n: number): string => String((n * 7_919) % 100_003).padStart(6, '0');
    const lasting = Array.from({ length: 300 }, (_, n) => id(n));
    for (const each of lasting) source.add(new FakeSession(each));
    const churning = new SessionDirectory([source]);
    const seen: string[] = [];
    for (let after: string | undefined = '', n = 1_000; after !== undefined; n++) {
      source.add(new FakeSession(id(n)));
      const page = await churning.list({ limit: 7, after });
      seen.push(...ids(page.items));
      source.remove(id(n - 1));
      after = page.next;
    }
    expect(seen).toEqual([...seen].sort());
    expect(new Set(seen).size).toBe(seen.length);
    expect(seen).toEqual(expect.arrayContaining(lasting));
  });

  test('of many sessions takes short turns of the event loop', async () => {
    const many = Array.from({ length: 2_000 }, (_, n) => new FakeSession(String(n).padStart(4, '0')));
    let nowMs = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => (nowMs += 0.5)); // each session takes 0.5 ms
    let turns = 0;
    const count = (): void => {
      turns++;
      timer = setImmediate(count);
    };
    let timer = setImmediate(count);
    const { items } = await directoryOf(...many).list({ limit: 100 });
    clearImmediate(timer);
    clock.mockRestore();
    expect(items).toHaveLength(100);
    expect(turns).toBeGreaterThan(300); // 1,000 ms of work, in turns of 2 to 3 ms
  });

  test('does not read the sessions of later pages', async () => {
    const many = Array.from({ length: 2_000 }, (_, n) => new FakeSession(String(n).padStart(4, '0')));
    const reads = many.map((each) => jest.spyOn(each, 'info'));
    await directoryOf(...many).list({ limit: 10 });
    expect(reads.filter(({ mock }) => mock.calls.length > 0)).toHaveLength(20);
  });
});

describe('one session', () => {
  test('is returned with its subscriptions, and long subscription ids are cut', () => {
    const long = subscription('/topic/a', 'x'.repeat(10_000));
    const details = directoryOf(new FakeSession('a', { subscriptions: [long] })).get('a');
    expect(details).toMatchObject({ id: 'a', subscriptionCount: 1 });
    expect(details?.subscriptions).toEqual([subscription('/topic/a', 'x'.repeat(200))]);
  });

  test('is returned with at most a thousand subscriptions', () => {
    const subscriptions = Array.from({ length: 1_500 }, (_, n) => subscription('/topic/a', String(n)));
    const details = directoryOf(new FakeSession('a', { subscriptions })).get('a');
    expect(details?.subscriptions).toHaveLength(1_000);
    expect(details?.subscriptionCount).toBe(1_500);
  });

  test('is kicked, and its last state is returned', () => {
    const session = new FakeSession('a');
    const directory = directoryOf(session);
    expect(directory.kick('b')).toBeUndefined();
    expect(session.endedWith).toBeUndefined();
    expect(directory.kick('a')).toMatchObject({ id: 'a', user: 'alice' });
    expect(session.endedWith).toBe('kicked');
  });
});

describe('the subscribers of a destination', () => {
  const session = (id: string, given: Partial<SessionInfo>) => new FakeSession(id, given);
  const directory = directoryOf(
    session('dots', { subscriptions: [subscription('/topic/a.b'), subscription('/topic/other')] }),
    session('slashes', { subscriptions: [subscription('/topic/a/b')] }),
    session('star', { subscriptions: [subscription('/topic/a.*')] }),
    session('all', { subscriptions: [subscription('/topic/#', '1'), subscription('/topic/#', '2')] }),
    session('alice', { subscriptions: [subscription('/user/queue/news')] }),
    session('bob', { user: 'bob', subscriptions: [subscription('/user/queue/news')] }),
    session('anonymous', { user: 'anonymous', anonymous: true, subscriptions: [subscription('/user/queue/news')] }),
    session('queue', { subscriptions: [subscription('/queue/work'), subscription('/exchange/E/#')] }),
  );
  const subscribersOf = async (destination: string): Promise<string[]> =>
    (await directory.subscribers({ destination, limit: 100 })).items.map((each) => each.session);

  test.each([
    ['/topic/a.b', ['all', 'dots', 'slashes', 'star']],
    ['/topic/a/b', ['all', 'dots', 'slashes', 'star']],
    ['/topic/a.c', ['all', 'star']],
    ['/topic/a.*', ['all', 'star']],
    ['/topic/other', ['all', 'dots']],
    ['/user/alice/queue/news', ['alice']],
    ['/user/anonymous/queue/news', ['anonymous']],
    ['/user/carol/queue/news', []],
    ['/user/queue/news', ['alice', 'anonymous', 'bob']],
    ['/queue/work', ['queue']],
    ['/exchange/E/#', ['queue']],
    ['/exchange/E/key', []],
    ['nonsense/%', []],
  ])('are found for %s', async (destination, expected) => {
    expect(await subscribersOf(destination)).toEqual(expected);
  });

  test('have their matching subscriptions', async () => {
    const { items } = await directory.subscribers({ destination: '/topic/a.b', limit: 1 });
    expect(items).toEqual([
      {
        session: 'all',
        user: 'alice',
        address: '192.0.2.1',
        subscriptions: [subscription('/topic/#', '1'), subscription('/topic/#', '2')],
        subscriptionCount: 2,
      },
    ]);
  });

  test('are counted by destination, page by page', async () => {
    const first = await directory.destinations({ limit: 4 });
    expect(first).toEqual({
      items: [
        { destination: '/exchange/E/#', subscriptionCount: 1 },
        { destination: '/queue/work', subscriptionCount: 1 },
        { destination: '/topic/#', subscriptionCount: 2 },
        { destination: '/topic/a.*', subscriptionCount: 1 },
      ],
      next: '/topic/a.*',
    });
    const second = await directory.destinations({ limit: 4, after: '/topic/a.*' });
    expect(second.items.map(({ destination }) => destination)).toEqual([
      '/topic/a.b',
      '/topic/a/b',
      '/topic/other',
      '/user/queue/news',
    ]);
    expect(second.next).toBeUndefined();
    expect(second.items.at(-1)?.subscriptionCount).toBe(3);
  });
});

describe('the sessions of a user', () => {
  const sessions = () => ({
    mine: new FakeSession('a', { issuedAtMs: 500 }),
    fresh: new FakeSession('b', { issuedAtMs: 3_000 }),
    password: new FakeSession('c', { connectedAtMs: 2_000 }),
    other: new FakeSession('d', { user: 'bob' }),
    anonymous: new FakeSession('e', { anonymous: true }),
  });

  test('end, and no others', async () => {
    const all = sessions();
    expect(await directoryOf(...Object.values(all)).revoke('alice')).toBe(3);
    expect(Object.values(all).map(({ endedWith }) => endedWith)).toEqual([
      'revoked',
      'revoked',
      'revoked',
      undefined,
      undefined,
    ]);
  });

  test('end even if they were accepted in the same turn', async () => {
    const source = new FakeSource();
    const ended = new SessionDirectory([source]).revoke('alice');
    await Promise.resolve();
    source.add(new FakeSession('a'));
    expect(await ended).toBe(1);
  });

  test('are spared if their login is newer than the given time', async () => {
    const all = sessions();
    expect(await directoryOf(...Object.values(all)).revoke('alice', 2_000)).toBe(2);
    expect([all.mine, all.fresh, all.password].map(({ endedWith }) => endedWith)).toEqual([
      'revoked',
      undefined,
      'revoked',
    ]);
  });
});
