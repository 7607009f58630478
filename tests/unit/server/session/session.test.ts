import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { BrokerError } from '../../../../server/src/brokers/broker.js';
import { frameBytes, PlainEncoding } from '../../../support/memory-connection.js';
import type { MemoryConnection } from '../../../support/memory-connection.js';
import { FRAME_WATCH, Harness, pass, tick, useFakeTime } from './harness.js';
import type { HarnessOptions } from './harness.js';

let harness: Harness;
let client: MemoryConnection;

async function begin(options: HarnessOptions = {}, headers: Record<string, string> = {}): Promise<void> {
  harness = new Harness(options);
  client = await harness.connect(headers);
}

beforeEach(async () => {
  useFakeTime();
  await begin();
});
afterEach(async () => {
  harness.broker.release();
  await tick();
  expect(await harness.leftovers()).toEqual([]);
  jest.useRealTimers();
});

const answers = () => client.summary.slice(1);
const send = (body: string, headers: Record<string, string> = {}) =>
  client.sendFrame('SEND', { destination: '/queue/q', ...headers }, body);
const subscribe = (id: string, destination: string, headers: Record<string, string> = {}) =>
  client.sendFrame('SUBSCRIBE', { id, destination, ...headers });
const published = () => harness.broker.publications.map(({ message }) => message.body.toString());

describe('frames in', () => {
  test('can be split anywhere', async () => {
    const bytes = frameBytes('SEND', { destination: '/queue/q', receipt: 'r' }, 'häß');
    for (const byte of bytes) client.send(Buffer.from([byte]));
    await tick();
    expect(published()).toEqual(['häß']);
    expect(answers()).toEqual(['RECEIPT r']);
  });

  test('of one chunk are handled in order, up to a malformed one', async () => {
    client.send(
      Buffer.concat([
        frameBytes('SEND', { destination: '/queue/q', receipt: 'a' }, '1'),
        frameBytes('SUBSCRIBE', { id: 's', destination: '/topic/a', receipt: 'b' }, ''),
        frameBytes('BEGIN', { transaction: 't', receipt: 'c' }, ''),
        Buffer.from('NONSENSE\n\n\0'),
        frameBytes('SEND', { destination: '/queue/q', receipt: 'd' }, '2'),
      ]),
    );
    await tick();
    expect(published()).toEqual(['1']);
    expect(answers()).toEqual(['RECEIPT a', 'RECEIPT b', 'RECEIPT c', 'ERROR unknown-command']);
  });

  test('wait when the time of a turn is used up: other sessions come first, and no frame is lost', async () => {
    const other = await harness.connect();
    let now = 0;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => now++);
    try {
      const bodies = Array.from({ length: 100 }, (_, i) => String(i));
      client.send(Buffer.concat(bodies.map((body) => frameBytes('SEND', { destination: '/queue/q' }, body))));
      expect(published().length).toBeLessThan(20);
      client.vanish();
      other.sendFrame('SEND', { destination: '/queue/q' }, 'other');
      expect(published().at(-1)).toBe('other');
      while (harness.sessions.size > 1) await tick();
      expect(published().filter((body) => body !== 'other')).toEqual(bodies);
    } finally {
      clock.mockRestore();
    }
  });

  test('with a receipt header get one RECEIPT each', async () => {
    const frames: [string, Record<string, string>][] = [
      ['SUBSCRIBE', { id: 's', destination: '/queue/q', ack: 'client-individual' }],
      ['SEND', { destination: '/queue/q' }],
      ['BEGIN', { transaction: 't' }],
      ['SEND', { destination: '/queue/q', transaction: 't' }],
      ['COMMIT', { transaction: 't' }],
      ['BEGIN', { transaction: 'u' }],
      ['ABORT', { transaction: 'u' }],
      ['UNSUBSCRIBE', { id: 's' }],
      ['DISCONNECT', {}],
    ];
    for (const [index, [command, headers]] of frames.entries()) {
      client.sendFrame(command, { ...headers, receipt: `${index}` });
      await tick();
    }
    expect(answers().sort()).toEqual(frames.map((_, index) => `RECEIPT ${index}`));
  });

  test('that break a rule get an ERROR with their receipt', async () => {
    client.sendFrame('SUBSCRIBE', { id: 's', receipt: 'r' });
    await tick();
    expect(answers()).toEqual(['ERROR missing-header']);
    expect(client.frames.at(-1)?.headers['receipt-id']).toBe('r');
  });
});

describe('ERROR', () => {
  test('has code, reason and receipt, is flushed, and nothing follows', async () => {
    subscribe('s', '/topic/a');
    await tick();
    harness.broker.emit('a', 'before');
    client.sendFrame('ABORT', { transaction: 'x:y', receipt: 'my:receipt' });
    harness.broker.emit('a', 'after');
    await tick();
    expect(answers()).toEqual(['MESSAGE s before', 'ERROR unknown-transaction']);
    const error = client.frames.at(-1)!;
    expect(error.headers).toEqual({
      message: 'unknown transaction',
      code: 'unknown-transaction',
      'content-type': 'text/plain;charset=utf-8',
      'receipt-id': 'my:receipt',
      'content-length': String(error.body.length),
    });
    expect(error.body.toString()).toBe('There is no open transaction "x:y": BEGIN it first.');
    expect(client.closed).toEqual({ code: 4400, reason: 'unknown transaction' });
    expect(harness.counters.errors).toEqual({ 'unknown-transaction': 1 });
  });

  test('of the parser has the receipt of its frame if it could be read', async () => {
    client.send('SEND\nreceipt:r\nno colon\n\n\0');
    await tick();
    expect(client.frames.at(-1)?.headers).toMatchObject({ code: 'malformed-frame', 'receipt-id': 'r' });
    expect(client.closed?.code).toBe(1002);
  });

  test('for an unexpected failure reveals nothing to the client; the log has the failure', async () => {
    harness.broker.refusal = new TypeError('secret of the inside');
    send('x');
    await tick();
    expect(answers()).toEqual(['ERROR internal-error']);
    expect(client.frames.at(-1)?.raw.toString()).not.toContain('secret');
    expect(harness.logged.splice(0)).toHaveLength(1);
  });

  test('is sent once, for the first of two failures', async () => {
    harness.broker.holds.add('publish');
    send('1', { receipt: '1' });
    send('2', { receipt: '2' });
    for (const { confirm } of harness.broker.publications) confirm.refuse(new BrokerError('publish-refused', 'Full.'));
    await tick();
    expect(answers()).toEqual(['ERROR publish-refused']);
    expect(client.frames.at(-1)?.headers['receipt-id']).toBe('1');
  });

  test('during a pending SUBSCRIBE leaves no subscription', async () => {
    harness.broker.holds.add('subscribe');
    harness.broker.holds.add('publish');
    send('1');
    subscribe('s', '/topic/a', { receipt: 'r' });
    harness.broker.publications[0]?.confirm.refuse(new BrokerError('publish-refused', 'Full.'));
    await tick();
    const [subscription] = harness.broker.subscriptions;
    subscription?.live.grant(subscription);
    await tick();
    expect(answers()).toEqual(['ERROR publish-refused']);
    expect(harness.broker.openSubscriptions).toEqual([]);
    expect(harness.groups.size).toBe(0);
  });

  test('at the moment when a SUBSCRIBE becomes live leaves no group', async () => {
    harness.broker.holds.add('subscribe');
    harness.broker.holds.add('publish');
    for (let depth = 0; depth < 12; depth++) {
      const each = await harness.connect();
      each.sendFrame('SEND', { destination: '/queue/q' });
      each.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a', receipt: 'r' });
      const subscription = harness.broker.subscriptions.at(-1)!;
      subscription.live.grant(subscription);
      for (let i = 0; i < depth; i++) await Promise.resolve();
      harness.broker.publications.at(-1)!.confirm.refuse(new BrokerError('publish-refused', 'Full.'));
      await tick();
      expect(each.summary.at(-1)).toBe('ERROR publish-refused');
      expect(harness.groups.size).toBe(0);
    }
  });
});

describe('a client that has gone', () => {
  test('has its earlier frames handled before its session ends', async () => {
    harness.broker.holds.add('prepare');
    send('1');
    send('2');
    client.vanish();
    await tick();
    expect(harness.sessions.size).toBe(1);
    harness.broker.preparations[0]?.grant();
    await tick();
    harness.broker.preparations[1]?.grant();
    await tick();
    expect(published()).toEqual(['1', '2']);
    expect(harness.sessions.size).toBe(0);
  });

  test('has its SENDs behind a SUBSCRIBE published', async () => {
    harness.broker.holds.add('subscribe');
    subscribe('s', '/topic/a');
    subscribe('t', '/topic/b');
    client.sendFrame('UNSUBSCRIBE', { id: 's' });
    client.sendFrame('UNSUBSCRIBE', { id: 't' });
    send('1');
    client.sendFrame('DISCONNECT', { receipt: 'r' });
    client.vanish();
    await tick();
    expect(published()).toEqual([]);
    harness.broker.subscriptions[0]?.live.grant(harness.broker.subscriptions[0]);
    await tick();
    expect(published()).toEqual(['1']);
    expect(harness.broker.subscriptions).toHaveLength(1);
    expect(harness.broker.openSubscriptions).toEqual([]);
    expect(harness.sessions.size).toBe(0);
    expect(harness.counters.errors).toEqual({});
  });

  test('can still acknowledge, and forget a durable subscription', async () => {
    client.vanish();
    client = await harness.connect({ login: 'ann' });
    subscribe('d', '/topic/a', { durable: 'true', ack: 'client' });
    await tick();
    harness.broker.consumer('/topic/a').deliver('1');
    const id = client.frames.at(-1)?.headers['ack'] ?? '';
    harness.broker.holds.add('subscribe');
    subscribe('s', '/topic/b');
    client.sendFrame('ACK', { id });
    client.sendFrame('UNSUBSCRIBE', { id: 'd', durable: 'true' });
    client.vanish();
    harness.broker.subscriptions[0]?.live.grant(harness.broker.subscriptions[0]);
    await tick();
    expect(harness.broker.settled).toEqual(['ack 1']);
    expect(harness.broker.consumer('/topic/a').closedWith).toEqual({ forget: true });
    expect(harness.sessions.size).toBe(0);
  });

  test('has no SEND published behind a refused one', async () => {
    harness.broker.holds.add('prepare');
    send('1');
    send('2');
    client.vanish();
    harness.broker.preparations[0]?.refuse(new BrokerError('broker-unavailable', 'Away.'));
    await tick();
    expect(published()).toEqual([]);
    expect(harness.sessions.size).toBe(0);
  });

  test('leaves its groups at once, and keeps no channel', async () => {
    subscribe('s', '/topic/a');
    subscribe('q', '/queue/q');
    await tick();
    client.vanish();
    await tick();
    expect(await harness.leftovers()).toEqual([]);
    expect(harness.broker.channels[0]?.isClosed).toBe(true);
  });

  test('during a pending SUBSCRIBE with its own consumer keeps no channel', async () => {
    harness.broker.holds.add('consume');
    subscribe('q', '/queue/q');
    client.vanish();
    const consumer = harness.broker.consumer('/queue/q');
    const delivery = consumer.deliver('early');
    consumer.live.grant(consumer);
    await tick();
    expect(delivery.outcome).toBeUndefined();
    expect(harness.broker.openChannels).toEqual([]);
    expect(harness.sessions.size).toBe(0);
  });
});

describe('back-pressure on the client', () => {
  test('pauses reading while too many SENDs wait, and resumes it', async () => {
    harness.broker.holds.add('prepare');
    for (let i = 0; i < 11; i++) send(String(i));
    expect(client.isPaused).toBe(false);
    send('11');
    expect(client.isPaused).toBe(true);
    harness.broker.preparations[0]?.grant();
    await tick();
    expect(client.isPaused).toBe(false);
  });

  test('pauses reading while SENDs with too many bytes wait', () => {
    harness.broker.holds.add('prepare');
    send('head');
    send('x'.repeat(900_000));
    expect(client.isPaused).toBe(false);
    send('x'.repeat(110_000));
    expect(client.isPaused).toBe(true);
  });

  test('does not delay frames that were read', async () => {
    subscribe('s', '/queue/in', { ack: 'client' });
    await tick();
    harness.broker.consumer('/queue/in').deliver('1');
    harness.broker.holds.add('prepare');
    for (let i = 0; i < 12; i++) send(String(i));
    expect(client.isPaused).toBe(true);
    client.sendFrame('ACK', { id: client.frames.at(-1)?.headers['ack'] ?? '' });
    client.sendFrame('UNSUBSCRIBE', { id: 's', receipt: 'r' });
    await tick();
    expect(harness.broker.settled).toEqual(['ack 1']);
    expect(answers().at(-1)).toBe('RECEIPT r');
  });

  test('delays even frames that were read while twice as many SENDs wait', async () => {
    harness.broker.holds.add('prepare');
    const bodies = Array.from({ length: 60 }, (_, i) => String(i));
    client.send(
      Buffer.concat([
        ...bodies.map((body) => frameBytes('SEND', { destination: '/queue/q' }, body)),
        frameBytes('BEGIN', { transaction: 't', receipt: 'r' }, ''),
      ]),
    );
    expect(harness.counters.framesIn['SEND']).toBe(22);
    harness.broker.release();
    while (answers().length === 0) await tick();
    expect(published()).toEqual(bodies);
    expect(answers()).toEqual(['RECEIPT r']);
    expect(client.isPaused).toBe(false);
  });

  test('pauses reading while too many bytes wait behind a pending frame', async () => {
    harness.broker.holds.add('subscribe');
    subscribe('s', '/topic/a');
    send('x'.repeat(16_000));
    expect(client.isPaused).toBe(false);
    send('x'.repeat(1_000));
    expect(client.isPaused).toBe(true);
    harness.broker.subscriptions[0]?.live.grant(harness.broker.subscriptions[0]);
    await tick();
    expect(client.isPaused).toBe(false);
    expect(published()).toHaveLength(2);
  });

  test('never pauses a session that sends nothing', async () => {
    const other = await harness.connect();
    harness.broker.holds.add('prepare');
    for (let i = 0; i < 20; i++) send(String(i));
    other.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a', receipt: 'r' });
    await tick();
    expect(other.isPaused).toBe(false);
    expect(other.summary.at(-1)).toBe('RECEIPT r');
  });
});

describe('heart-beats', () => {
  test('are sent as separate EOLs at the negotiated interval', async () => {
    await begin({}, { 'heart-beat': '0,20000' });
    const writes = client.writes.length;
    await pass(20_000);
    expect(client.beats).toBe(1);
    expect(client.writes.slice(writes).map(String)).toEqual(['\n']);
  });

  test('use the encoding of the connection, as text', async () => {
    const encoding = new PlainEncoding('beats');
    await harness.connect({ 'heart-beat': '0,1000' }, { encoding });
    await pass(11_000);
    expect(encoding.wrapped.at(-1)).toEqual({ frame: Buffer.from('\n'), isText: true });
  });

  test.each(['an EOL', 'half a frame', 'a pong'])(
    '%s counts as a sign of life; silence ends the session',
    async (sign) => {
      await begin({ session: { frameTimeoutMs: 3_600_000 } }, { 'heart-beat': '10000,0' });
      for (let i = 0; i < 5; i++) {
        await pass(15_000);
        if (sign === 'a pong') client.listener.onAlive();
        else client.send(sign === 'an EOL' ? '\n' : i === 0 ? 'SEND\nx:' : 'y');
      }
      expect(answers()).toEqual([]);
      await pass(20_200);
      expect(answers()).toEqual(['ERROR heart-beat-timeout']);
      expect(client.closed?.code).toBe(4408);
    },
  );

  test('are not missed while the relay does not read from the client, nor right after', async () => {
    await begin({ session: { sendQueueMaxCount: 1 } }, { 'heart-beat': '10000,0' });
    harness.broker.holds.add('prepare');
    for (let i = 0; i < 3; i++) send(String(i));
    expect(client.isPaused).toBe(true);
    await pass(59_900);
    harness.broker.preparations[0]?.grant();
    await tick();
    expect(client.isPaused).toBe(false);
    await pass(19_000);
    expect(answers()).toEqual([]);
    await pass(1_200);
    expect(answers()).toEqual(['ERROR heart-beat-timeout']);
  });

  test('are optional: without them a silent session stays', async () => {
    await pass(3_600_000);
    expect(answers()).toEqual([]);
    expect(harness.timers.size).toBe(FRAME_WATCH);
  });

  test('end with the session', async () => {
    await begin({}, { 'heart-beat': '10000,10000' });
    expect(harness.timers.size).toBe(2 + FRAME_WATCH);
    client.sendFrame('DISCONNECT');
    await tick();
    expect(harness.timers.size).toBe(0);
  });
});

describe('slow consumers', () => {
  const large = 'x'.repeat(6_000);

  test('that read too little get ERROR and are closed; another client is not affected', async () => {
    const other = await harness.connect();
    for (const each of [client, other]) each.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a' });
    await tick();
    client.stall();
    for (let i = 0; i < 5; i++) {
      harness.broker.emit('a', large);
      await tick();
    }
    expect(client.closed).toBeUndefined();
    harness.broker.emit('a', large);
    await tick();
    expect(client.summary.at(-1)).toBe('ERROR slow-consumer');
    expect(client.closed?.code).toBe(4409);
    expect(harness.counters.slowConsumers).toBe(1);
    expect(other.frames).toHaveLength(7);
    expect(other.closed).toBeUndefined();
  });

  test('that read nothing for too long get ERROR even if only a few bytes wait', async () => {
    subscribe('s', '/topic/a');
    await tick();
    client.stall();
    harness.broker.emit('a', 'x');
    await tick();
    await pass(harness.options.outboxStallMs + 200);
    expect(answers().at(-1)).toBe('ERROR slow-consumer');
  });

  test('that do not even read heart-beats get ERROR', async () => {
    await begin({}, { 'heart-beat': '0,20000' });
    client.stall();
    await pass(20_000 + harness.options.outboxStallMs + 200);
    expect(answers().at(-1)).toBe('ERROR slow-consumer');
  });

  test('that do not read their RECEIPTs cannot fill the memory', async () => {
    client.stall();
    for (let i = 0; i < 1_000 && !client.closed; i++) {
      client.sendFrame('BEGIN', { transaction: 't', receipt: 'x'.repeat(200) });
      client.sendFrame('ABORT', { transaction: 't' });
      await Promise.resolve();
    }
    expect(client.summary.at(-1)).toBe('ERROR slow-consumer');
    expect(client.frames.length).toBeLessThan(60);
  });

  test('of the same groups in the same tick get all earlier messages before their ERROR', async () => {
    await begin({ session: { outboxMaxBytes: 100 } });
    const clients = [client];
    for (let i = 0; i < 20; i++) clients.push(await harness.connect());
    for (const each of clients) {
      for (const topic of ['a', 'b', 'c']) each.sendFrame('SUBSCRIBE', { id: topic, destination: `/topic/${topic}` });
    }
    await tick();
    for (const each of clients) each.stall();
    for (let i = 0; i < 2; i++) {
      for (const topic of ['a', 'b', 'c']) harness.broker.emit(topic, 'x'.repeat(120));
      await tick();
    }
    for (const each of clients) {
      const [, ...rest] = each.frames.map(({ command, headers }) => headers['subscription'] ?? command);
      expect(rest.at(-1)).toBe('ERROR');
      expect(rest.sort()).toEqual(['ERROR', 'a', 'a', 'b', 'b', 'c', 'c']);
    }
    expect(harness.sessions.size).toBe(0);
  });
});

describe('bytes out', () => {
  test('are marked as text or binary, frame by frame', async () => {
    const encoding = new PlainEncoding('text');
    client = await harness.connect({}, { encoding });
    subscribe('s', '/topic/a');
    await tick();
    harness.broker.emit('a', 'text');
    await tick();
    expect(encoding.wrapped.map(({ isText }) => isText)).toEqual([true, true]);
    client.sendFrame('NONSENSE');
    expect(encoding.wrapped.at(-1)?.isText).toBe(true);
  });

  test('and bytes in are counted', async () => {
    const before = harness.counters.bytesIn;
    client.send('\n\n');
    expect(harness.counters.bytesIn).toBe(before + 2);
    subscribe('s', '/topic/a');
    await tick();
    harness.broker.emit('a', 'x');
    await tick();
    expect(harness.counters.messagesOut).toBe(1);
    expect(harness.counters.messageBytesOut).toBe(client.writes.at(-1)?.length);
    expect(harness.counters.framesIn).toEqual({ CONNECT: 1, SUBSCRIBE: 1 });
  });
});
