/**
 * One run: working clients, faults, and then calm, in which every listener gets every message again. The run ends when
 * every message is answered, the queue is empty, and the clients have left.
 */
import { eventually } from '../support/deadline.js';
import { Publisher, Subscriber } from './clients.js';
import type { FaultyNetworkClient, SubscriptionSpec } from './clients.js';
import type { PlannedFault } from './fault-plan.js';
import { History, partsOf } from './history.js';
import type { MessageName } from './history.js';
import type { KeptSpec, ReturningClient } from './kept-spec.js';
import { ReturningReader } from './returning-reader.js';
import { SdkReader } from './sdk-reader.js';
import type { Stage } from './stage.js';

const CALM_DEADLINE_MS = 60_000;
/** After this time, new probes are sent. */
const PROBE_MS = 1_000;
const END_DEADLINE_MS = 60_000;
const PUBLISHERS = 4;
const EVERY_MS = 40;
const UNANSWERED_MAX = 200;
const CALM_ROUNDS = 20;

export const QUEUE = '/queue/work';
const TOPIC = '/topic/news.all';
const USER = '/user/anna/queue/news';
const DESTINATIONS = [QUEUE, TOPIC, USER];
const INBOX = '/user/anna/queue/inbox';
const KEPT_TOPICS = ['/topic/kept.a', '/topic/kept.b'];
const KEPT_DESTINATIONS = [...KEPT_TOPICS, INBOX];
const KEPT_PUBLISHERS = 2;
const KEPT_EVERY_MS = 80;
/** Many clients of a crowd share a topic, and these topics get fewer messages. */
const CROWD_TOPICS = Array.from({ length: 50 }, (_, i) => `/topic/crowd.${i}`);
const CROWD_EVERY_MS = 1_000;
/**
 * Maximum number of clients that connect at the same time at the start. After a killed relay, all reconnect at once.
 */
const CONNECTING_MAX = 100;

const SPECS = {
  topic: { subscribe: TOPIC, sent: TOPIC, ack: 'auto' },
  pattern: { subscribe: '/topic/news.*', sent: TOPIC, ack: 'auto' },
  user: { subscribe: '/user/queue/news', sent: USER, ack: 'auto' },
  cumulative: { subscribe: QUEUE, sent: QUEUE, ack: 'client' },
  individual: { subscribe: QUEUE, sent: QUEUE, ack: 'client-individual' },
} as const satisfies Record<string, SubscriptionSpec>;

const KEPT_SPECS = {
  pattern: { subscribe: '/topic/kept.*', rule: 'kept', destinations: KEPT_TOPICS },
  topic: { subscribe: '/topic/kept.a', rule: 'kept', destinations: ['/topic/kept.a'] },
  inbox: { subscribe: '/user/queue/inbox', rule: 'inbox', destinations: [INBOX] },
} as const satisfies Record<string, KeptSpec>;
/** The second one is away for longer than the rings of the relays reach back. */
const ABSENCES = [
  { everyMs: 1_700, forMs: 100 },
  { everyMs: 9_000, forMs: 5_000 },
  { everyMs: 3_100, forMs: 300 },
] as const;

export class Run {
  readonly history: History;
  private readonly publishers: Publisher[];
  private readonly crowdPublisher: Publisher;
  private readonly workers: Subscriber[];
  private readonly listeners: Subscriber[];
  private readonly keptPublishers: Publisher[];
  private readonly returning: ReturningClient[];
  private hasEnded = false;
  private calmMessages: MessageName[] = [];
  private watching: Promise<void> | undefined;

  /** `crowd` is the number of additional listeners. */
  constructor(
    private readonly stage: Stage,
    crowd: number,
  ) {
    const start = performance.now();
    this.history = new History(() => Math.round(performance.now() - start));
    const { workers, listeners } = this.subscribe();
    this.workers = workers;
    this.listeners = [...listeners, ...Array.from({ length: crowd }, (_, i) => this.crowdMember(i))];
    this.crowdPublisher = new Publisher('c', this.history, this.urls(0), '');
    const publisher = (_: unknown, i: number): Publisher =>
      new Publisher(`p${i}`, this.history, this.urls(i), i % 2 === 0 ? '' : 'soft-errors');
    this.publishers = Array.from({ length: PUBLISHERS }, publisher);
    const keptPublisher = (_: unknown, i: number): Publisher => new Publisher(`k${i}`, this.history, this.urls(i), '');
    this.keptPublishers = Array.from({ length: KEPT_PUBLISHERS }, keptPublisher);
    this.returning = this.returningClients();
  }

  private returningClients(): ReturningClient[] {
    const { pattern, topic, inbox } = KEPT_SPECS;
    const [often, long, sometimes] = ABSENCES;
    return [
      new ReturningReader('r0', this.history, this.urls(0), '', [pattern, inbox], often),
      new ReturningReader('r1', this.history, this.urls(1), 'recovery', [pattern, inbox], long),
      new ReturningReader('r2', this.history, this.urls(0), 'recovery', [topic, inbox], sometimes),
      new SdkReader('s0', this.history, this.urls(1), [pattern, inbox]),
      new SdkReader('s1', this.history, this.urls(0), [topic]),
    ];
  }

  private subscribe(): { workers: Subscriber[]; listeners: Subscriber[] } {
    const subscriber = (name: string, first: number, ...specs: SubscriptionSpec[]): Subscriber =>
      new Subscriber(name, this.history, this.urls(first), 'anna', specs);
    const { cumulative, individual, topic, pattern, user } = SPECS;
    return {
      workers: [
        subscriber('w0', 0, cumulative),
        subscriber('w1', 1, cumulative),
        subscriber('w2', 0, individual),
        subscriber('w3', 1, individual),
      ],
      listeners: [subscriber('l0', 0, topic, user), subscriber('l1', 1, topic, user), subscriber('l2', 0, pattern)],
    };
  }

  private crowdMember(i: number): Subscriber {
    const topic = CROWD_TOPICS[i % CROWD_TOPICS.length]!;
    const spec = { subscribe: topic, sent: topic, ack: 'auto' } as const;
    return new Subscriber(`l${3 + i}`, this.history, this.urls(i), `crowd-${i}`, [spec]);
  }

  /** Clients start at different relays. */
  private urls(first: number): string[] {
    const urls = this.stage.clientUrls;
    return urls.map((_, i) => urls[(first + i) % urls.length]!);
  }

  async begin(): Promise<void> {
    await this.stage.beginHistories();
    this.watching = this.stage.watchReadiness(this.history, () => this.hasEnded);
    const clients = this.allClients;
    while (clients.length > 0) {
      const batch = clients.splice(0, CONNECTING_MAX);
      for (const client of batch) client.activate();
      const areConnected = () => batch.every((client) => client.isConnected) || undefined;
      await eventually(areConnected, CALM_DEADLINE_MS, () => 'clients do not connect');
    }
    await this.whenSubscribed();
    for (const publisher of this.publishers) publisher.publish(DESTINATIONS, EVERY_MS, UNANSWERED_MAX);
    for (const publisher of this.keptPublishers) publisher.publish(KEPT_DESTINATIONS, KEPT_EVERY_MS, UNANSWERED_MAX);
    this.crowdPublisher.publish(CROWD_TOPICS, CROWD_EVERY_MS, UNANSWERED_MAX);
  }

  async inject(plan: readonly PlannedFault[]): Promise<void> {
    await this.stage.inject(plan, this.history);
    await this.stage.whenReady();
  }

  /** Waits until a message of every publisher reaches every listener: then the faults are over. */
  async recover(): Promise<void> {
    for (const publisher of this.allPublishers) publisher.pause();
    for (const client of this.returning) client.stay();
    let probes: readonly MessageName[] = [];
    const isCalm = async (): Promise<true | undefined> => {
      await this.whenSubscribed();
      probes = this.sendRound();
      await this.whenAnswered();
      const haveArrived = () => this.haveArrived(probes) || undefined;
      return eventually(haveArrived, PROBE_MS, () => 'probes are missing').catch(() => undefined);
    };
    const missing = (): string => this.missingOf(probes).slice(0, 10).join('; ');
    const late = () => `the relays do not match the subscriptions of their sessions: ${missing()}`;
    await eventually(isCalm, CALM_DEADLINE_MS, late);
    this.history.add({ kind: 'calm' });
    for (let i = 0; i < CALM_ROUNDS; i++) this.calmMessages.push(...this.sendRound());
    await this.whenAnswered();
  }

  /** Waits for messages in flight. The rules find missing ones. */
  async end(): Promise<void> {
    const haveArrived = () => this.haveArrived(this.calmMessages) || undefined;
    await eventually(haveArrived, END_DEADLINE_MS, () => 'messages are missing').catch(() => undefined);
    await this.whenQueueIsEmpty();
    await this.leave();
    await this.stage.readHistories(this.history);
  }

  async leave(): Promise<void> {
    this.hasEnded = true;
    await this.watching;
    await Promise.all(this.allClients.map((client) => client.leave()));
  }

  /** Counts that show how much a run has tested. */
  get summary(): string {
    const { history } = this;
    const ended = history.of('closed').filter(({ intended }) => !intended).length;
    const marked = history.of('delivered').filter(({ redelivered, resent }) => redelivered || resent).length;
    const counts = {
      sent: history.of('sent').length,
      confirmed: history.of('confirmed').length,
      delivered: history.of('delivered').length,
      'marked as repeated': marked,
      errors: history.of('error').length,
      'connections lost': ended,
      returns: history.of('returned').filter(({ recovered }) => recovered === true).length,
      'refused returns': history.of('returned').filter(({ recovered }) => recovered === false).length,
      gaps: history.of('gap').length,
      checks: history.of('checked').length,
    };
    return Object.entries(counts)
      .map(([label, count]) => `${count} ${label}`)
      .join(', ');
  }

  private get allClients(): (FaultyNetworkClient | ReturningClient)[] {
    return [...this.allPublishers, ...this.workers, ...this.listeners, ...this.returning];
  }

  private get allPublishers(): Publisher[] {
    return [...this.publishers, ...this.keptPublishers, this.crowdPublisher];
  }

  private sendRound(): MessageName[] {
    const sent = this.publishers.flatMap((publisher) => DESTINATIONS.flatMap((to) => publisher.send(to) ?? []));
    for (const publisher of this.keptPublishers)
      sent.push(...KEPT_DESTINATIONS.flatMap((to) => publisher.send(to) ?? []));
    return [...sent, ...CROWD_TOPICS.flatMap((to) => this.crowdPublisher.send(to) ?? [])];
  }

  private haveArrived(messages: readonly MessageName[]): boolean {
    return this.missingOf(messages).length === 0;
  }

  /** The messages that listeners lack, with the listeners. */
  private missingOf(messages: readonly MessageName[]): string[] {
    const arrived = new Set(this.history.of('delivered').map(({ session, message }) => `${session} ${message}`));
    return [...this.listeners, ...this.returning].flatMap((listener) =>
      messages
        .filter((message) => listener.wants(partsOf(message).destination))
        .filter((message) => listener.session === undefined || !arrived.has(`${listener.session} ${message}`))
        .map((message) => `${listener.name} lacks ${message}`),
    );
  }

  private async whenSubscribed(): Promise<void> {
    const clients = [...this.workers, ...this.listeners, ...this.returning];
    const areReady = () =>
      clients.every((each) => each.isSubscribed) && this.allPublishers.every((each) => each.isConnected);
    const missing = () => clients.filter((each) => !each.isSubscribed).map(({ name }) => name);
    await eventually(
      () => areReady() || undefined,
      CALM_DEADLINE_MS,
      () => `not subscribed: ${missing().slice(0, 20).join()}`,
    );
  }

  private async whenAnswered(): Promise<void> {
    const isAnswered = () => this.allPublishers.every((each) => each.isAnswered) || undefined;
    await eventually(isAnswered, END_DEADLINE_MS, () => 'not every SEND is answered').catch(() => undefined);
  }

  private async whenQueueIsEmpty(): Promise<void> {
    const { node, vhost } = this.stage;
    const name = QUEUE.slice('/queue/'.length);
    let lines = '';
    const isEmpty = async () => {
      lines = await node.ctl('-q', '--no-table-headers', 'list_queues', '-p', vhost.name, 'name', 'messages');
      return lines.split('\n').includes(`${name}\t0`) || undefined;
    };
    await eventually(isEmpty, END_DEADLINE_MS, () => `the queue does not become empty: ${lines}`);
  }
}
