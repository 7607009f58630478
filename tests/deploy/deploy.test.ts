/**
 * A rolling deploy: two built relays behind a load balancer are replaced one after the other, while clients of all kinds
 * read and publish. The report gives the cost of the deploy for each kind.
 *
 *   npm run test:deploy                        1,000 stompjs clients with their defaults, 500 of the SDK, 100 EventSources;
 *                                              200 stompjs clients and 200 of the SDK that recover
 *   DEPLOY_SCALE=0.05 npm run test:deploy      a twentieth of them, as in CI
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { RelayUnderTest } from '../faults/relay-under-test.js';
import { eventually } from '../support/deadline.js';
import { createVhost, privateNode } from '../support/rabbitmq.js';
import type { RabbitNode, Vhost } from '../support/rabbitmq.js';
import { LoadBalancer } from './load-balancer.js';
import { Publishers } from './publishers.js';
import type { Published } from './publishers.js';
import {
  KEPT_TOPIC,
  RecoveringSdkReader,
  RecoveringStompjsReader,
  SdkReader,
  SseReader,
  StompjsReader,
  TOPIC,
} from './readers.js';
import type { Reader } from './readers.js';
import { reportOf, table } from './report.js';
import { Workers } from './workers.js';

const SCALE = Number(process.env['DEPLOY_SCALE'] ?? 1);
const scaled = (count: number): number => Math.ceil(count * SCALE);
const READERS = [
  { count: scaled(1_000), open: (i: number, address: string) => new StompjsReader(`stompjs-${i}`, address) },
  { count: scaled(500), open: (i: number, address: string) => new SdkReader(`sdk-${i}`, address) },
  { count: scaled(100), open: (i: number, address: string) => new SseReader(`sse-${i}`, address) },
  { count: scaled(200), open: (i: number, address: string) => new RecoveringStompjsReader(`plain-${i}`, address) },
  { count: scaled(200), open: (i: number, address: string) => new RecoveringSdkReader(`kept-${i}`, address) },
];
const HISTORY = { rules: [{ name: 'deploy', match: KEPT_TOPIC }] };
/** Behind one load balancer, the topic without a history and the users are in lanes. */
const LANES = { haproxy: [], nginx: [TOPIC, '/user/#'] };
const WORKERS = 6;
/** The readers of each kind whose users get messages. */
const USERS_OF_A_KIND = 10;
const CONNECTING_MAX = 50;
const STEP_DEADLINE_MS = 120_000;
const RUN_DEADLINE_MS = 600_000;

let node: RabbitNode;
let vhost: Vhost;
let folder: string;
let relays: [RelayUnderTest, RelayUnderTest];
const readers: Reader[] = [];
let balancer: LoadBalancer | undefined;
let workers: Workers | undefined;

beforeAll(async () => {
  node = await privateNode();
  folder = mkdtempSync(path.join(tmpdir(), 'relay-deploy-'));
}, RUN_DEADLINE_MS);
afterEach(async () => {
  await Promise.all(readers.splice(0).map(async (reader) => reader.close()));
  await workers?.close();
  await Promise.all(relays.map((relay) => relay.stop()));
  await balancer?.stop();
  await vhost.delete();
}, STEP_DEADLINE_MS);
afterAll(async () => {
  await node.stop();
  rmSync(folder, { recursive: true });
});

const until = (isSo: () => boolean | Promise<boolean>, otherwise: () => string): Promise<true> =>
  eventually(async () => ((await isSo()) ? true : undefined), STEP_DEADLINE_MS, otherwise);

const whenAllUp = (): Promise<true> =>
  until(
    () => readers.every(({ isUp }) => isUp),
    () => `${readers.filter(({ isUp }) => !isUp).length} readers are not connected`,
  );

async function openReaders(address: string): Promise<void> {
  const all = READERS.flatMap(({ count, open }) => Array.from({ length: count }, (_, i) => open(i, address)));
  while (all.length > 0) {
    const batch = all.splice(0, CONNECTING_MAX);
    readers.push(...batch);
    for (const reader of batch) reader.open();
    await whenAllUp();
  }
}

/** Stops the relay in order, and starts it again. Resolves when the load balancer gives it clients. */
async function replace(relay: RelayUnderTest, address: string): Promise<void> {
  await relay.stop();
  await relay.start();
  await until(
    () => relay.isReady(),
    () => `${relay.name} is not ready`,
  );
  await until(
    async () => {
      // The relay that has just started has the fewest connections, so it gets the next one
      const probe = new StompjsReader('probe', address);
      probe.open();
      await until(
        () => probe.isUp,
        () => 'a client cannot connect',
      );
      const count = await relay.metric('sessions');
      await probe.close();
      return count > 0;
    },
    () => `${relay.name} gets no clients`,
  );
}

/** Only clients of the SDK are sure to be there when the last message to their user comes. */
const gotEverything = ({ kind, user, topic, mine }: Reader, published: Published): boolean =>
  topic.last === published.topic && (kind !== 'SDK' || (mine.last ?? 0) === (published.users.get(user) ?? 0));

test.each(['haproxy', 'nginx'] as const)(
  'behind %s, a rolling deploy costs clients of the SDK and clients that recover nothing, and others only the messages while they are away',
  async (kind) => {
    vhost = await createVhost(node);
    const config = { history: HISTORY, rabbitmq: { lanes: LANES[kind] } };
    writeFileSync(path.join(folder, 'relay.yaml'), JSON.stringify(config));
    const start = (name: string) => RelayUnderTest.start(name, vhost.amqpUrl, path.join(folder, 'relay.yaml'), {});
    relays = await Promise.all([start('relay 1'), start('relay 2')]);
    balancer = await LoadBalancer.start(kind, [relays[0].ports, relays[1].ports]);
    const { address } = balancer;
    await openReaders(address);
    workers = new Workers(address, WORKERS);
    await until(
      () => workers!.areUp,
      () => 'the consumers of the queue are not connected',
    );
    const kinds = ['stompjs', 'SDK', 'SSE'] as const;
    const users = kinds.flatMap((each) => readers.filter((reader) => reader.kind === each).slice(0, USERS_OF_A_KIND));
    const publishers = await Publishers.start(
      address,
      vhost.amqpUrl,
      users.map(({ user }) => user),
    );
    await until(
      () =>
        readers.every(({ topic }) => topic.last !== undefined) && users.every(({ mine }) => mine.last !== undefined),
      () => 'messages are missing before the deploy',
    );
    for (const relay of relays) {
      await replace(relay, address);
      await whenAllUp();
    }
    const { published } = publishers;
    const afterDeploy = published.topic;
    await until(
      () => readers.every(({ topic }) => topic.last! > afterDeploy),
      () => 'messages are missing after the deploy',
    );
    await publishers.stop();
    await until(
      () => readers.every((reader) => gotEverything(reader, published)),
      () => 'the last messages are missing',
    );
    await until(
      () => published.orders.every((order) => workers!.delivered.has(order)),
      () => 'confirmed orders are missing',
    );

    const reports = ([...kinds, 'recovering stompjs', 'recovering SDK'] as const).map((each) =>
      reportOf(each, readers),
    );
    const { httpRetries, httpLongestMs, orders } = published;
    const http = `HTTP: ${httpRetries} requests repeated, the longest took ${Math.round(httpLongestMs)} ms`;
    const rolling = `rolling deploy behind ${kind}, ${published.topic} messages to the topic, ${orders.length} orders`;
    process.stderr.write(`${table(rolling, reports)}\n${http}\n`);

    const nothing = { holes: 0, twice: 0, outOfOrder: 0 };
    const recovered = { ...nothing, missed: [0, 0] };
    const unnoticed = { ...recovered, awayMs: [] };
    expect(reports).toMatchObject([nothing, unnoticed, nothing, recovered, unnoticed]);
    expect([...workers.unmarked].filter(([, count]) => count > 1)).toEqual([]);
  },
  RUN_DEADLINE_MS,
);
