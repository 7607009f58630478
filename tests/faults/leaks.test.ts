/**
 * Sessions that come and go, in every way, while the broker's connections break under them: what one of them left behind
 * would be there a thousand times in the end.
 */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { eventually } from '../support/deadline.js';
import { connectStomp, frame, type StompClient } from '../support/stomp-client.js';
import type { Site } from './faults.js';
import { expectNothingLeft, readLeftovers } from './leftovers.js';
import { Stage } from './stage.js';

const ANSWER_DEADLINE_MS = 30_000;
const SESSIONS = 100;
/** Code is compiled, and what is known of its types kept, until then. */
const WARM_UP_CYCLES = 8;
const CYCLES = 12 * Number(process.env['FAULT_RUNS'] ?? 1);
/** The least of so many readings: garbage collection leaves now more, now less. */
const READINGS = 4;
/** Four to publish, one for topics, one for what clients declare, one for consumers. */
const AMQP_CONNECTIONS = 7;
/** Of amqplib: one sends heart-beats, one looks for those of RabbitMQ. */
const TIMERS_A_CONNECTION = 2;
/**
 * A session that is gone for its client still gives its channels and queues back to the broker, with timers of its own, and
 * is ten kilobytes until then. The relay alone has fewer timers than these.
 */
const RESTING_TIMERS_MAX = 6 + AMQP_CONNECTIONS * TIMERS_A_CONNECTION;
/**
 * Code that V8 optimizes again and again, what it notes about that, and what it throws away in between come to megabytes and
 * would hide a leak. Without them the heap stands still.
 */
const V8_FLAGS = ['--no-opt', '--no-sparkplug', '--no-flush-bytecode'];
/**
 * The timer wheel's slots, each made when first needed, are 150 KB, and readings differ a little. Eight hundred sessions that
 * leave half a kilobyte each stand out. The longer the test runs, the smaller is the leak that it finds: the bound stays.
 */
const GROWTH_MAX_BYTES = 400_000;

let stage: Stage;

beforeAll(async () => {
  stage = await Stage.open(1, V8_FLAGS);
}, 120_000);
afterAll(() => stage.close(), 60_000);

/** All that a session can hold, held. */
async function openSession(i: number): Promise<StompClient> {
  const [url = ''] = stage.clientUrls;
  const client = await connectStomp(url, { login: `user-${i % 10}` });
  const subscribe = (id: string, destination: string, ack = 'auto'): Buffer =>
    frame('SUBSCRIBE', { id, destination, ack, 'prefetch-count': '2', receipt: id });
  const send = (headers: Record<string, string>): Buffer => frame('SEND', headers, 'a message');
  const requests = [
    subscribe('topic', `/topic/leaks.${i % 25}`),
    subscribe('pattern', '/topic/leaks.#'),
    subscribe('user', '/user/queue/leaks'),
    subscribe('queue', '/queue/leaks', 'client-individual'),
    frame('BEGIN', { transaction: 't' }),
    send({ destination: '/queue/leaks', transaction: 't' }),
    send({ destination: '/queue/leaks', 'reply-to': '/temp-queue/answers', receipt: 'send' }),
  ];
  client.send(Buffer.concat(requests));
  for (const id of ['topic', 'pattern', 'user', 'queue', 'send']) {
    await client.take(({ headers }) => headers['receipt-id'] === id, `RECEIPT ${id}`, ANSWER_DEADLINE_MS);
  }
  return client;
}

/** A third leaves in order, a third vanishes, a third is thrown out for a mistake. */
function end(client: StompClient, i: number): void {
  if (i % 3 === 0) client.sendFrame('DISCONNECT', { receipt: 'bye' });
  else if (i % 3 === 1) client.destroy();
  else client.sendFrame('ACK', { id: 'nothing' });
}

async function comeAndGo({ relay, brokerNetwork }: Site): Promise<void> {
  const clients = await Promise.all(Array.from({ length: SESSIONS }, (_, i) => openSession(i)));
  brokerNetwork.reset();
  await stage.whenReady();
  await Promise.all(clients.slice(0, 10).map((client) => client.receipt('SEND', { destination: '/topic/leaks.0' })));
  clients.forEach(end);
  await Promise.all(clients.map((client) => client.expectClose()));
  const areGone = async () => ((await relay.metric('sessions')) === 0 ? true : undefined);
  await eventually(areGone, ANSWER_DEADLINE_MS, () => 'sessions outlive their connections');
}

async function heapAtRest({ relay }: Site): Promise<number> {
  const readAtRest = async () => {
    const { heapBytes, resources } = await relay.holding();
    return (resources['Timeout'] ?? 0) <= RESTING_TIMERS_MAX ? heapBytes : undefined;
  };
  return eventually(readAtRest, ANSWER_DEADLINE_MS, () => 'sessions that are gone still wait for the broker');
}

test('a thousand sessions later, heap, timers, sockets and the broker hold what they did', async () => {
  const [site] = stage.sites as [Site];
  for (let i = 0; i < WARM_UP_CYCLES; i++) await comeAndGo(site);
  await heapAtRest(site);
  const baseline = await readLeftovers(stage);
  const heap: number[] = [];
  for (let i = 0; i < CYCLES; i++) {
    await comeAndGo(site);
    heap.push(await heapAtRest(site));
  }
  await expectNothingLeft(stage, baseline);
  const growth = Math.min(...heap.slice(-READINGS)) - Math.min(...heap.slice(0, READINGS));
  expect(growth).toBeLessThan(GROWTH_MAX_BYTES);
}, 600_000);
