/** Histories of two relays' brokers on a real RabbitMQ. */
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import type { RoutedMessage } from '../../server/src/brokers/broker.js';
import type { HistorySettings } from '../../server/src/brokers/history/feed-settings.js';
import type { Gap, Replay } from '../../server/src/brokers/history.js';
import type { RabbitMqBroker } from '../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import { history as historyOptions } from '../../server/src/config/history-options.js';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { eventually } from '../support/deadline.js';
import {
  bodies,
  Brokers,
  codeOf,
  DEADLINE_MS,
  message,
  NO_HEADERS,
  send,
  shared,
} from '../support/rabbitmq-brokers.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';

let vhost: Vhost;
let brokers: Brokers;

beforeAll(async () => {
  vhost = await createVhost();
  brokers = new Brokers(vhost.amqpUrl);
}, 60_000);
afterEach(() => brokers.closeAll());
afterAll(() => vhost.delete());

function settings(match: string, more: object = {}): HistorySettings {
  const name = match.replace(/\W+/g, '-').slice(1);
  return historyOptions.parse({ rules: [{ name, match, maxBytes: 8 * 1024 * 1024 }], ...more });
}

interface Following {
  readonly inbox: Inbox<RoutedMessage>;
  readonly gaps: Gap[];
}

async function follow(broker: RabbitMqBroker, destination: string): Promise<Following> {
  const inbox = new Inbox<RoutedMessage>();
  const gaps: Gap[] = [];
  const feed = broker.historyOf(shared(destination))!;
  await feed.subscribe(shared(destination), (each) => inbox.add(each), {
    ended: () => undefined,
    gap: (gap) => void gaps.push(gap),
  });
  return { inbox, gaps };
}

/** Reads a replay to its end. */
async function readAll(replay: Replay): Promise<string[]> {
  const read: string[] = [];
  for (;;) {
    const step = replay.next(10_000);
    if (step.kind === 'messages') read.push(...step.messages.map((each) => each.message.body.toString()));
    else if (step.kind === 'wait') await new Promise<void>((resolve) => replay.onReady(resolve));
    else return step.kind === 'live' ? read : [...read, `interrupted ${step.reason}`];
  }
}

test('both relays deliver one order; a client returns to the other relay, from its ring or by a reader', async () => {
  const history = settings('/topic/prices.#', { ringMaxCount: 200, warmUpMs: 0 });
  const [one, two] = [await brokers.start({ history }), await brokers.start({ history })];
  const [here, there] = [await follow(one, '/topic/prices.*'), await follow(two, '/topic/prices.eur')];
  expect(two.historyOf(shared('/topic/other'))).toBeUndefined();
  const sending: Promise<void>[] = [];
  for (let n = 0; n < 1_000; n++) sending.push(send(n % 2 ? one : two, '/topic/prices.eur', message(`m${n}`)));
  await Promise.all(sending);
  await Promise.all([here, there].map(({ inbox }) => inbox.atLeast(1_000, DEADLINE_MS)));
  expect(bodies(there.inbox.all)).toEqual(bodies(here.inbox.all));
  expect(there.inbox.all.map(({ historyId }) => historyId)).toEqual(here.inbox.all.map(({ historyId }) => historyId));
  const seen = here.inbox.all;
  for (const at of [10, 990]) {
    const resumption = await two
      .historyOf(shared('/topic/prices.*'))!
      .resume(shared('/topic/prices.*'), seen[at]!.position!);
    expect(resumption).toMatchObject({ recovered: true });
    if (resumption.recovered) expect(await readAll(resumption.replay)).toEqual(bodies(seen.slice(at + 1)));
  }
  expect([...here.gaps, ...there.gaps]).toEqual([]);
}, 60_000);

test('mandatory means kept: the stream takes a message that no client gets', async () => {
  const broker = await brokers.start({ history: settings('/topic/kept.#') });
  await send(broker, '/topic/kept.x', message('1'), true);
  expect(await codeOf(() => send(broker, '/topic/not.kept', message('2'), true))).toBe('unroutable');
  // Subscribing binds nothing besides the stream
  const { inbox } = await follow(broker, '/topic/kept.x');
  await send(broker, '/topic/kept.x', message('3'));
  await inbox.atLeast(1, DEADLINE_MS);
  const bindings = (await vhost.api('GET', 'bindings')) as { routing_key: string; destination: string }[];
  expect(bindings.filter(({ routing_key: key }) => key.startsWith('kept'))).toEqual([
    expect.objectContaining({ routing_key: 'kept.#', destination: 'stomp-relay.history.topic-kept-' }),
  ]);
}, 30_000);

test('a deleted stream: subscribers get a gap, old positions are of another history, and delivery goes on', async () => {
  const broker = await brokers.start({ history: settings('/topic/deleted') });
  const { inbox, gaps } = await follow(broker, '/topic/deleted');
  await send(broker, '/topic/deleted', message('1'));
  await inbox.atLeast(1, DEADLINE_MS);
  await vhost.api('DELETE', 'queues/stomp-relay.history.topic-deleted');
  await eventually(
    () => (gaps.length > 0 ? true : undefined),
    DEADLINE_MS,
    () => 'no gap',
  );
  expect(gaps).toMatchObject([{ from: inbox.all[0]!.position, reason: 'other-history' }]);
  await send(broker, '/topic/deleted', message('2'));
  await inbox.atLeast(2, DEADLINE_MS);
  const feed = broker.historyOf(shared('/topic/deleted'))!;
  expect(await feed.resume(shared('/topic/deleted'), inbox.all[0]!.position!)).toEqual({
    recovered: false,
    reason: 'other-history',
  });
}, 60_000);

test('canaries of the relays in a rule with # are no messages', async () => {
  const broker = await brokers.start({ history: settings('/topic/#'), canaryIntervalMs: 100 });
  const { inbox } = await follow(broker, '/topic/#');
  const others = new Inbox<RoutedMessage>();
  await broker.subscribe(shared('/topic/any'), NO_HEADERS, (each) => others.add(each));
  await send(broker, '/topic/any', message('1'));
  await others.atLeast(1, DEADLINE_MS);
  const stream = 'queues/stomp-relay.history.topic-';
  const isFull = async (): Promise<true | undefined> => {
    const { messages = 0 } = (await vhost.api('GET', stream)) as { messages?: number };
    return messages > 10 ? true : undefined;
  };
  await eventually(isFull, DEADLINE_MS, () => 'no canaries in the stream');
  await send(broker, '/topic/any', message('2'));
  await inbox.atLeast(2, DEADLINE_MS);
  expect(bodies(inbox.all)).toEqual(['1', '2']);
}, 60_000);
