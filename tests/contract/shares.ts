/** One account floods a broker, and another one still gets what it needs. For both brokers, with small limits. */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Broker, BrokerChannel, RoutedMessage } from '../../server/src/brokers/broker.js';
import { unique } from '../../server/src/contract/broker-desk.js';
import { publishTo } from '../../server/src/contract/publish-to.js';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { parseDestination } from '../../server/src/destinations/destination.js';
import type { Account } from '../../server/src/load/accounts.js';
import type { SharedPots } from '../../server/src/load/shared-pots.js';

/** Each is small, and not smaller than what one test needs. */
export const BOUNDS = { queuesMax: 16, durableQueuesMax: 16, replyQueuesMax: 16 };

export interface FloodedBroker {
  readonly broker: Broker;
  readonly pots: SharedPots;
  close(): Promise<void>;
}

const FLOOD = 'user:flood';
const OTHER = 'user:other';
const THIRD = 'user:third';
const TIMEOUT_MS = 60_000;
const CONSUMER = { deliver: () => undefined, ended: () => undefined };

export function sharesOfBroker(name: string, start: () => Promise<FloodedBroker>): void {
  describe(`shares: ${name}`, () => {
    let flooded: FloodedBroker;
    let channels: BrokerChannel[] = [];
    beforeAll(async () => void (flooded = await start()), TIMEOUT_MS);
    afterAll(() => flooded.close(), TIMEOUT_MS);

    const send = (account: Account, to = `/queue/${unique('made')}`, headers: Record<string, string> = {}) =>
      publishTo(
        flooded.broker,
        parseDestination(to, 'send'),
        { headers: new Map(Object.entries(headers)), body: Buffer.from('x') },
        { mandatory: false, account },
      );
    const channelOf = (user: string, account: Account): BrokerChannel => {
      const channel = flooded.broker.openChannel!({ sessionId: unique('s'), user, clientId: undefined, account });
      channels.push(channel);
      return channel;
    };
    const consume = (channel: BrokerChannel, to: string, headers: Record<string, string> = {}) =>
      channel.consume(
        parseDestination(to, 'subscribe'),
        { ack: 'client', headers: new Map(Object.entries(headers)), subscriptionId: unique('id') },
        CONSUMER,
      );
    const usedOf = (limit: string): number => flooded.pots.all().find((each) => each.limit.endsWith(`.${limit}`))!.used;
    async function endAll(): Promise<void> {
      await Promise.all(channels.map((channel) => channel.close()));
      channels = [];
    }

    test(
      'queues that one user makes leave queues and replies to others',
      async () => {
        const refusals = await refusedOf(20, () => send(FLOOD));
        expect(refusals.map(({ code }) => code)).toEqual(Array<string>(12).fill('too-many-queues'));
        expect(refusals[0]?.message).toContain('.queuesMax (16)');
        await send(OTHER);
        await consume(channelOf('other', OTHER), `/queue/${unique('jobs')}`);
        const replies = new Inbox<RoutedMessage>('replies');
        const address = await channelOf('other', OTHER).openReplyQueue(replies.add);
        await send(OTHER, `/reply-queue/${address}`);
        expect((await replies.next()).body.toString()).toBe('x');
        await endAll();
      },
      TIMEOUT_MS,
    );

    test(
      'a SEND to a known queue needs no room',
      async () => {
        const queue = `/queue/${unique('known')}`;
        await send(OTHER, queue, { 'x-max-length': '5' });
        const before = usedOf('queuesMax');
        await send(FLOOD, queue, { 'x-max-length': '5' });
        await send(FLOOD, queue);
        await expect(send(FLOOD)).rejects.toMatchObject({ code: 'too-many-queues' });
        expect(usedOf('queuesMax')).toBe(before);
      },
      TIMEOUT_MS,
    );

    test(
      'temporary queues of one user leave replies to others, and their end frees them',
      async () => {
        const flood = channelOf('flood', FLOOD);
        const refusals = await refusedOf(20, () => flood.openReplyQueue(() => undefined));
        expect(refusals).toHaveLength(12);
        expect(refusals[0]?.message).toContain('.replyQueuesMax (16)');
        await channelOf('other', OTHER).openReplyQueue(() => undefined);
        await endAll();
        expect(usedOf('replyQueuesMax')).toBe(0);
      },
      TIMEOUT_MS,
    );

    test(
      'durable subscriptions of one user leave some to others, and a forgotten one frees its place',
      async () => {
        const flood = channelOf('flood', FLOOD);
        const to = `/topic/${unique('durable')}`;
        const made: Awaited<ReturnType<typeof consume>>[] = [];
        const refusals = await refusedOf(20, async () => made.push(await consume(flood, to, { durable: 'true' })));
        expect(refusals.map(({ code }) => code)).toEqual(Array<string>(12).fill('too-many-queues'));
        const other = await consume(channelOf('other', OTHER), to, { durable: 'true' });
        for (const each of [...made, other]) await each.close({ forget: true });
        expect(usedOf('durableQueuesMax')).toBe(0);
        await endAll();
      },
      TIMEOUT_MS,
    );

    test(
      'a queue that ends with its session frees its place',
      async () => {
        const before = usedOf('queuesMax');
        await consume(channelOf('third', THIRD), `/queue/${unique('own')}`, { exclusive: 'true' });
        await consume(channelOf('third', THIRD), `/queue/${unique('own')}`, { 'auto-delete': 'true' });
        expect(usedOf('queuesMax')).toBe(before + 2);
        await endAll();
        expect(usedOf('queuesMax')).toBe(before);
      },
      TIMEOUT_MS,
    );
  });
}

/** Calls one after the other; resolves with the refusals. */
async function refusedOf(times: number, call: () => Promise<unknown>): Promise<{ code: string; message: string }[]> {
  const refusals: { code: string; message: string }[] = [];
  for (let i = 0; i < times; i++) {
    await call().catch((error: unknown) => refusals.push(error as { code: string; message: string }));
  }
  return refusals;
}
