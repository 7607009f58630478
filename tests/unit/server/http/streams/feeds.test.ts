import { expect, test } from '@jest/globals';
import { BrokerError, type Listener, type RoutedMessage } from '../../../../../server/src/brokers/broker.js';
import type { SharedDestination } from '../../../../../server/src/brokers/broker.js';
import { EventEncoder } from '../../../../../server/src/http/streams/event-encoder.js';
import { type FeedMember, Feeds } from '../../../../../server/src/http/streams/feeds.js';

const topic = (key: string): SharedDestination => ({ kind: 'topic', text: `/topic/${key}`, key, spelling: 'dots' });
const message = (text: string): RoutedMessage => ({
  headers: new Map(),
  body: Buffer.from(text),
  exchange: 'amq.topic',
  routingKey: 'x',
  resent: false,
});
const turn = () => new Promise((resolve) => setImmediate(resolve));

class Member implements FeedMember {
  isWaiting = true;
  readonly writes: Buffer[] = [];
  leave = (): void => undefined;
  ended: string | undefined;
  constructor(readonly id: string) {}
  onLive(leave: () => void): void {
    this.leave = leave;
  }
  write(...pieces: Buffer[]): void {
    this.writes.push(...pieces);
  }
  onFeedEnded({ code }: BrokerError): void {
    this.ended = code;
  }
  get bodies(): string[] {
    return this.writes.flatMap((each) => [...each.toString().matchAll(/"body":"(\w+)"/g)].map(([, body]) => body!));
  }
}

function setUp() {
  const subscriptions: { text: string; deliver: Listener; end: (error: BrokerError) => void; isClosed: boolean }[] = [];
  let id = 0;
  const feeds = new Feeds({
    subscribe: (destination, deliver, end) => {
      if (destination.text === '/topic/bad') return Promise.reject(new BrokerError('access-refused', 'No.'));
      const subscription = { text: destination.text, deliver, end, isClosed: false };
      subscriptions.push(subscription);
      const close = () => Promise.resolve(void (subscription.isClosed = true));
      return Promise.resolve({ close });
    },
    shownTo: ({ text }) => text,
    events: new EventEncoder(() => `m-${++id}`, 600_000),
    counters: { streamEvents: 0 },
    sessionCounters: { messagesTooLarge: 0 },
  });
  const join = async (name: string, ...keys: string[]): Promise<Member> => {
    const member = new Member(name);
    await feeds.join(member, keys.map(topic));
    return member;
  };
  return { feeds, subscriptions, join };
}

test('many streams cost one subscription, and share the bytes of one write a turn', async () => {
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

test('who joins sees nothing of what came before', async () => {
  const { subscriptions, join } = setUp();
  const first = await join('1', 'x');
  const joining = join('2', 'x');
  subscriptions[0]!.deliver(message('before'), 'x');
  const second = await joining;
  subscriptions[0]!.deliver(message('after'), 'x');
  await turn();
  expect([first.bodies, second.bodies]).toEqual([['before', 'after'], ['after']]);
});

test('the last to leave ends the subscription', async () => {
  const { feeds, subscriptions, join } = setUp();
  const members = [await join('1', 'x', 'y'), await join('2', 'x')];
  members[0]!.leave();
  await turn();
  expect(subscriptions.map(({ text, isClosed }) => [text, isClosed])).toEqual([
    ['/topic/x', false],
    ['/topic/y', true],
  ]);
  members[1]!.leave();
  await turn();
  expect([subscriptions[0]!.isClosed, feeds.size]).toEqual([true, 0]);
});

test('where one subscription is refused, nothing is left of the others', async () => {
  const { feeds, subscriptions, join } = setUp();
  await expect(join('1', 'x', 'bad')).rejects.toMatchObject({ code: 'access-refused' });
  await turn();
  expect([subscriptions[0]!.isClosed, feeds.size]).toEqual([true, 0]);
});

test('who has gone while it waited is not let in', async () => {
  const { feeds, subscriptions } = setUp();
  const member = new Member('1');
  const joining = feeds.join(member, [topic('x')]);
  member.isWaiting = false;
  await joining;
  await turn();
  expect([subscriptions[0]!.isClosed, feeds.size]).toEqual([true, 0]);
});

test('all are told when the broker ends it, and who comes next subscribes anew', async () => {
  const { subscriptions, join } = setUp();
  const member = await join('1', 'x');
  subscriptions[0]!.end(new BrokerError('subscription-ended', 'Gone.'));
  expect(member.ended).toBe('subscription-ended');
  await join('2', 'x');
  expect(subscriptions).toHaveLength(2);
});

test('a message that is too large goes to no stream, and the next one says so to who was there', async () => {
  const { subscriptions, join } = setUp();
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
