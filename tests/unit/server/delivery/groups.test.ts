import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { BrokerError } from '../../../../server/src/brokers/broker.js';
import type { SharedDestination } from '../../../../server/src/brokers/broker.js';
import { subscribingAt } from '../../../../server/src/delivery/group-subscribe.js';
import type { Group, GroupMember } from '../../../../server/src/delivery/group.js';
import { Groups, REST_SHARE } from '../../../../server/src/delivery/groups.js';
import { LARGE_BYTES } from '../../../../server/src/delivery/joined-writes.js';
import { MessageEncoder } from '../../../../server/src/delivery/message-encoder.js';
import type { GroupRequest } from '../../../../server/src/delivery/message-encoder.js';
import { Outbox } from '../../../../server/src/delivery/outbox.js';
import { SlowPolicies } from '../../../../server/src/delivery/slow-policy.js';
import { parseDestination } from '../../../../server/src/destinations/destination.js';
import { SessionCounters } from '../../../../server/src/session/session-counters.js';
import { TimerWheel } from '../../../../server/src/timing/timer-wheel.js';
import { NO_LISTENER } from '../../../../server/src/transports/connection.js';
import { MemoryConnection, PlainEncoding } from '../../../support/memory-connection.js';
import { routed, ScriptedBroker } from '../../../support/scripted-broker.js';
import { tick } from '../session/harness.js';

const MESSAGE_MAX_BYTES = 600_000;

/** Topics below `lossy` have the policy `drop-oldest`, topics below `latest` have `latest`. */
const POLICIES = new SlowPolicies([
  { match: '/topic/lossy.#', policy: 'drop-oldest' },
  { match: '/topic/latest.#', policy: 'latest' },
  { match: '/user/queue/lossy', policy: 'drop-oldest' },
]);

class Member implements GroupMember {
  pressed = 0;
  pressedBytes = 0;
  readonly ended: string[] = [];
  readonly outbox: Outbox;
  readonly addresses: string[] = [];
  readonly resources = { replyAddresses: { add: (address: string) => void this.addresses.push(address) } };
  constructor(readonly connection = new MemoryConnection()) {
    const options = { outboxMaxBytes: 4_000, outboxStallMs: 1_000, messageMaxBytes: MESSAGE_MAX_BYTES };
    this.outbox = new Outbox(connection, options, new TimerWheel(), counters, { onTooSlow() {} });
    connection.listener = { ...NO_LISTENER, onDrain: () => this.outbox.onDrain() };
  }

  onBackPressure(bytes: number, _sharers?: number): void {
    this.pressed++;
    this.pressedBytes += bytes;
  }
  onGroupEnded(group: Group, error: unknown): void {
    this.ended.push((error as BrokerError).code);
    groups.leave(this, group);
  }
  get bodies(): string[] {
    return this.connection.frames.map(({ body }) => body.toString());
  }
}

let broker: ScriptedBroker;
let groups: Groups;
let counters: SessionCounters;
/** The clock of the turns. */
let nowMs = 0;
function setUp(restShare: number): void {
  broker = new ScriptedBroker();
  counters = new SessionCounters();
  const messages = new MessageEncoder('r', MESSAGE_MAX_BYTES);
  groups = new Groups(subscribingAt(broker), messages, counters, POLICIES, {
    restShare,
    now: () => nowMs,
  });
}
// Without rests, the duration of real writes does not delay later ones
beforeEach(() => setUp(0));

function request(destination = '/topic/a', more: Partial<GroupRequest> = {}): GroupRequest {
  return {
    destination: parseDestination(destination, 'subscribe') as SharedDestination,
    headers: new Map(),
    argumentsKey: '',
    subscriptionId: 'sub-0',
    version: '1.2',
    ...more,
  };
}

const refuse = (): boolean => false;

async function joined(member: Member, destination?: string, more?: Partial<GroupRequest>): Promise<Group> {
  let found: Group | undefined;
  await groups.join(member, request(destination, more), (group) => {
    found = group;
    return true;
  });
  if (!found) throw new Error('admit was not called');
  return found;
}

describe('the members of a group', () => {
  test('share one subscription at the broker, which ends with the last member', async () => {
    const members = Array.from({ length: 100 }, () => new Member());
    const [group] = await Promise.all(members.map((member) => joined(member)));
    expect(broker.subscriptions).toHaveLength(1);
    expect(groups.size).toBe(1);
    for (const member of members.slice(1)) groups.leave(member, group!);
    expect(broker.openSubscriptions).toHaveLength(1);
    groups.leave(members[0]!, group!);
    expect(groups.size).toBe(0);
    await tick();
    expect(broker.openSubscriptions).toEqual([]);
  });

  test('may leave twice: the second time does nothing', async () => {
    const [one, other] = [new Member(), new Member()];
    const group = await joined(one);
    groups.leave(one, group);
    await joined(other);
    groups.leave(one, group);
    await tick();
    expect(broker.openSubscriptions).toHaveLength(1);
  });

  test.each<[string, string, Partial<GroupRequest>]>([
    ['destination', '/topic/b', {}],
    ['spelling', '/topic/x/y', {}],
    ['subscription id', '/topic/x.y', { subscriptionId: 'sub-1' }],
    ['missing subscription id', '/topic/x.y', { subscriptionId: undefined }],
    ['version', '/topic/x.y', { version: '1.1' }],
    ['arguments', '/topic/x.y', { argumentsKey: '{"x-match":"all"}' }],
  ])('exclude clients with another %s', async (_, destination, more) => {
    await joined(new Member(), '/topic/x.y');
    await joined(new Member(), destination, more);
    expect(groups.size).toBe(2);
  });

  test('exclude clients with another encoding or another user', async () => {
    await joined(new Member());
    await joined(new Member(new MemoryConnection({ encoding: new PlainEncoding('other') })));
    for (const user of ['ann', 'bob']) {
      const destination = { ...(parseDestination('/user/queue/x', 'subscribe') as SharedDestination), user };
      await groups.join(new Member(), { ...request(), destination }, () => true);
    }
    expect(groups.size).toBe(4);
  });
});

describe('the written messages', () => {
  test('are one write per tick, with the same Buffer for all members', async () => {
    const members = [new Member(), new Member(), new Member()];
    for (const member of members) await joined(member);
    for (const body of ['1', '2', '3']) broker.emit('a', body);
    expect(members[0]!.connection.writes).toEqual([]);
    await tick();
    for (const member of members) {
      expect(member.bodies).toEqual(['1', '2', '3']);
      expect(member.connection.writes).toHaveLength(1);
      expect(member.connection.writes[0]).toBe(members[0]!.connection.writes[0]);
    }
    broker.emit('a', '4');
    await tick();
    expect(members[2]!.bodies).toEqual(['1', '2', '3', '4']);
    expect(members[1]!.connection.writes[1]).toBe(members[0]!.connection.writes[1]);
  });

  test('are wrapped once for all members', async () => {
    const encoding = new PlainEncoding('counting');
    for (let i = 0; i < 10; i++) await joined(new Member(new MemoryConnection({ encoding })));
    broker.emit('a', 'x');
    await tick();
    expect(encoding.wrapped).toHaveLength(1);
  });

  test('are written frame by frame if the connection cannot share bytes', async () => {
    const encoding = new PlainEncoding('deflate');
    const members = [1, 2].map(() => new Member(new MemoryConnection({ encoding, canShare: false })));
    for (const member of members) await joined(member);
    for (const body of ['1', '2', '3']) broker.emit('a', body);
    await tick();
    for (const member of members) {
      expect(member.connection.writes).toHaveLength(3);
      expect(member.bodies).toEqual(['1', '2', '3']);
    }
  });

  test.each([
    ['/topic/a.b', 'a.b', '/topic/a.b'],
    ['/topic/a/b', 'a.b', '/topic/a/b'],
  ])('have the destination as it was subscribed to: %s', async (destination, key, expected) => {
    const member = new Member();
    await joined(member, destination);
    broker.emit(key, 'x');
    await tick();
    expect(member.connection.frames[0]?.headers['destination']).toBe(expected);
  });

  test('have their own destinations under a pattern, for any number of keys', async () => {
    const member = new Member();
    await joined(member, '/topic/a/#');
    const { listener } = broker.subscriptions[0]!;
    const keys = Array.from({ length: 200 }, (_, index) => `a.${index}`);
    for (const key of [...keys, ...keys]) listener(routed('x', { origin: { kind: 'topic', key } }), key);
    await tick();
    const destinations = member.connection.frames.map(({ headers }) => headers['destination']);
    expect(destinations).toEqual([...keys, ...keys].map((key) => `/topic/${key.replaceAll('.', '/')}`));
  });

  test('are counted', async () => {
    for (let i = 0; i < 3; i++) await joined(new Member());
    broker.emit('a', '1');
    broker.emit('a', '2');
    await tick();
    expect(counters.messagesOut).toBe(6);
    expect(counters.messageBytesOut).toBeGreaterThan(0);
    expect(counters.messageBytesOut % 3).toBe(0);
  });
});

describe('a message with an address of direct reply-to', () => {
  const address = 'amq.rabbitmq.reply-to.x.y';
  const headers = { 'reply-to': `/reply-queue/${address}` };

  test('lets every member reply', async () => {
    const members = [new Member(), new Member()];
    for (const member of members) await joined(member);
    broker.subscriptions[0]!.listener(routed('ping', { headers }), 'a');
    broker.subscriptions[0]!.listener(routed('no request'), 'a');
    await tick();
    expect(members.map(({ addresses }) => addresses)).toEqual([[address], [address]]);
  });

  test('lets only its session reply', async () => {
    const destination = { ...(parseDestination('/user/queue/a', 'subscribe') as SharedDestination), user: 'ann' };
    const members = ['one', 'two'].map((id) => new Member(new MemoryConnection({ id })));
    for (const member of members) await joined(member, undefined, { destination });
    broker.subscriptions[0]!.listener(routed('ping', { headers, toSession: 'two' }), 'a.ann');
    await tick();
    expect(members.map(({ addresses }) => addresses)).toEqual([[], [address]]);
  });
});

describe('a message for one session of a user', () => {
  const destination = { ...(parseDestination('/user/queue/lossy', 'subscribe') as SharedDestination), user: 'ann' };
  const emit = (body: string, toSession?: string): void =>
    broker.subscriptions[0]!.listener(
      routed(body, { ...(toSession !== undefined && { toSession }) }),
      'ann/queue/lossy',
    );
  async function session(id: string): Promise<Member> {
    const member = new Member(new MemoryConnection({ id }));
    await joined(member, undefined, { destination });
    return member;
  }

  test('reaches that session alone, in order with the messages for all', async () => {
    const [one, two] = [await session('one'), await session('two')];
    emit('all 1');
    emit('for one', 'one');
    emit('all 2');
    emit('for two', 'two');
    emit('for no member', 'three');
    emit('all 3');
    await tick();
    expect(one.bodies).toEqual(['all 1', 'for one', 'all 2', 'all 3']);
    expect(two.bodies).toEqual(['all 1', 'all 2', 'for two', 'all 3']);
    expect(counters.messagesOut).toBe(8);
  });

  test('does not split the write if its session belongs to another relay', async () => {
    const member = await session('one');
    emit('all 1');
    emit('for no member', 'elsewhere');
    emit('all 2');
    expect(member.connection.writes).toEqual([]);
    await tick();
    expect(member.bodies).toEqual(['all 1', 'all 2']);
    expect(member.connection.writes).toHaveLength(1);
  });

  test('waits in the backlog of a slow member', async () => {
    const [late, other] = [await session('late'), await session('other')];
    late.connection.stall();
    emit('1');
    await tick();
    for (const [body, to] of [
      ['2', undefined],
      ['3', 'late'],
      ['4', 'other'],
      ['5', undefined],
    ] as const)
      emit(body, to);
    await tick();
    expect(other.bodies).toEqual(['1', '2', '4', '5']);
    expect(late.bodies).toEqual(['1']);
    late.connection.take();
    await tick();
    expect(late.bodies).toEqual(['1', '2', '3', '5']);
  });

  test('can make its member slow', async () => {
    const [late, other] = [await session('late'), await session('other')];
    late.connection.stall();
    emit('1', 'late');
    await tick();
    expect(late.pressed).toBe(1);
    emit('2');
    await tick();
    expect(late.connection.writes).toHaveLength(1);
    late.connection.take();
    await tick();
    expect([late.bodies, other.bodies]).toEqual([['1', '2'], ['2']]);
  });

  test('is reported as dropped to its member alone if it is too large', async () => {
    const [mine, other] = [await session('mine'), await session('other')];
    for (const [body, to] of [
      ['x'.repeat(MESSAGE_MAX_BYTES), 'mine'],
      ['1', 'mine'],
      ['2', undefined],
    ] as const)
      emit(body, to);
    await tick();
    expect([mine.bodies, other.bodies]).toEqual([['1', '2'], ['2']]);
    const dropped = [mine, other].map(({ connection }) =>
      connection.frames.map(({ headers }) => headers['relay-dropped']),
    );
    expect(dropped).toEqual([['1', undefined], [undefined]]);
    expect(counters.messagesTooLarge).toBe(1);
  });

  test('goes to all members on a topic', async () => {
    const member = new Member();
    await joined(member);
    broker.subscriptions[0]!.listener(routed('x', { toSession: 'another' }), 'a');
    await tick();
    expect(member.bodies).toEqual(['x']);
  });
});

describe('groups that a turn has no time for', () => {
  /** The members whose connections were written to, in order. */
  let written: string[];
  beforeEach(() => void (written = []));

  /** A member of a group of its own, whose writes take a whole turn. */
  async function costly(name: string, account: string | undefined, subscriptionId = name): Promise<[Member, Group]> {
    const member: GroupMember & Member = Object.assign(new Member(), { account });
    const { connection } = member;
    const write = connection.write.bind(connection);
    connection.write = (wrapped) => {
      nowMs += 4;
      written.push(name);
      return write(wrapped);
    };
    return [member, await joined(member, '/topic/a', { subscriptionId })];
  }

  test('wait for later turns, in which their accounts take turns', async () => {
    for (const name of ['flood 1', 'flood 2', 'flood 3', 'flood 4']) await costly(name, 'user:flood');
    await costly('other', 'user:other');
    broker.emit('a', 'x');
    await tick();
    expect(written).toEqual(['flood 1']);
    await tick();
    await tick();
    expect(written).toEqual(['flood 1', 'flood 2', 'other']);
    await tick();
    await tick();
    expect(written.slice(3)).toEqual(['flood 3', 'flood 4']);
    await tick();
    expect(written).toHaveLength(5);
  });

  test('gather messages for one write, in order', async () => {
    await costly('first', 'user:ann');
    const [member] = await costly('second', 'user:ann');
    for (const body of ['1', '2']) broker.emit('a', body);
    await tick();
    broker.emit('a', '3');
    await tick();
    expect(member.bodies).toEqual(['1', '2', '3']);
    expect(member.connection.writes).toHaveLength(1);
    await tick();
    expect(written).toEqual(['first', 'second', 'first']);
  });

  test('do not wait any longer when a member leaves', async () => {
    await costly('first', 'user:ann');
    const [member, group] = await costly('second', 'user:ann');
    broker.emit('a', 'x');
    await tick();
    groups.leave(member, group);
    expect(member.bodies).toEqual(['x']);
    await tick();
    expect(written).toEqual(['first', 'second']);
  });

  test('let their account be behind, until they are written', async () => {
    await costly('first', 'user:ann');
    await costly('second', 'user:ann');
    broker.emit('a', 'x');
    expect(groups.isBehind('user:ann')).toBe(false);
    await tick();
    expect([groups.isBehind('user:ann'), groups.isBehind('user:bob')]).toEqual([true, false]);
    await tick();
    expect(groups.isBehind('user:ann')).toBe(false);
  });

  test('count for no account if their members have several', async () => {
    await costly('first', 'user:ann');
    await costly('shared 1', 'user:ann', 'shared');
    await costly('shared 2', 'user:bob', 'shared');
    broker.emit('a', 'x');
    await tick();
    expect(written).toEqual(['first']);
    expect([groups.isBehind('user:ann'), groups.isBehind('user:bob')]).toEqual([false, false]);
    await tick();
    expect(written).toEqual(['first', 'shared 1', 'shared 2']);
  });
});

/** A member whose writes take `writeMs` of fake time. */
class SlowMember extends Member {
  constructor(writeMs: number) {
    super();
    const { connection } = this;
    const write = connection.write.bind(connection);
    connection.write = (wrapped) => {
      jest.advanceTimersByTime(writeMs);
      return write(wrapped);
    };
  }
}

describe('a large group', () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
    setUp(REST_SHARE);
  });
  afterEach(() => void jest.useRealTimers());

  /** Ends the tick; the fake time does not advance. */
  const endOfTick = (): void => void jest.advanceTimersByTime(0);
  /** As `endOfTick`, after a timer: the fake clock puts off what a timer schedules by a millisecond. */
  const endOfTurn = (): void => void jest.advanceTimersByTime(1);

  test('rests for half of the duration of its writes', async () => {
    const member = new SlowMember(10);
    await joined(member);
    broker.emit('a', 'at once');
    endOfTick();
    expect(member.bodies).toEqual(['at once']);
    for (const body of ['1', '2']) broker.emit('a', body);
    jest.advanceTimersByTime(4);
    broker.emit('a', '3');
    endOfTick();
    expect(member.bodies).toEqual(['at once']);
    jest.advanceTimersByTime(1);
    endOfTurn();
    expect(member.bodies).toEqual(['at once', '1', '2', '3']);
    expect(member.connection.writes).toHaveLength(2);
  });

  test('rests for at most 20 ms', async () => {
    const member = new SlowMember(1_000);
    await joined(member);
    broker.emit('a', '1');
    endOfTick();
    broker.emit('a', '2');
    jest.advanceTimersByTime(19);
    expect(member.bodies).toEqual(['1']);
    jest.advanceTimersByTime(1);
    endOfTurn();
    expect(member.bodies).toEqual(['1', '2']);
  });

  test('is written at once after its rest', async () => {
    const member = new SlowMember(10);
    await joined(member);
    broker.emit('a', '1');
    endOfTick();
    jest.advanceTimersByTime(5);
    broker.emit('a', '2');
    endOfTick();
    expect(member.bodies).toEqual(['1', '2']);
  });

  test('does not delay other groups while it rests', async () => {
    const [slow, quick] = [new SlowMember(10), new Member()];
    await joined(slow);
    await joined(quick, '/topic/b');
    broker.emit('a', '1');
    endOfTick();
    broker.emit('a', '2');
    broker.emit('b', 'x');
    endOfTick();
    expect(slow.bodies).toEqual(['1']);
    expect(quick.bodies).toEqual(['x']);
  });

  test('is flushed once during its rest when a member leaves', async () => {
    const member = new SlowMember(10);
    const group = await joined(member);
    broker.emit('a', '1');
    endOfTick();
    broker.emit('a', '2');
    groups.leave(member, group);
    expect(member.bodies).toEqual(['1', '2']);
    jest.advanceTimersByTime(100);
    expect(member.bodies).toEqual(['1', '2']);
  });
});

test('a subscription that the broker ends is over for all members, and a new member gets a new one', async () => {
  const members = [new Member(), new Member()];
  await Promise.all(members.map((member) => joined(member)));
  broker.subscriptions[0]?.ended?.(new BrokerError('subscription-ended', 'Gone.'));
  expect(members.map(({ ended }) => ended)).toEqual([['subscription-ended'], ['subscription-ended']]);
  await tick();
  expect(groups.size).toBe(0);
  expect(broker.openSubscriptions).toEqual([]);
  await joined(members[0]!);
  expect(broker.openSubscriptions).toHaveLength(1);
});

describe('the rule of order', () => {
  test('a member gets nothing from before it joined', async () => {
    const [early, late] = [new Member(), new Member()];
    await joined(early);
    broker.emit('a', 'before');
    await joined(late);
    broker.emit('a', 'after');
    await tick();
    expect(early.bodies).toEqual(['before', 'after']);
    expect(late.bodies).toEqual(['after']);
  });

  test('a member gets everything from before it left, and nothing from after', async () => {
    const [leaver, other] = [new Member(), new Member()];
    const group = await joined(leaver);
    await joined(other);
    broker.emit('a', 'before');
    groups.leave(leaver, group);
    expect(leaver.bodies).toEqual(['before']);
    broker.emit('a', 'after');
    await tick();
    expect(leaver.bodies).toEqual(['before']);
    expect(other.bodies).toEqual(['before', 'after']);
  });

  test('nothing is kept for a group without members', async () => {
    broker.holds.add('subscribe');
    const member = new Member();
    const joining = joined(member);
    broker.emit('a', 'before any member');
    const [subscription] = broker.subscriptions;
    subscription!.live.grant(subscription!);
    await joining;
    broker.emit('a', 'x');
    await tick();
    expect(member.bodies).toEqual(['x']);
  });
});

describe('joining', () => {
  test('all clients wait for the same answer of the broker', async () => {
    broker.holds.add('subscribe');
    const members = [new Member(), new Member()];
    let joinedCount = 0;
    const joins = members.map((member) => joined(member).then(() => joinedCount++));
    await tick();
    expect(joinedCount).toBe(0);
    expect(broker.subscriptions).toHaveLength(1);
    broker.subscriptions[0]!.live.grant(broker.subscriptions[0]!);
    await Promise.all(joins);
    expect(joinedCount).toBe(2);
  });

  test('a refusal reaches all waiting clients and leaves no group; the next client subscribes again', async () => {
    broker.holds.add('subscribe');
    const joins = Promise.allSettled([joined(new Member()), joined(new Member())]);
    broker.subscriptions[0]!.live.refuse(new Error('no such exchange'));
    expect((await joins).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(groups.size).toBe(0);
    broker.holds.clear();
    await joined(new Member());
    expect(broker.subscriptions).toHaveLength(2);
  });

  test('a client that has gone meanwhile is not added, and the last one ends the subscription', async () => {
    broker.holds.add('subscribe');
    const joins = [1, 2].map(() => groups.join(new Member(), request(), refuse));
    broker.subscriptions[0]!.live.grant(broker.subscriptions[0]!);
    await Promise.all(joins);
    await tick();
    expect(groups.size).toBe(0);
    expect(broker.openSubscriptions).toEqual([]);
  });

  test('a client that has gone does not end the subscription of other waiting clients', async () => {
    broker.holds.add('subscribe');
    const gone = groups.join(new Member(), request(), refuse);
    const stayer = new Member();
    const joining = joined(stayer);
    broker.subscriptions[0]!.live.grant(broker.subscriptions[0]!);
    await Promise.all([gone, joining]);
    broker.emit('a', 'x');
    await tick();
    expect(stayer.bodies).toEqual(['x']);
  });

  test('a discarded group is not joined again', async () => {
    const first = new Member();
    groups.leave(first, await joined(first));
    await joined(new Member());
    expect(broker.subscriptions).toHaveLength(2);
  });
});

describe('back-pressure', () => {
  test('is reported to the slow member only, and does not delay the others', async () => {
    const [slow, fast] = [new Member(), new Member()];
    slow.connection.stall();
    for (const member of [slow, fast]) await joined(member);
    broker.emit('a', 'x');
    await tick();
    expect([slow.pressed, fast.pressed]).toEqual([1, 0]);
    expect(fast.bodies).toEqual(['x']);
  });
});

describe('a slow member', () => {
  async function fallenBehind(destination: string): Promise<{ slow: Member; fast: Member; group: Group }> {
    const [slow, fast] = [new Member(), new Member()];
    const group = await joined(slow, destination);
    await joined(fast, destination);
    slow.connection.stall();
    return { slow, fast, group };
  }
  async function publish(key: string, ...bodies: string[]): Promise<void> {
    for (const body of bodies) broker.emit(key, body);
    await tick();
  }

  test('stays in the group without a policy, and misses nothing', async () => {
    const { slow, fast } = await fallenBehind('/topic/a');
    await publish('a', '1');
    await publish('a', '2', '3');
    expect(slow.bodies).toEqual(['1', '2', '3']);
    expect(slow.connection.writes.at(-1)).toBe(fast.connection.writes.at(-1));
    expect(counters.slowMembers).toBe(0);
  });

  test.each(['lossy', 'latest'])('%s: is set aside, and rejoins when it has caught up', async (kind) => {
    const { slow, fast, group } = await fallenBehind(`/topic/${kind}`);
    await publish(kind, '1');
    await publish(kind, '2');
    await publish(kind, '3');
    expect(slow.bodies).toEqual(['1']);
    expect(group.members.has(slow)).toBe(false);
    expect(counters.slowMembers).toBe(1);
    expect(fast.bodies).toEqual(['1', '2', '3']);
    slow.connection.take();
    await tick();
    expect(slow.bodies).toEqual(kind === 'lossy' ? ['1', '2', '3'] : ['1', '3']);
    expect(counters.slowMembers).toBe(0);
    await publish(kind, '4');
    expect(slow.connection.writes.at(-1)).toBe(fast.connection.writes.at(-1));
    expect(slow.bodies.at(-1)).toBe('4');
  });

  test('gets a message only once that arrives right before it rejoins', async () => {
    const { slow, group } = await fallenBehind('/topic/lossy');
    await publish('lossy', '1');
    slow.connection.take();
    const back = tick();
    broker.emit('lossy', '2');
    await back;
    expect(group.members.has(slow)).toBe(true);
    await tick();
    slow.connection.stall();
    await publish('lossy', '3');
    await publish('lossy', '4');
    slow.connection.take();
    await tick();
    expect(slow.bodies).toEqual(['1', '2', '3', '4']);
  });

  test('keeps the subscription at the broker alive alone, and ends it when it leaves', async () => {
    const { slow, fast, group } = await fallenBehind('/topic/lossy');
    await publish('lossy', '1');
    groups.leave(fast, group);
    await publish('lossy', '2');
    expect(broker.openSubscriptions).toHaveLength(1);
    groups.leave(slow, group);
    expect(slow.bodies).toEqual(['1', '2']);
    await tick();
    expect(broker.openSubscriptions).toEqual([]);
    expect(counters.slowMembers).toBe(0);
  });

  test('gets all frames of the flush in which it became slow, even if they are written one by one', async () => {
    const encoding = new PlainEncoding('deflate');
    const member = new Member(new MemoryConnection({ encoding, canShare: false }));
    await joined(member, '/topic/lossy');
    member.connection.stall();
    await publish('lossy', '1', '2', '3');
    await publish('lossy', '4');
    expect(member.bodies).toEqual(['1', '2', '3']);
    member.connection.take();
    await tick();
    expect(member.bodies).toEqual(['1', '2', '3', '4']);
  });

  test('is notified like all others when the broker ends the subscription', async () => {
    const { slow } = await fallenBehind('/topic/lossy');
    await publish('lossy', '1');
    await publish('lossy', '2');
    broker.subscriptions[0]?.ended?.(new BrokerError('subscription-ended', 'Gone.'));
    expect(slow.ended).toEqual(['subscription-ended']);
    expect(slow.bodies).toEqual(['1', '2']);
    expect(groups.size).toBe(0);
  });

  test('is counted for written messages only', async () => {
    const { slow } = await fallenBehind('/topic/latest');
    await publish('latest', '1');
    await publish('latest', '2');
    await publish('latest', '3');
    expect(counters.messagesOut).toBe(4);
    slow.connection.take();
    await tick();
    expect(counters.messagesOut).toBe(5);
    expect(counters.dropped).toEqual({ 'drop-oldest': 0, latest: 1 });
  });
});

describe('a message that is too large', () => {
  const tooLarge = 'x'.repeat(MESSAGE_MAX_BYTES);
  const received = (member: Member): string[] =>
    member.connection.frames.map(({ body, headers }) => {
      const dropped = headers['relay-dropped'];
      return dropped === undefined ? body.toString() : `${body.toString()} after ${dropped}`;
    });
  async function publish(key: string, ...bodies: string[]): Promise<void> {
    for (const body of bodies) broker.emit(key, body);
    await tick();
  }

  test('goes to no member, and the next message reports it once to each member', async () => {
    const members = [new Member(), new Member()];
    for (const member of members) await joined(member);
    await publish('a', '1', tooLarge, tooLarge, '2', '3');
    expect(members.map(received)).toEqual([
      ['1', '2 after 2', '3'],
      ['1', '2 after 2', '3'],
    ]);
    expect(members[0]!.connection.writes[1]).toBe(members[1]!.connection.writes[1]);
    expect(counters).toMatchObject({ messagesTooLarge: 4, messagesOut: 6 });
  });

  test('is reported to a member only if it arrived after the member joined', async () => {
    const [first, second, third] = [new Member(), new Member(), new Member()];
    const group = await joined(first);
    await publish('a', tooLarge);
    await joined(second);
    await publish('a', tooLarge);
    await joined(third);
    groups.leave(first, group);
    await joined(first);
    await publish('a', '1');
    expect([first, second, third].map(received)).toEqual([['1'], ['1 after 1'], ['1']]);
  });

  test('is reported to a slow member in its place', async () => {
    const [slow, fast] = [new Member(), new Member()];
    for (const member of [slow, fast]) await joined(member, '/topic/lossy');
    slow.connection.stall();
    await publish('lossy', '1');
    await publish('lossy', '2', tooLarge, '3', '4');
    slow.connection.take();
    await tick();
    expect([slow, fast].map(received)).toEqual([
      ['1', '2', '3 after 1', '4'],
      ['1', '2', '3 after 1', '4'],
    ]);
  });
});

describe('a large body', () => {
  const large = Buffer.alloc(LARGE_BYTES, 'x');

  test('is written to the members of all groups without a copy', async () => {
    const members = [new Member(), new Member(), new Member()];
    for (const [index, member] of members.entries())
      await joined(member, '/topic/a', { subscriptionId: `s${index % 2}` });
    broker.emit('a', 'before');
    const message = broker.emit('a', large);
    broker.emit('a', 'after');
    await tick();
    for (const member of members) {
      expect(member.connection.writes).toContain(message.body);
      expect(member.connection.frames.map(({ body }) => body.length)).toEqual([6, LARGE_BYTES, 5]);
    }
    expect(counters.messagesOut).toBe(9);
  });

  test('is copied if each frame is a separate write', async () => {
    const connection = new MemoryConnection({ encoding: new PlainEncoding('deflate'), canShare: false });
    const member = new Member(connection);
    await joined(member);
    broker.emit('a', large);
    await tick();
    expect(connection.writes).toHaveLength(1);
  });

  test('reports all written bytes to a slow member', async () => {
    const member = new Member();
    await joined(member);
    member.connection.stall();
    broker.emit('a', large);
    await tick();
    expect(member.pressedBytes).toBe(member.connection.bufferedBytes);
  });
});

test('messages that wait in all groups have a bound, beyond which they are written at once', async () => {
  const member = new Member();
  for (let i = 0; i < 50; i++) await joined(member, '/topic/a', { subscriptionId: `sub-${i}` });
  broker.emit('a', 'x'.repeat(500_000));
  const atOnce = member.connection.frames.length;
  expect([atOnce > 10, atOnce < 20]).toEqual([true, true]);
  await tick();
  expect(member.connection.frames).toHaveLength(50);
});

describe('a client with many subscriptions to one topic that does not read', () => {
  let member: Member;
  beforeEach(async () => {
    member = new Member();
    member.onBackPressure = (bytes, sharers = 1) => member.outbox.onBackPressure(bytes, sharers);
    for (let i = 0; i < 50; i++) await joined(member, '/topic/a', { subscriptionId: `sub-${i}` });
    member.connection.stall();
  });

  test('costs no further copies once it has been judged too slow', async () => {
    broker.emit('a', 'x'.repeat(5_000));
    await tick();
    const { length } = member.connection.frames;
    expect(length).toBeLessThan(10);
    broker.emit('a', 'y'.repeat(5_000));
    await tick();
    expect(member.connection.frames).toHaveLength(length);
  });

  test('costs a few copies of a large message', async () => {
    const body = 'x'.repeat(500_000);
    broker.emit('a', body);
    await tick();
    const copies = member.connection.frames.length;
    expect(copies).toBeGreaterThan(1);
    expect(copies).toBeLessThan(10);
  });

  test('does not keep other members of the same groups from their messages', async () => {
    const reader = new Member();
    await joined(reader, '/topic/a', { subscriptionId: 'sub-7' });
    for (let i = 0; i < 3; i++) {
      broker.emit('a', `${i}`.repeat(500_000));
      await tick();
    }
    expect(reader.bodies.map((each) => each[0])).toEqual(['0', '1', '2']);
  });
});
