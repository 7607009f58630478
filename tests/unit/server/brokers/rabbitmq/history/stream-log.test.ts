/** The log of a history on channels that the test controls. */
import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Channel, ConsumeMessage } from 'amqplib';
import { BrokerError } from '../../../../../../server/src/brokers/broker.js';
import type { Link } from '../../../../../../server/src/brokers/rabbitmq/consume/channel-pool.js';
import { streamOf } from '../../../../../../server/src/brokers/rabbitmq/history/history-stream.js';
import { StreamLog } from '../../../../../../server/src/brokers/rabbitmq/history/stream-log.js';
import type { StreamReaders } from '../../../../../../server/src/brokers/rabbitmq/history/stream-readers.js';
import type { StreamRecords } from '../../../../../../server/src/brokers/rabbitmq/history/stream-records.js';
import type { KeepingStream, OwnBindings } from '../../../../../../server/src/brokers/rabbitmq/publish/own-bindings.js';
import { rabbitOptions, TestLog } from '../../../../../support/rabbitmq-brokers.js';

type OnMessage = (message: ConsumeMessage | null) => void;

/** A channel of the log. */
class LiveChannel extends EventEmitter {
  readonly calls: string[] = [];
  private deliver: OnMessage = () => undefined;
  private tag = 0;

  prefetch(count: number): Promise<void> {
    return Promise.resolve(void this.calls.push(`prefetch ${count}`));
  }
  consume(_: string, deliver: OnMessage, { arguments: given }: { arguments: Record<string, unknown> }): Promise<void> {
    this.deliver = deliver;
    return Promise.resolve(void this.calls.push(`consume ${String(given['x-stream-offset'])}`));
  }
  ack({ fields }: ConsumeMessage, upTo: boolean): void {
    this.calls.push(`ack ${upTo ? 'up to ' : ''}${fields.deliveryTag}`);
  }
  close(): Promise<void> {
    this.emit('close');
    return Promise.resolve();
  }

  send(offset: number, body: string, more: { exchange?: string; headers?: object } = {}): void {
    const { exchange = 'amq.topic', headers = {} } = more;
    const fields = { deliveryTag: ++this.tag, redelivered: false, exchange, routingKey: 'k', consumerTag: 'c' };
    const properties = { headers: { 'x-stream-offset': offset, ...headers } };
    this.deliver({ fields, properties, content: Buffer.from(body) } as unknown as ConsumeMessage);
  }
  cancel(): void {
    this.deliver(null);
  }
}

const rule = { name: 'prices', match: '/topic/k', maxAgeMs: 1_000, maxBytes: 1024 * 1024 };
let channels: LiveChannel[];
/** Requests on scratch channels. */
let asked: string[];
/** The answers to questions with `first` and `last`: the offsets of the entries that are delivered. */
let found: Record<'first' | 'last', number[]>;
let declare: () => Promise<unknown>;
let marks: string[];
let mark: () => Promise<void>;
let events: string[];
let unbound: Set<KeepingStream>;
let lines: TestLog;
let connection: EventEmitter & { current: object | undefined };
let log: StreamLog;

const settle = async (): Promise<void> => {
  for (let i = 0; i < 10; i++) await new Promise(setImmediate);
};
const now = (): LiveChannel => channels.at(-1)!;

/** A scratch channel. */
const scratchChannel = {
  assertQueue: () => (asked.push('declare'), declare()),
  checkQueue: () => (asked.push('check'), Promise.resolve({})),
  bindQueue: () => Promise.resolve(void asked.push('bind')),
  prefetch: () => Promise.resolve(),
  cancel: () => Promise.resolve(),
  ack: () => undefined,
  consume: (_: string, deliver: OnMessage, options: { arguments: { 'x-stream-offset': 'first' | 'last' } }) => {
    const from = options.arguments['x-stream-offset'];
    asked.push(`look at ${from}`);
    for (const offset of found[from]) {
      const properties = { headers: { 'x-stream-offset': offset } };
      deliver({ fields: { deliveryTag: 1 }, properties, content: Buffer.alloc(0) } as unknown as ConsumeMessage);
    }
    return Promise.resolve({ consumerTag: 's' });
  },
};

function makeLog(): StreamLog {
  const model = {
    createChannel: () => {
      channels.push(new LiveChannel());
      return Promise.resolve(now());
    },
  };
  const listen = (listener: { up?(): void; down?(): void }) => {
    connection.on('up', () => listener.up?.());
    connection.on('down', () => listener.down?.());
    return () => undefined;
  };
  connection = Object.assign(new EventEmitter(), { current: model, listen });
  const scratch = { run: (work: (channel: Channel) => unknown) => work(scratchChannel as unknown as Channel) };
  const own = {
    report: (_: object, isWhole: boolean) => void events.push(isWhole ? 'bound' : 'unbound'),
    reportStream: (stream: KeepingStream, isBound: boolean) => (isBound ? unbound.delete(stream) : unbound.add(stream)),
    reportGap: () => undefined,
  };
  const parts = {
    link: { connection, scratch } as unknown as Link,
    own: own as unknown as OwnBindings,
    records: { mark: (_: string, id: string) => (marks.push(id), mark()) } as unknown as StreamRecords,
    readers: {} as StreamReaders,
    ensureExchange: () => Promise.resolve(),
    warmUpMs: 60_000,
  };
  const options = rabbitOptions('amqp://unused', { log: lines, instanceInFlightMaxBytes: 100 });
  return new StreamLog(streamOf({ rule, kind: 'topic', bindings: ['k'] }, options), parts, options);
}

let opening: Promise<string>;
function open(): Promise<string> {
  const opened = log.open({
    entry: ({ offset, message, marker }) => {
      events.push(
        message ? `${offset} ${message.body.toString()}` : `${offset} <${marker === marks[0] ? '1' : marker}>`,
      );
    },
    reset: (reason) => void events.push(`reset ${reason}`),
  });
  return opened.then(
    () => 'open',
    (error: BrokerError) => error.code,
  );
}

beforeEach(async () => {
  jest.useFakeTimers({ doNotFake: ['setImmediate', 'queueMicrotask', 'nextTick'] });
  [channels, asked, marks, events] = [[], [], [], []];
  unbound = new Set();
  found = { first: [0], last: [100] };
  declare = mark = () => Promise.resolve();
  lines = new TestLog();
  log = makeLog();
  opening = open();
  await settle();
});
afterEach(async () => {
  await log.close();
  jest.useRealTimers();
});

/** The log has passed entries 5 and 6 on. */
async function live(): Promise<void> {
  now().send(5, '', { exchange: '', headers: { 'relay-history-marker': marks[0] } });
  now().send(6, 'a');
  await settle();
  events.splice(0);
  asked.splice(0);
}

async function reconnect(): Promise<void> {
  now().emit('close');
  await jest.advanceTimersByTimeAsync(1_000);
  await settle();
}

test('declares and binds the stream, and consumes it from the warm-up on', () => {
  expect(asked).toEqual(['declare', 'bind']);
  expect(now().calls).toEqual(['prefetch 1000', 'consume 60s']);
  expect(events).toEqual(['bound']);
});

test('is open when its own marker has come: everything before it is the warm-up', async () => {
  expect(marks).toHaveLength(1);
  let isOpen = false;
  void opening.then(() => (isOpen = true));
  now().send(4, 'old');
  await settle();
  expect(isOpen).toBe(false);
  now().send(5, '', { exchange: '', headers: { 'relay-history-marker': marks[0] } });
  expect(await opening).toBe('open');
  expect(events).toEqual(['bound', '4 old', '5 <1>']);
});

test('a marker that RabbitMQ does not take is written again', async () => {
  await log.close();
  mark = () => Promise.reject(new BrokerError('broker-unavailable', 'blocked'));
  marks = [];
  log = makeLog();
  void open();
  await settle();
  await jest.advanceTimersByTimeAsync(1_000);
  await settle();
  expect(marks.length).toBe(2);
  expect(marks[1]).toBe(marks[0]);
});

test('acknowledges in batches, and never consumes without acks', async () => {
  now().calls.splice(0);
  for (let offset = 1; offset <= 3; offset++) now().send(offset, 'x');
  await settle();
  expect(now().calls).toEqual(['ack up to 3']);
});

describe('after a lost channel', () => {
  beforeEach(live);

  test('continues behind the last entry, which must come again', async () => {
    await reconnect();
    expect(now().calls).toEqual(['prefetch 1000', 'consume 6']);
    now().send(6, 'a');
    now().send(7, 'b');
    await jest.advanceTimersByTimeAsync(10_000);
    expect(events).toEqual(['bound', '7 b', 'bound']);
  });

  test.each([
    ['another entry there', 6, 'other', 'other-history'],
    ['a later entry', 9, 'a', 'too-old'],
  ])('%s: reset, and the warm-up again', async (_, offset, body, reason) => {
    await reconnect();
    events.splice(0);
    const before = now();
    before.send(offset, body);
    before.send(offset + 1, 'late');
    await jest.advanceTimersByTimeAsync(1_000);
    await settle();
    expect(events.filter((event) => event !== 'bound')).toEqual([`reset ${reason}`]);
    expect(now().calls[1]).toBe('consume 60s');
    now().send(2, 'new');
    expect(events.at(-1)).toBe('2 new');
  });

  test('nothing for 5 s, and the stream is shorter: reset', async () => {
    await reconnect();
    events.splice(0);
    found.last = [1, 2];
    await jest.advanceTimersByTimeAsync(5_000);
    await jest.advanceTimersByTimeAsync(2_000);
    await settle();
    expect(events.filter((event) => event !== 'bound')).toEqual(['reset other-history']);
    expect(now().calls[1]).toBe('consume 60s');
  });

  test('nothing for 5 s, and the stream is as long: the proof is tried again', async () => {
    await reconnect();
    const silent = now();
    events.splice(0);
    found.last = [5, 6, 7];
    await jest.advanceTimersByTimeAsync(5_000);
    await jest.advanceTimersByTimeAsync(2_000);
    await settle();
    expect(now()).not.toBe(silent);
    expect(now().calls[1]).toBe('consume 6');
    now().send(6, 'a');
    now().send(7, 'b');
    expect(events.filter((event) => event !== 'bound')).toEqual(['7 b']);
  });

  test('publishers wait for the binding after an outage, and not after a closed channel', async () => {
    await reconnect();
    expect(events).toEqual(['bound']);
    connection.emit('down');
    expect(events).toEqual(['bound', 'unbound']);
  });
});

describe('RabbitMQ ends the consumer', () => {
  beforeEach(live);

  test('the stream is gone: it is declared again, after a reset', async () => {
    found.last = [];
    now().cancel();
    await jest.advanceTimersByTimeAsync(4_000);
    await settle();
    expect(asked).toEqual(['declare', 'bind', 'look at last']);
    expect(events).toEqual(['unbound', 'bound', 'reset other-history']);
    expect(now().calls[1]).toBe('consume 60s');
  });

  test('the stream is still there: the log continues', async () => {
    now().cancel();
    await jest.advanceTimersByTimeAsync(1_000);
    await settle();
    expect(now().calls[1]).toBe('consume 6');
    now().send(6, 'a');
    expect(events).toEqual(['unbound', 'bound']);
  });
});

describe('a jump in the offsets', () => {
  beforeEach(live);

  test('is passed if the first offset in the stream explains it', async () => {
    now().send(8, 'b');
    now().send(9, 'c');
    await settle();
    expect(asked).toEqual(['look at first']);
    expect(events).toEqual(['8 b', '9 c']);
  });

  test('resets the log if retention has overtaken it', async () => {
    found.first = [8];
    now().send(8, 'b');
    await settle();
    expect(events).toEqual(['reset too-old', '8 b']);
  });

  test('too much during the question: the log is consumed again from its last entry on', async () => {
    found.first = [];
    now().send(8, 'x'.repeat(60));
    now().send(9, 'x'.repeat(60));
    await jest.advanceTimersByTimeAsync(1_000);
    await settle();
    expect(events.filter((event) => event !== 'bound')).toEqual([]);
    expect(now().calls[1]).toBe('consume 6');
  });
});

test('reopen opens another consumer', async () => {
  await live();
  const before = now();
  log.reopen();
  await jest.advanceTimersByTimeAsync(1_000);
  await settle();
  expect(now()).not.toBe(before);
  expect(now().calls[1]).toBe('consume 6');
});

test('binds again every 10 s, and warns once about other limits', async () => {
  await live();
  await jest.advanceTimersByTimeAsync(20_000);
  expect(asked).toEqual(['bind', 'bind']);
  declare = () => Promise.reject(Object.assign(new Error('inequivalent'), { code: 406 }));
  await reconnect();
  await reconnect();
  expect(lines.lines.filter((line) => line.includes('exists with other limits'))).toHaveLength(1);
  expect(now().calls[1]).toBe('consume 6');
});

test('a refusal rejects open, and the next call waits on', async () => {
  await log.close();
  declare = () => Promise.reject(Object.assign(new Error('no'), { code: 403 }));
  log = makeLog();
  marks = [];
  expect(await open()).toBe('access-refused');
  declare = () => Promise.resolve();
  const later = open();
  await jest.advanceTimersByTimeAsync(2_000);
  await settle();
  now().send(5, '', { exchange: '', headers: { 'relay-history-marker': marks[0] } });
  expect(await later).toBe('open');
});

const DOWN = `Operation failed: QueueDeclare; 404 (NOT-FOUND) with message "NOT_FOUND - home node 'n' of durable queue is down"`;
const nodeIsDown = (): Promise<never> => Promise.reject(Object.assign(new Error(DOWN), { code: 404 }));

test.each<[string, () => Promise<unknown>, string[]]>([
  ['wait while RabbitMQ does not know the stream again', nodeIsDown, ['unbound']],
  [
    'do not wait for a stream that RabbitMQ refuses',
    () => Promise.reject(Object.assign(new Error('no'), { code: 403 })),
    ['unbound', 'bound', 'bound'],
  ],
])('after an outage, publishers %s', async (_, answer, expected) => {
  await live();
  connection.emit('down');
  declare = answer;
  await reconnect();
  expect(events.slice(0, 3)).toEqual(expected);
  // The longest wait ends: only its own messages are refused
  const [stream] = unbound;
  const keeps = (exchange: string, key: string) => stream!.keeps({ exchange, key });
  expect([keeps('amq.topic', 'k'), keeps('amq.topic', 'other'), keeps('other', 'k')]).toEqual([true, false, false]);
  expect(stream!.refusal()).toMatchObject({ code: 'broker-unavailable', message: expect.stringContaining('prices') });
  declare = () => Promise.resolve();
  await reconnect();
  expect(events.at(-1)).toBe('bound');
  expect(unbound.size).toBe(0);
});

test('a stream that is not bound yet is reported, and a closed log reports none', async () => {
  await log.close();
  declare = nodeIsDown;
  log = makeLog();
  void open();
  await settle();
  expect(unbound.size).toBe(1);
  await log.close();
  expect(unbound.size).toBe(0);
});

test('a node that is down rejects nothing: the log waits for it', async () => {
  await log.close();
  declare = nodeIsDown;
  log = makeLog();
  marks = [];
  events = [];
  const later = open();
  await settle();
  declare = () => Promise.resolve();
  await jest.advanceTimersByTimeAsync(2_000);
  await settle();
  now().send(5, '', { exchange: '', headers: { 'relay-history-marker': marks[0] } });
  expect(await later).toBe('open');
});

test('close rejects an open log that waits', async () => {
  await log.close();
  expect(await opening).toBe('broker-unavailable');
});
