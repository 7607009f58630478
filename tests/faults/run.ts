/**
 * One run: clients at work, faults, and then calm, in which everybody gets everything again. Ends when all that was sent has
 * been answered, the queue is empty, and the clients have left.
 */
import { eventually } from '../support/deadline.js';
import { type FaultyNetworkClient, Publisher, Subscriber, type Wish } from './clients.js';
import type { PlannedFault } from './fault-plan.js';
import { History, type MessageName, partsOf } from './history.js';
import type { Stage } from './stage.js';

const CALM_DEADLINE_MS = 60_000;
/** After that it is tried again with others. */
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
/** Of a crowd many listen to the same, and it is sent to less often. */
const CROWD_TOPICS = Array.from({ length: 50 }, (_, i) => `/topic/crowd.${i}`);
const CROWD_EVERY_MS = 1_000;
/** At a time, in the beginning: a crowd does not come at once. When a relay is killed, it does. */
const CONNECTING_MAX = 100;

const WISHES = {
  topic: { subscribe: TOPIC, sent: TOPIC, ack: 'auto' },
  pattern: { subscribe: '/topic/news.*', sent: TOPIC, ack: 'auto' },
  user: { subscribe: '/user/queue/news', sent: USER, ack: 'auto' },
  cumulative: { subscribe: QUEUE, sent: QUEUE, ack: 'client' },
  individual: { subscribe: QUEUE, sent: QUEUE, ack: 'client-individual' },
} as const satisfies Record<string, Wish>;

export class Run {
  readonly history: History;
  private readonly publishers: Publisher[];
  private readonly crowdsPublisher: Publisher;
  private readonly workers: Subscriber[];
  private readonly listeners: Subscriber[];

  /** `crowd`: so many listeners more. */
  constructor(
    private readonly stage: Stage,
    crowd: number,
  ) {
    const beginning = performance.now();
    this.history = new History(() => Math.round(performance.now() - beginning));
    const { workers, listeners } = this.subscribe();
    this.workers = workers;
    this.listeners = [...listeners, ...Array.from({ length: crowd }, (_, i) => this.oneOfCrowd(i))];
    this.crowdsPublisher = new Publisher('c', this.history, this.urls(0), '');
    const publisher = (_: unknown, i: number): Publisher =>
      new Publisher(`p${i}`, this.history, this.urls(i), i % 2 === 0 ? '' : 'soft-errors');
    this.publishers = Array.from({ length: PUBLISHERS }, publisher);
  }

  private subscribe(): { workers: Subscriber[]; listeners: Subscriber[] } {
    const subscriber = (name: string, first: number, ...wishes: Wish[]): Subscriber =>
      new Subscriber(name, this.history, this.urls(first), 'anna', wishes);
    const { cumulative, individual, topic, pattern, user } = WISHES;
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

  private oneOfCrowd(i: number): Subscriber {
    const topic = CROWD_TOPICS[i % CROWD_TOPICS.length]!;
    const wish = { subscribe: topic, sent: topic, ack: 'auto' } as const;
    return new Subscriber(`l${3 + i}`, this.history, this.urls(i), `crowd-${i}`, [wish]);
  }

  /** Each client begins at another relay. */
  private urls(first: number): string[] {
    const urls = this.stage.clientUrls;
    return urls.map((_, i) => urls[(first + i) % urls.length]!);
  }

  async begin(): Promise<void> {
    const clients = this.allClients;
    while (clients.length > 0) {
      const batch = clients.splice(0, CONNECTING_MAX);
      for (const client of batch) client.activate();
      const areIn = () => batch.every((client) => client.isConnected) || undefined;
      await eventually(areIn, CALM_DEADLINE_MS, () => 'clients do not get in');
    }
    await this.whenSubscribed();
    for (const publisher of this.publishers) publisher.publish(DESTINATIONS, EVERY_MS, UNANSWERED_MAX);
    this.crowdsPublisher.publish(CROWD_TOPICS, CROWD_EVERY_MS, UNANSWERED_MAX);
  }

  async suffer(plan: readonly PlannedFault[]): Promise<void> {
    await this.stage.suffer(plan, this.history);
    await this.stage.whenReady();
  }

  /** The faults are over when a message of every publisher reaches every listener. */
  async calmDown(): Promise<void> {
    for (const publisher of this.allPublishers) publisher.pause();
    const isCalm = async (): Promise<true | undefined> => {
      await this.whenSubscribed();
      const probes = this.sendRound();
      await this.whenAnswered();
      const haveArrived = () => this.haveArrived(probes) || undefined;
      return eventually(haveArrived, PROBE_MS, () => 'probes are missing').catch(() => undefined);
    };
    await eventually(isCalm, CALM_DEADLINE_MS, () => 'the relays do not come back to what their sessions want');
    this.history.add({ kind: 'calm' });
    for (let i = 0; i < CALM_ROUNDS; i++) this.sendRound();
    await this.whenAnswered();
  }

  /** What is still on its way arrives. What does not is for the rules to find. */
  async end(): Promise<void> {
    await this.whenQueueIsEmpty();
    await this.leave();
  }

  async leave(): Promise<void> {
    await Promise.all(this.allClients.map((client) => client.leave()));
  }

  /** Numbers that show how much a run was worth. */
  get summary(): string {
    const { history } = this;
    const ended = history.of('closed').filter(({ wanted }) => !wanted).length;
    const marked = history.of('delivered').filter(({ redelivered, resent }) => redelivered || resent).length;
    const counts = {
      sent: history.of('sent').length,
      confirmed: history.of('confirmed').length,
      delivered: history.of('delivered').length,
      'marked as coming again': marked,
      errors: history.of('error').length,
      'connections lost': ended,
    };
    return Object.entries(counts)
      .map(([what, count]) => `${count} ${what}`)
      .join(', ');
  }

  private get allClients(): FaultyNetworkClient[] {
    return [...this.allPublishers, ...this.workers, ...this.listeners];
  }

  private get allPublishers(): Publisher[] {
    return [...this.publishers, this.crowdsPublisher];
  }

  private sendRound(): MessageName[] {
    const sent = this.publishers.flatMap((publisher) => DESTINATIONS.flatMap((to) => publisher.send(to) ?? []));
    return [...sent, ...CROWD_TOPICS.flatMap((to) => this.crowdsPublisher.send(to) ?? [])];
  }

  private haveArrived(messages: readonly MessageName[]): boolean {
    const arrived = new Set(this.history.of('delivered').map(({ session, message }) => `${session} ${message}`));
    return this.listeners.every((listener) =>
      messages
        .filter((message) => listener.wants(partsOf(message).destination))
        .every((message) => listener.session !== undefined && arrived.has(`${listener.session} ${message}`)),
    );
  }

  private async whenSubscribed(): Promise<void> {
    const clients = [...this.workers, ...this.listeners];
    const areThere = () =>
      clients.every((each) => each.isSubscribed) && this.allPublishers.every((each) => each.isConnected);
    const missing = () => clients.filter((each) => !each.isSubscribed).map(({ name }) => name);
    await eventually(
      () => areThere() || undefined,
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
    await eventually(isEmpty, END_DEADLINE_MS, () => `the queue does not run empty: ${lines}`);
  }
}
