import { EventEmitter } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import type { Revocation } from '../../../../server/src/auth/revocations.js';
import type { Broker, BrokerSubscription, Listener, SharedDestination } from '../../../../server/src/brokers/broker.js';
import { MemoryBroker } from '../../../../server/src/brokers/memory/memory-broker.js';
import { createConfig } from '../../../../server/src/config.js';
import { parseDestination } from '../../../../server/src/destinations/destination.js';
import type { Log } from '../../../../server/src/process/log.js';
import { RevocationChannel } from '../../../../server/src/admin/revocation-channel.js';
import { eventually } from '../../../support/deadline.js';
import { publishTo } from '../../../../server/src/contract/publish-to.js';

/** One relay's connection to the broker that all share, which can be cut. */
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
  readonly here: Revocation[] = [];

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
      known: () => this.here,
    });
    return this;
  }

  /** As its operator would. */
  revoke(user: string): Promise<boolean> {
    const revocation = { user, revokedAtMs: Date.now() };
    this.here.push(revocation);
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
  relay.here.push(...known);
  await relay.start();
  // What it knows, in pages, and its question
  const told = Math.ceil(known.length / 100) + 1;
  await eventually(
    () => (relay.link.published.length >= told ? true : undefined),
    5_000,
    () => `${id} has told ${relay.link.published.length} of ${told}`,
  );
  return relay;
}

afterEach(() => relays.splice(0).forEach(({ channel }) => channel.stop()));

const users = (revocations: readonly Revocation[]): string[] => revocations.map(({ user }) => user);

test('what happens at one relay is heard at the others, and not at itself', async () => {
  const broker = await shared();
  const [a, b, c] = [await open(broker, 'a'), await open(broker, 'b'), await open(broker, 'c')];
  expect(await a.revoke('alice')).toBe(true);
  expect([a, b, c].map(({ revoked }) => users(revoked))).toEqual([[], ['alice'], ['alice']]);
  expect(b.revoked).toEqual(a.here);
});

test('a relay that starts hears from each what happened before, which nobody else is told again', async () => {
  const broker = await shared();
  const many = Array.from({ length: 250 }, (_, n) => ({ user: `user-${n}`, revokedAtMs: Date.now() }));
  const [a, b] = [await open(broker, 'a', many), await open(broker, 'b')];
  const late = await open(broker, 'late');
  await eventually(
    () => (late.learned.length === 250 ? true : undefined),
    5_000,
    () => `heard of ${late.learned.length}`,
  );
  expect(users(late.learned)).toEqual(users(many));
  expect(late.revoked).toEqual([]);
  expect(b.learned).toHaveLength(250); // when it came itself
  expect(a.learned).toEqual([]);
});

test('who was cut off tells what it knows and hears what it has missed', async () => {
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
    () => `a heard of ${users(a.learned).join()}, b of ${users(b.learned).join()}`,
  );
  expect([users(a.learned), users(b.learned)]).toEqual([['bob'], ['alice']]);
  await a.revoke('carol');
  expect(users(b.revoked)).toEqual(['carol']); // once: the former subscription is gone
});

test('a broker that confirms nothing does not hold up the start', async () => {
  const relay = new Relay(await shared(), 'a');
  relays.push(relay);
  relay.link.send = () => new Promise(() => undefined);
  await relay.start();
  expect(relay.warnings).toEqual([]);
});

test('a broker that fails is not waited for by who revokes', async () => {
  const broker = await shared();
  const relay = await open(broker, 'a');
  relay.link.send = () => Promise.reject(new Error('refused'));
  expect(await relay.revoke('alice')).toBe(false);
  expect(relay.warnings).toHaveLength(1);
});

const entry = { user: 'alice', revokedAtMs: 1_000 };
test.each([
  ['no JSON', 'revoked'],
  ['no object', 'null'],
  ['another kind', { kind: 'else', from: 'x', revocations: [] }],
  ['nobody’s', { kind: 'revoked', revocations: [entry] }],
  ['of a relay that cannot be', { kind: 'hello', from: 'a/queue/b' }],
  ['no list', { kind: 'revoked', from: 'x', revocations: entry }],
  ['without a user', { kind: 'revoked', from: 'x', revocations: [{ ...entry, user: '' }] }],
  ['with a line break', { kind: 'revoked', from: 'x', revocations: [{ ...entry, reason: 'a\nb' }] }],
  ['without a time', { kind: 'known', from: 'x', revocations: [{ user: 'alice' }] }],
  ['far in the future', { kind: 'known', from: 'x', revocations: [{ ...entry, revokedAtMs: Date.now() + 3_600_000 }] }],
  ['too large', { kind: 'known', from: 'x', revocations: Array.from({ length: 9_000 }, () => entry) }],
])('what is %s is not listened to', async (_, told) => {
  const broker = await shared();
  const relay = await open(broker, 'a');
  const toAll = { kind: 'user' as const, text: '', user: 'relays', name: '' };
  const body = Buffer.from(typeof told === 'string' ? told : JSON.stringify(told));
  await publishTo(broker, toAll, { headers: new Map(), body }, { mandatory: true });
  expect([relay.revoked, relay.learned]).toEqual([[], []]);
  expect(relay.warnings).toHaveLength(1);
});

test('no client can write the destinations', () => {
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
