/**
 * Sessions start and end in every way, while the broker's connections break. A leak of one session would be multiplied
 * by a thousand in the end.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../support/deadline.js';
import { connectStomp, frame } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';
import type { Site } from './faults.js';
import { expectNothingLeft, readLeftovers } from './leftovers.js';
import { HISTORIES, Stage } from './stage.js';

const ANSWER_DEADLINE_MS = 30_000;
const SESSIONS = 100;
/** During these cycles V8 compiles code and collects type feedback. */
const WARM_UP_CYCLES = 8;
const CYCLES = 12 * Number(process.env['FAULT_RUNS'] ?? 1);
/** Compares the minimum of this many readings, because garbage collection varies. */
const READINGS = 4;
/** Four to publish, one for topics, one for declarations of clients, one for consumers. */
const AMQP_CONNECTIONS = 7;
/** amqplib's timers: one sends heart-beats, one watches those of RabbitMQ. */
const TIMERS_A_CONNECTION = 2;
/** The queues of topics and of users check their bindings to the exchange of lanes. */
const LANE_TIMERS = 2;
/**
 * After its client is gone, a session still releases its channels and queues at the broker. Until then it has timers
 * and takes ten kilobytes. An idle relay has fewer timers than this.
 */
const RESTING_TIMERS_MAX = 6 + AMQP_CONNECTIONS * TIMERS_A_CONNECTION + HISTORIES.length + LANE_TIMERS;
/**
 * Repeated optimization, its feedback data and discarded code take megabytes and would hide a leak. Without them the
 * heap is stable.
 */
const V8_FLAGS = ['--no-opt', '--no-sparkplug', '--no-flush-bytecode'];
/**
 * The timer wheel's slots, created on first use, take 150 KB, and readings vary. Eight hundred sessions that leak half
 * a kilobyte each exceed this limit. Longer runs find smaller leaks, because the limit stays the same.
 */
const GROWTH_MAX_BYTES = 400_000;

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open(1, { v8Flags: V8_FLAGS });
}, 120_000);
afterAll(() => stage.close(), 60_000);

/** Opens a session with every resource that a session can have. */
async function openSession(i: number): Promise<StompClient> {
  const [url = ''] = stage.clientUrls;
  const client = await connectStomp(url, { login: `user-${i % 10}` });
  const subscribe = (id: string, destination: string, ack = 'auto'): Buffer =>
    frame('SUBSCRIBE', { id, destination, ack, 'prefetch-count': '2', 'relay-since': 'now', receipt: id });
  const send = (headers: Record<string, string>): Buffer => frame('SEND', headers, 'a message');
  const requests = [
    subscribe('topic', `/topic/leaks.${i % 25}`),
    subscribe('pattern', '/topic/leaks.#'),
    subscribe('lane', `/topic/news.${i % 25}`),
    subscribe('user', '/user/queue/leaks'),
    subscribe('kept', `/topic/kept.${i % 25}`),
    subscribe('inbox', '/user/queue/inbox'),
    subscribe('queue', '/queue/leaks', 'client-individual'),
    frame('BEGIN', { transaction: 't' }),
    send({ destination: '/queue/leaks', transaction: 't' }),
    send({ destination: '/queue/leaks', 'reply-to': '/temp-queue/answers', receipt: 'send' }),
  ];
  client.send(Buffer.concat(requests));
  for (const id of ['topic', 'pattern', 'lane', 'user', 'kept', 'inbox', 'queue', 'send']) {
    await client.take(({ headers }) => headers['receipt-id'] === id, `RECEIPT ${id}`, ANSWER_DEADLINE_MS);
  }
  return client;
}

/** One third disconnects, one third vanishes, one third is closed for an error. */
function end(client: StompClient, i: number): void {
  if (i % 3 === 0) client.sendFrame('DISCONNECT', { receipt: 'bye' });
  else if (i % 3 === 1) client.destroy();
  else client.sendFrame('ACK', { id: 'nothing' });
}

async function cycleSessions({ relay, brokerNetwork }: Site): Promise<void> {
  const clients = await Promise.all(Array.from({ length: SESSIONS }, (_, i) => openSession(i)));
  brokerNetwork.reset();
  await stage.whenReady();
  const send = (destination: string): Promise<unknown>[] =>
    clients.slice(0, 10).map((client) => client.receipt('SEND', { destination }));
  await Promise.all([...send('/topic/leaks.0'), ...send('/topic/news.0')]);
  clients.forEach(end);
  await Promise.all(clients.map((client) => client.expectClose()));
  const haveEnded = async () => ((await relay.metric('sessions')) === 0 ? true : undefined);
  await eventually(haveEnded, ANSWER_DEADLINE_MS, () => 'sessions outlive their connections');
}

async function heapAtRest({ relay }: Site): Promise<number> {
  const readAtRest = async () => {
    const { heapBytes, resources } = await relay.resourceUsage();
    return (resources['Timeout'] ?? 0) <= RESTING_TIMERS_MAX ? heapBytes : undefined;
  };
  return eventually(readAtRest, ANSWER_DEADLINE_MS, () => 'ended sessions still wait for the broker');
}

test('after a thousand sessions, heap, timers, sockets and broker are as before', async () => {
  const [site] = stage.sites as [Site];
  for (let i = 0; i < WARM_UP_CYCLES; i++) await cycleSessions(site);
  await heapAtRest(site);
  const baseline = await readLeftovers(stage);
  const heap: number[] = [];
  for (let i = 0; i < CYCLES; i++) {
    await cycleSessions(site);
    heap.push(await heapAtRest(site));
  }
  await expectNothingLeft(stage, baseline);
  const growth = Math.min(...heap.slice(-READINGS)) - Math.min(...heap.slice(0, READINGS));
  expect(growth).toBeLessThan(GROWTH_MAX_BYTES);
}, 600_000);
