/** `ack:auto` on queues over WebSocket: a message is acknowledged when the client has proven that it received it. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { BROKERS } from '../../support/relay.js';
import type { ReceivedFrame, StompClient } from '../../support/stomp-client.js';
import { bodiesUntilNow, nextBodies, nextBody, stageRelays, unique } from './relay-stage.js';

const COUNT = 4_000;
/** `autoPrefetch`. */
const PREFETCH = 1_000;

let queue: string;
beforeEach(() => {
  queue = `/queue/${unique()}`;
});

async function sendAll(client: StompClient, count: number): Promise<void> {
  for (let i = 1; i < count; i++) client.sendFrame('SEND', { destination: queue }, `${i}`);
  await client.receipt('SEND', { destination: queue }, `${count}`);
}

async function nextMessages(client: StompClient, count: number): Promise<ReceivedFrame[]> {
  const messages: ReceivedFrame[] = [];
  while (messages.length < count) messages.push(await client.expectFrame('MESSAGE'));
  return messages;
}

const isMarked = ({ headers }: ReceivedFrame): boolean => headers['redelivered'] === 'true';
const numbers = (messages: readonly ReceivedFrame[]): number[] => messages.map(({ body }) => Number(body.toString()));
const inOrder = (values: readonly number[]): number[] => [...values].sort((one, other) => one - other);

describe.each(BROKERS)('on %s', (broker) => {
  const stage = stageRelays(broker);
  const connect = () => stage.connect('webSocketUrl');

  async function consumer(headers: Record<string, string> = {}): Promise<StompClient> {
    const client = await connect();
    await client.receipt('SUBSCRIBE', { id: 's', destination: queue, ...headers });
    return client;
  }

  test('the messages of a consumer that reads nothing and vanishes reach the other one, marked, and none is lost', async () => {
    const frozen = await consumer();
    frozen.pause();
    const healthy = await consumer();
    await sendAll(await connect(), COUNT);
    const first = await nextMessages(healthy, COUNT - PREFETCH);
    frozen.destroy();
    const rest = await nextMessages(healthy, PREFETCH);
    expect(first.some(isMarked)).toBe(false);
    expect(rest.every(isMarked)).toBe(true);
    expect(inOrder(numbers([...first, ...rest]))).toEqual(Array.from({ length: COUNT }, (_, i) => i + 1));
    expect(numbers(rest)).toEqual(inOrder(numbers(rest)));
    expect(await bodiesUntilNow(healthy)).toEqual([]);
  }, 60_000);

  test('a message that the client has received does not come again when it vanishes', async () => {
    const client = await consumer({ 'prefetch-count': '1' });
    await sendAll(await connect(), 2);
    // The second one comes when the first is acknowledged
    expect(await nextBodies(client, 2)).toEqual(['1', '2']);
    client.destroy();
    const next = await consumer();
    await next.receipt('SEND', { destination: queue }, 'end');
    const bodies: string[] = [];
    while (bodies.at(-1) !== 'end') bodies.push(await nextBody(next));
    expect(bodies).not.toContain('1');
  });

  test.each(['DISCONNECT', 'UNSUBSCRIBE'])('%s requeues no message that the client has received', async (command) => {
    const client = await consumer();
    await sendAll(await connect(), 300);
    await nextBodies(client, 300);
    await client.receipt(command, { id: 's' });
    const next = await consumer();
    expect(await bodiesUntilNow(next)).toEqual([]);
  });
});

describe('with short keep-alives', () => {
  const stage = stageRelays('memory', { config: { websocket: { pingIntervalMs: 50 } } });

  test('a consumer that stays connected and answers nothing is cut off, and holds its prefetch count until then', async () => {
    const frozen = await stage.connect('webSocketUrl');
    await frozen.receipt('SUBSCRIBE', { id: 's', destination: queue, 'prefetch-count': '5' });
    frozen.pause();
    const publisher = await stage.connect('webSocketUrl');
    await sendAll(publisher, 20);
    await publisher.receipt('SUBSCRIBE', { id: 's', destination: queue });
    const messages = await nextMessages(publisher, 20);
    expect(inOrder(numbers(messages))).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(inOrder(numbers(messages.filter(isMarked)))).toEqual([1, 2, 3, 4, 5]);
  });
});
