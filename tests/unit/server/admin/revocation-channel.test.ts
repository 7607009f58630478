import { EventEmitter } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import { RevocationChannel } from '../../../../server/src/admin/revocation-channel.js';
import type { Revocation } from '../../../../server/src/auth/revocations.js';
import type { Broker, BrokerSubscription, Listener, SharedDestination } from '../../../../server/src/brokers/broker.js';
import { MemoryBroker } from '../../../../server/src/brokers/memory/memory-broker.js';
import { createConfig } from '../../../../server/src/config.js';
import { publishTo } from '../../../../server/src/contract/publish-to.js';
import { parseDestination } from '../../../../server/src/destinations/destination.js';
import type { Log } from '../../../../server/src/process/log.js';
import { eventually } from '../../../support/deadline.js';

/** One relay's connection to the shared broker; the test can cut it. */
class Link {
  isUp = true;
  readonly published: string[] = [];
  private readonly events = new EventEmitter();
  private readonly subscriptions: BrokerSubscription[] = [];

  constructor(private readonly shared: MemoryBroker) {}

  publication = (...[destination, message, options]: Parameters<Broker['publication']>) => {
    const publication = this.shared.publication(destination, message, options);
    return { ready: publication.ready, send: () => this.send(destination.text, () => publication.send()) };
  };
  send = (destination: string, send: () => Promise<void>): Promise<void> => {
    this.published.push(destination);
    return this.isUp ? send() : Promise.reject(new Error('away'));
  };
  subscribe = async (destination: SharedDestination, headers: ReadonlyMap<string, string>, listener: Listener) => {
    const subscription = await this.shared.subscribe(destination, headers, listener);
    this.subscriptions.push(subscription);
    return subscription;
  };
  on = (event: string, listener: () => void) => void this.events.on(event, listener);

  async cut(): Promise<void> {
    this.isUp = false;
    for (const each of this.subscriptions.splice(0)) await each.close();
  }

  /** The broker keeps the subscriptions, with their messages. */
  lose(): void {
    this.isUp = false;
    this.events.emit('down');
  }

  restore(): void {
    this.isUp = true;
    this.events.emit('up');
  }
}

class Relay {
  readonly link: Link;
  readonly channel: RevocationChannel;
  readonly revoked: Revocation[] = [];
  readonly learned: Revocation[] = [];
  readonly warnings: string[] = [];
  readonly known: Revocation[] = [];

  constructor(shared: MemoryBroker, id: string) {
    const nothing = (): void => undefined;
    const warn = (_: object, message: string): void => void this.warnings.push(message);
    const log: Log = { debug: nothing, info: nothing, warn, error: nothing };
    this.link = new Link(shared);
    this.channel = new RevocationChannel(this.link as unknown as Broker, id, log);
  }

  async start(): Promise<this> {
    await this.channel.start({
      onRevoked: (revocation) => void this.revoked.push(revocation),
      onLearned: (revocation) => void this.learned.push(revocation),
      known: () => this.known,
    });
    return this;
  }

  /** Revokes a user at this relay. */
  revoke(user: string): Promise<boolean> {
    const revocation = { user, revokedAtMs: Date.now() };
    this.known.push(revocation);
    return this.channel.announce(revocation);
  }
}

const relays: Relay[] = [];

async function shared(): Promise<MemoryBroker> {
  const { memory, topicExchange, topics, queues } = createConfig();
  const broker = new MemoryBroker({ ...memory, topicExchange, topics, queueArguments: queues.arguments });
  await broker.start();
  return broker;
}

async function open(broker: MemoryBroker, id: string, known: readonly Revocation[] = []): Promise<Relay> {
  const relay = new Relay(broker, id);
  relays.push(relay);
  relay.known.push(...known);
  await relay.start();
  // The pages of its known revocations, and `hello`
  const expected = Math.ceil(known.length / 100) + 1;
  await eventually(
    () => (relay.link.published.length >= expected ? true : undefined),
    5_000,
    () => `${id} has published ${relay.link.published.length} of ${expected}`,
  );
  return relay;
}

afterEach(() => relays.splice(0).forEach(({ channel }) => channel.stop()));

const users = (revocations: readonly Revocation[]): string[] => revocations.map(({ user }) => user);

test('a revocation at one relay reaches the others, and not itself', async () => {
  const broker = await shared();
  const [a, b, c] = [await open(broker, 'a'), await open(broker, 'b'), await open(broker, 'c')];
  expect(await a.revoke('alice')).toBe(true);
  expect([a, b, c].map(({ revoked }) => users(revoked))).toEqual([[], ['alice'], ['alice']]);
  expect(b.revoked).toEqual(a.known);
});

test('a relay that starts receives all earlier revocations, and only that relay receives them', async () => {
  const broker = await shared();
  const many = Array.from({ length: 250 }, (_, n) => ({ user: `user-${n}`, revokedAtMs: Date.now() }));
  const [a, b] = [await open(broker, 'a', many), await open(broker, 'b')];
  const late = await open(broker, 'late');
  await eventually(
    () => (late.learned.length === 250 ? true : undefined),
    5_000,
    () => `received ${late.learned.length}`,
  );
  expect(users(late.learned)).toEqual(users(many));
  expect(late.revoked).toEqual([]);
  expect(b.learned).toHaveLength(250); // from its own start
  expect(a.learned).toEqual([]);
});

test('a relay that reconnects sends its revocations and receives those that it missed', async () => {
  const broker = await shared();
  const [a, b] = [await open(broker, 'a'), await open(broker, 'b')];
  await b.link.cut();
  expect(await b.revoke('bob')).toBe(false);
  expect(await a.revoke('alice')).toBe(true);
  expect(users(b.revoked)).toEqual([]);
  b.link.restore();
  await eventually(
    () => (b.learned.length > 0 && a.learned.length > 0 ? true : undefined),
    5_000,
    () => `a received ${users(a.learned).join()}, b received ${users(b.learned).join()}`,
  );
  expect([users(a.learned), users(b.learned)]).toEqual([['bob'], ['alice']]);
  await a.revoke('carol');
  expect(users(b.revoked)).toEqual(['carol']); // once, because the former subscription has ended
});

test('a revocation that comes before the own hello after a loss counts as known, and a later one as new', async () => {
  const broker = await shared();
  const [a, b] = [await open(broker, 'a'), await open(broker, 'b')];
  b.link.lose();
  await a.revoke('alice');
  expect([users(b.revoked), users(b.learned)]).toEqual([[], ['alice']]);
  b.link.restore();
  await eventually(
    () => (b.link.published.length >= 2 ? true : undefined),
    5_000,
    () => 'b has not sent its hello',
  );
  await a.revoke('bob');
  expect(users(b.revoked)).toEqual(['bob']);
});

test('a broker without confirms does not delay the start', async () => {
  const relay = new Relay(await shared(), 'a');
  relays.push(relay);
  relay.link.send = () => new Promise(() => undefined);
  await relay.start();
  expect(relay.warnings).toEqual([]);
});

test('a revocation does not wait for a failing broker', async () => {
  const broker = await shared();
  const relay = await open(broker, 'a');
  relay.link.send = () => Promise.reject(new Error('refused'));
  expect(await relay.revoke('alice')).toBe(false);
  expect(relay.warnings).toHaveLength(1);
});

const entry = { user: 'alice', revokedAtMs: 1_000 };
test.each([
  ['is not JSON', 'revoked'],
  ['is not an object', 'null'],
  ['has an unknown kind', { kind: 'else', from: 'x', revocations: [] }],
  ['has no sender', { kind: 'revoked', revocations: [entry] }],
  ['has an invalid sender', { kind: 'hello', from: 'a/queue/b' }],
  ['has no list', { kind: 'revoked', from: 'x', revocations: entry }],
  ['has no user', { kind: 'revoked', from: 'x', revocations: [{ ...entry, user: '' }] }],
  ['has a line break', { kind: 'revoked', from: 'x', revocations: [{ ...entry, reason: 'a\nb' }] }],
  ['has no time', { kind: 'known', from: 'x', revocations: [{ user: 'alice' }] }],
  [
    'is far in the future',
    { kind: 'known', from: 'x', revocations: [{ ...entry, revokedAtMs: Date.now() + 3_600_000 }] },
  ],
  ['is too large', { kind: 'known', from: 'x', revocations: Array.from({ length: 9_000 }, () => entry) }],
])('an announcement that %s is ignored', async (_, announcement) => {
  const broker = await shared();
  const relay = await open(broker, 'a');
  const toAll = { kind: 'user' as const, text: '', user: 'relays', name: '' };
  const body = Buffer.from(typeof announcement === 'string' ? announcement : JSON.stringify(announcement));
  await publishTo(broker, toAll, { headers: new Map(), body }, { mandatory: true });
  expect([relay.revoked, relay.learned]).toEqual([[], []]);
  expect(relay.warnings).toHaveLength(1);
});

test('no client can address the channel', () => {
  for (const text of [
    '/user/relays/queue/',
    '/user/relays/queue',
    '/user/relays/queue/%00',
    '/user//queue/relays',
    '/exchange/stomp-relay.user/.relays',
  ]) {
    expect(() => parseDestination(text, 'send')).toThrow();
  }
  for (const text of [
    '/user/queue/',
    '/user/queue',
    '/user/relays/queue/',
    '/exchange/stomp-relay.user/.relays',
    '/exchange/stomp-relay.user/%23',
  ]) {
    expect(() => parseDestination(text, 'subscribe')).toThrow();
  }
});
