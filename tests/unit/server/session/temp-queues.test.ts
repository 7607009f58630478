import { beforeEach, describe, expect, test } from '@jest/globals';
import { Acks } from '../../../../server/src/delivery/acks.js';
import { AutoAcks } from '../../../../server/src/delivery/auto-acks.js';
import { MessageEncoder } from '../../../../server/src/delivery/message-encoder.js';
import type { TempQueue } from '../../../../server/src/destinations/destination.js';
import { parseReplyTo } from '../../../../server/src/destinations/destination.js';
import { ReplyAddresses } from '../../../../server/src/session/reply-addresses.js';
import { SessionCounters } from '../../../../server/src/session/session-counters.js';
import { TempQueues } from '../../../../server/src/session/temp-queues.js';
import { MemoryConnection } from '../../../support/memory-connection.js';
import { routed, ScriptedBroker } from '../../../support/scripted-broker.js';

let broker: ScriptedBroker;
let connection: MemoryConnection;
let queues: TempQueues;
let canDeliver: boolean;
let pressed: number;
let counters: SessionCounters;
beforeEach(() => {
  broker = new ScriptedBroker();
  connection = new MemoryConnection();
  canDeliver = true;
  pressed = 0;
  counters = new SessionCounters();
  const channel = broker.openChannel({ sessionId: 's', user: 'u', clientId: undefined });
  const host = {
    connection,
    outbox: { onBackPressure: () => pressed++ } as never,
    context: { messages: new MessageEncoder('r', 1_000), counters },
    resources: {
      acks: new Acks(),
      autoAcks: new AutoAcks(connection, {} as never),
      replyAddresses: new ReplyAddresses(10),
      later() {},
    },
    onSubscriptionEnded: () => {},
    get canDeliver() {
      return canDeliver;
    },
  };
  queues = new TempQueues(host, '1.2', () => channel, 2);
});

const named = (name: string): TempQueue => parseReplyTo(`/temp-queue/${name}`)!;
const opened = () => broker.channels[0]!.replyQueues;

describe('TempQueues', () => {
  test('opens a queue on first use, and knows it from then on', async () => {
    const first = queues.address(named('a'));
    expect(first).toBeInstanceOf(Promise);
    expect(await first).toBe('/reply-queue/reply-1');
    expect(queues.address(named('a'))).toBe('/reply-queue/reply-1');
    expect(opened()).toHaveLength(1);
  });

  test('opens a queue once even for two concurrent requests', async () => {
    broker.holds.add('openReplyQueue');
    const both = [queues.address(named('a')), queues.address(named('a'))].map((each) => Promise.resolve(each));
    expect(opened()).toHaveLength(1);
    opened()[0]!.opened.grant('here');
    expect(await Promise.all(both)).toEqual(['here', 'here']);
  });

  test('rejects after a failure, and tries again on the next use', async () => {
    broker.holds.add('openReplyQueue');
    const first = queues.address(named('a'));
    opened()[0]!.opened.refuse(new Error('no'));
    await expect(first).rejects.toThrow('no');
    void queues.address(named('a'));
    expect(opened()).toHaveLength(2);
  });

  test('bounds the number of queues', async () => {
    await queues.address(named('a'));
    await queues.address(named('b'));
    expect(() => queues.address(named('c'))).toThrow('at most session.subscriptionsMax (2) temporary queues');
  });

  test('delivers replies with the name of the queue as their subscription', async () => {
    await queues.address(named('a'));
    opened()[0]!.deliver(
      routed('reply', { origin: { kind: 'queue', queue: 'a' }, headers: { 'correlation-id': '7' } }),
    );
    expect(connection.frames[0]).toMatchObject({
      command: 'MESSAGE',
      headers: { subscription: '/temp-queue/a', destination: '/temp-queue/a', 'correlation-id': '7' },
    });
    expect(connection.frames[0]?.headers).not.toHaveProperty('ack');
  });

  test('leaves out replies that are too large; the next reply of the queue has relay-dropped', async () => {
    for (const name of ['a', 'b']) await queues.address(named(name));
    const [a, b] = opened();
    a!.deliver(routed('x'.repeat(1_001)));
    a!.deliver(routed('x'.repeat(990)));
    b!.deliver(routed('other'));
    a!.deliver(routed('1'));
    a!.deliver(routed('2'));
    expect(connection.frames.map(({ body, headers }) => [body.toString(), headers['relay-dropped']])).toEqual([
      ['other', undefined],
      ['1', '2'],
      ['2', undefined],
    ]);
    expect(counters.messagesTooLarge).toBe(2);
  });

  test('reports back-pressure, and writes nothing to a client that cannot be reached', async () => {
    await queues.address(named('a'));
    connection.stall();
    opened()[0]!.deliver(routed('1'));
    expect(pressed).toBe(1);
    canDeliver = false;
    opened()[0]!.deliver(routed('2'));
    expect(connection.frames).toHaveLength(1);
  });
});
