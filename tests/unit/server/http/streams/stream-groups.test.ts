/** Event streams as members of groups, with the same rules of order as STOMP sessions. */
import { expect, test } from '@jest/globals';
import { BrokerError } from '../../../../../server/src/brokers/broker.js';
import type { SharedDestination, Listener, RoutedMessage } from '../../../../../server/src/brokers/broker.js';
import { Groups } from '../../../../../server/src/delivery/groups.js';
import { EventEncoder } from '../../../../../server/src/http/streams/event-encoder.js';
import type { StreamMember } from '../../../../../server/src/http/streams/event-encoder.js';
import type { StompError } from '../../../../../server/src/stomp/errors.js';

const topic = (key: string): SharedDestination => ({ kind: 'topic', text: `/topic/${key}`, key, spelling: 'dots' });
const message = (text: string): RoutedMessage => ({
  headers: new Map(),
  body: Buffer.from(text),
  origin: { kind: 'topic', key: 'x' },
  resent: false,
});
const turn = () => new Promise((resolve) => setImmediate(resolve));

class Member implements StreamMember {
  isWaiting = true;
  readonly isBehind = false;
  readonly writes: Buffer[] = [];
  leave = (): void => undefined;
  ended: string | undefined;
  constructor(readonly id: string) {}
  write(pieces: readonly Buffer[]): void {
    this.writes.push(...pieces);
  }
  whenDrained(action: () => void): void {
    action();
  }
  onGroupEnded(_group: unknown, { code }: BrokerError | StompError): void {
    this.ended = code;
  }
  get bodies(): string[] {
    return this.writes.flatMap((each) => [...each.toString().matchAll(/"body":"(\w+)"/g)].map(([, body]) => body!));
  }
}

function setUp() {
  const subscriptions: { text: string; deliver: Listener; end: (error: BrokerError) => void; isClosed: boolean }[] = [];
  /** Releases subscriptions to `/topic/held`, which wait to become live. */
  const held: (() => void)[] = [];
  let id = 0;
  const counters = {
    events: 0,
    tooLarge: 0,
    countOut: (events: number) => void (counters.events += events),
    countTooLarge: (members: number) => void (counters.tooLarge += members),
  };
  const groups = new Groups(
    async ({ destination }, deliver, events) => {
      if (destination.text === '/topic/bad') throw new BrokerError('access-refused', 'No.');
      const subscription = {
        text: destination.text,
        deliver,
        end: (error: BrokerError) => events.ended(error),
        isClosed: false,
      };
      subscriptions.push(subscription);
      if (destination.text === '/topic/held') await new Promise<void>((resolve) => held.push(resolve));
      return { close: () => Promise.resolve(void (subscription.isClosed = true)) };
    },
    new EventEncoder(
      () => `m-${++id}`,
      600_000,
      ({ text }) => text,
    ),
    counters,
    { of: () => 'disconnect' },
    { restShare: 0 },
  );
  const enter = (member: Member, ...destinations: SharedDestination[]): Promise<void> =>
    groups.joinAll(
      member,
      destinations.map((destination) => ({ destination, headers: new Map() })),
      (joined) => {
        member.leave = () => joined.forEach((group) => groups.leave(member, group));
        return member.isWaiting;
      },
    );
  const join = async (name: string, ...keys: string[]): Promise<Member> => {
    const member = new Member(name);
    await enter(member, ...keys.map(topic));
    return member;
  };
  return { groups, subscriptions, held, counters, enter, join };
}

test('many streams share one subscription, and one write in each turn', async () => {
  const { subscriptions, join } = setUp();
  const members = [await join('1', 'x'), await join('2', 'x')];
  expect(subscriptions).toHaveLength(1);
  subscriptions[0]!.deliver(message('a'), 'x');
  subscriptions[0]!.deliver(message('b'), 'x');
  await turn();
  expect(members.map(({ bodies }) => bodies)).toEqual([
    ['a', 'b'],
    ['a', 'b'],
  ]);
  expect(members.map(({ writes }) => writes.length)).toEqual([1, 1]);
  expect(members[0]!.writes[0]).toBe(members[1]!.writes[0]);
});

test('a new stream gets no earlier messages', async () => {
  const { subscriptions, join } = setUp();
  const first = await join('1', 'x');
  const joining = join('2', 'x');
  subscriptions[0]!.deliver(message('before'), 'x');
  const second = await joining;
  subscriptions[0]!.deliver(message('after'), 'x');
  await turn();
  expect([first.bodies, second.bodies]).toEqual([['before', 'after'], ['after']]);
});

test('the last stream that leaves ends the subscription', async () => {
  const { groups, subscriptions, join } = setUp();
  const members = [await join('1', 'x', 'y'), await join('2', 'x')];
  members[0]!.leave();
  await turn();
  expect(subscriptions.map(({ text, isClosed }) => [text, isClosed])).toEqual([
    ['/topic/x', false],
    ['/topic/y', true],
  ]);
  members[1]!.leave();
  await turn();
  expect([subscriptions[0]!.isClosed, groups.size]).toEqual([true, 0]);
});

test('a refused subscription also ends the other subscriptions of its stream', async () => {
  const { groups, subscriptions, join } = setUp();
  await expect(join('1', 'x', 'bad')).rejects.toMatchObject({ code: 'access-refused' });
  await turn();
  expect([subscriptions[0]!.isClosed, groups.size]).toEqual([true, 0]);
});

test('a stream that ended while it waited does not join', async () => {
  const { groups, subscriptions, enter } = setUp();
  const member = new Member('1');
  const joining = enter(member, topic('x'));
  member.isWaiting = false;
  await joining;
  await turn();
  expect([subscriptions[0]!.isClosed, groups.size]).toEqual([true, 0]);
});

test('the end of a subscription at the broker notifies all streams; the next stream subscribes again', async () => {
  const { subscriptions, join } = setUp();
  const member = await join('1', 'x');
  subscriptions[0]!.end(new BrokerError('subscription-ended', 'Gone.'));
  expect(member.ended).toBe('subscription-ended');
  await join('2', 'x');
  expect(subscriptions).toHaveLength(2);
});

test('a message that is too large is dropped, and counted in the next event of each stream that missed it', async () => {
  const { subscriptions, counters, join } = setUp();
  const droppedIn = ({ writes }: Member): (string | undefined)[] =>
    writes.flatMap((each) =>
      [...each.toString().matchAll(/"headers":\{(?:"relay-dropped":"(\d+)")?/g)].map(([, count]) => count),
    );
  const early = await join('1', 'x');
  const { deliver } = subscriptions[0]!;
  deliver(message('before'), 'x');
  deliver(message('x'.repeat(600_001)), 'x');
  deliver(message('"'.repeat(400_000)), 'x');
  const late = await join('2', 'x');
  deliver(message('after'), 'x');
  deliver(message('and on'), 'x');
  await turn();
  expect(droppedIn(early)).toEqual([undefined, '2', undefined]);
  expect(droppedIn(late)).toEqual([undefined, undefined]);
  expect(counters).toMatchObject({ events: 5, tooLarge: 2 });
});

test('a large body is one Buffer for the streams of all destinations', async () => {
  const { subscriptions, join } = setUp();
  const members = [await join('1', 'x'), await join('2', 'y')];
  const large = message('x'.repeat(300_000));
  for (const { deliver } of subscriptions) deliver(large, 'x');
  await turn();
  const [first, second] = members.map(({ writes }) => writes.find(({ length }) => length > 300_000));
  expect(first).toBeDefined();
  expect(first).toBe(second);
});

test('a stream gets no messages before all its destinations are live', async () => {
  const { subscriptions, held, join } = setUp();
  const joining = join('1', 'x', 'held');
  subscriptions[0]!.deliver(message('early'), 'x');
  await turn();
  held[0]!();
  const member = await joining;
  for (const { deliver } of subscriptions) deliver(message('live'), 'x');
  await turn();
  expect(member.bodies).toEqual(['live', 'live']);
});

test('a subscription that ends before the others are live refuses the stream', async () => {
  const { groups, subscriptions, held, join } = setUp();
  const joining = join('1', 'x', 'held');
  await turn();
  subscriptions[0]!.end(new BrokerError('subscription-ended', 'Gone.'));
  held[0]!();
  await expect(joining).rejects.toMatchObject({ code: 'subscription-ended' });
  await turn();
  expect([subscriptions.map(({ isClosed }) => isClosed), groups.size]).toEqual([[true, true], 0]);
});

test('a stream that leaves gets all earlier messages first', async () => {
  const { subscriptions, join } = setUp();
  const [leaver, other] = [await join('1', 'x'), await join('2', 'x')];
  subscriptions[0]!.deliver(message('before'), 'x');
  leaver.leave();
  expect(leaver.bodies).toEqual(['before']);
  subscriptions[0]!.deliver(message('after'), 'x');
  await turn();
  expect([leaver.bodies, other.bodies]).toEqual([['before'], ['before', 'after']]);
});

test('a message for one session of a user reaches only that stream, in order', async () => {
  const { subscriptions, counters, enter } = setUp();
  const members = [new Member('1'), new Member('2')];
  const destination = { kind: 'user', text: '/user/queue/x', user: 'ann', name: 'queue/x' } as SharedDestination;
  for (const member of members) await enter(member, destination);
  const { deliver } = subscriptions[0]!;
  deliver(message('a'), 'x');
  deliver({ ...message('b'), toSession: '2' }, 'x');
  deliver({ ...message('c'), toSession: '3' }, 'x');
  deliver(message('d'), 'x');
  await turn();
  expect(members.map(({ bodies }) => bodies)).toEqual([
    ['a', 'd'],
    ['a', 'b', 'd'],
  ]);
  expect(counters.events).toBe(5);
});

test('different users, and different spellings, have separate groups', async () => {
  const { groups, enter } = setUp();
  for (const user of ['ann', 'bob']) {
    await enter(new Member(user), { kind: 'user', text: '/user/queue/x', user, name: 'queue/x' });
  }
  await enter(new Member('dots'), { kind: 'topic', text: '/topic/a.b', key: 'a.b', spelling: 'dots' });
  await enter(new Member('slashes'), { kind: 'topic', text: '/topic/a/b', key: 'a.b', spelling: 'slashes' });
  expect(groups.size).toBe(4);
});

test('the header `relay-dropped` does not count against the limit of an event', async () => {
  const { subscriptions, counters, join } = setUp();
  const member = await join('1', 'x');
  const { deliver } = subscriptions[0]!;
  deliver(message('x'), 'x');
  await turn();
  const overhead = member.writes[0]!.length - 1;
  deliver(message('x'.repeat(600_001)), 'x');
  deliver(message('y'.repeat(600_000 - overhead)), 'x');
  await turn();
  expect(member.writes.at(-1)!.toString()).toContain('"relay-dropped":"1"');
  expect(counters).toMatchObject({ events: 2, tooLarge: 1 });
});
