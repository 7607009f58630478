/** Logs of a history rule on RabbitMQ, each as a relay has it, with a sink that records. */
import { randomBytes } from 'node:crypto';
import type { HistoryRule, LogEntry, LogSink, ReadEnd, RecoveryReason } from '../../server/src/brokers/history.js';
import { openLink } from '../../server/src/brokers/rabbitmq/consume/channel-pool.js';
import { streamOf } from '../../server/src/brokers/rabbitmq/history/history-stream.js';
import { StreamLog } from '../../server/src/brokers/rabbitmq/history/stream-log.js';
import { StreamReaders } from '../../server/src/brokers/rabbitmq/history/stream-readers.js';
import { StreamRecords } from '../../server/src/brokers/rabbitmq/history/stream-records.js';
import { MadeQueues } from '../../server/src/brokers/rabbitmq/made-queues.js';
import { NodePatience } from '../../server/src/brokers/rabbitmq/node-patience.js';
import { OwnBindings } from '../../server/src/brokers/rabbitmq/publish/own-bindings.js';
import { Publishers } from '../../server/src/brokers/rabbitmq/publish/publishers.js';
import type { RabbitMqOptions } from '../../server/src/brokers/rabbitmq/rabbitmq-options.js';
import { Topology } from '../../server/src/brokers/rabbitmq/topology.js';
import { eventually } from './deadline.js';
import { DEADLINE_MS, rabbitOptions, TestLog } from './rabbitmq-brokers.js';

const MIB = 1024 * 1024;

export function ruleOf(name: string, more: Partial<HistoryRule> = {}): HistoryRule {
  return { name, match: '/topic/prices.#', maxAgeMs: 900_000, maxBytes: 64 * MIB, ...more };
}

/** Records what a log passes on: bodies, `reset REASON`, and markers as `<id>` where the test wrote them. */
export class RecordingSink implements LogSink {
  readonly entries: LogEntry[] = [];
  readonly events: string[] = [];
  readonly resets: RecoveryReason[] = [];

  entry(entry: LogEntry): void {
    this.entries.push(entry);
    if (entry.message) this.events.push(entry.message.body.toString());
  }

  reset(reason: RecoveryReason): void {
    this.resets.push(reason);
    this.events.push(`reset ${reason}`);
  }

  /** Resolves when the event has been recorded. */
  has(event: string, ms = DEADLINE_MS): Promise<true> {
    return eventually(
      () => (this.events.includes(event) ? true : undefined),
      ms,
      () => `no ${event} among ${this.events.slice(-20).join(', ')}`,
    );
  }

  /** Resolves when the marker has been recorded. */
  hasMarker(id: string): Promise<true> {
    return eventually(
      () => (this.entries.some(({ marker }) => marker === id) ? true : undefined),
      DEADLINE_MS,
      () => `no marker ${id}`,
    );
  }
}

export interface TestHistory {
  readonly log: StreamLog;
  readonly sink: RecordingSink;
  readonly lines: TestLog;
  readonly readers: StreamReaders;
  /** Whether publishers may publish. */
  readonly own: OwnBindings;
  open(): Promise<void>;
  /** Reads from an offset on until `enough` returns true. */
  read(offset: number, enough: (entry: LogEntry) => boolean, signal?: AbortSignal): Promise<ReadOut>;
  close(): Promise<void>;
}

export interface ReadOut {
  readonly entries: readonly LogEntry[];
  readonly end: ReadEnd;
}

export function makeHistory(
  amqpUrl: string,
  rule: HistoryRule,
  overrides: Partial<RabbitMqOptions> = {},
  warmUpMs = 120_000,
): TestHistory {
  const lines = new TestLog();
  const options = rabbitOptions(amqpUrl, { publishChannels: 1, log: lines, ...overrides });
  const [link, asking] = [openLink('subscribe', options), openLink('ask', options, 'anywhere')];
  const topology = new Topology(asking.scratch, new MadeQueues([]), new NodePatience(options.publishTimeoutMs));
  const own = new OwnBindings(5_000, () => Promise.resolve());
  const publishers = new Publishers(topology, own, options);
  const records = new StreamRecords(publishers, options);
  const readers = new StreamReaders(options);
  const kind = rule.match.startsWith('/topic/') ? 'topic' : 'user';
  const bindings =
    kind === 'topic' ? [rule.match.slice('/topic/'.length)] : [`${rule.match.slice('/user/queue/'.length)}.#`];
  const stream = streamOf({ rule, kind, bindings }, options);
  const { exchanges } = topology;
  const ensureExchange = (): Promise<void> =>
    kind === 'user' ? exchanges.ensureOwn(stream.exchange) : exchanges.check(stream.exchange);
  const log = new StreamLog(stream, { link, own, records, readers, ensureExchange, warmUpMs }, options);
  const sink = new RecordingSink();
  return {
    log,
    sink,
    lines,
    readers,
    own,
    open: () => {
      for (const { connection } of [link, asking]) connection.start();
      for (const connection of publishers.connections) connection.start();
      publishers.start();
      return log.open(sink);
    },
    async read(offset, enough, signal = new AbortController().signal) {
      const entries: LogEntry[] = [];
      const end = await log.read(offset, (entry) => (entries.push(entry), !enough(entry)), signal);
      return { entries, end };
    },
    async close() {
      own.close();
      await Promise.all([log.close(), readers.close(), publishers.close()]);
      const connections = [link.connection, asking.connection, ...publishers.connections];
      await Promise.all(connections.map((connection) => connection.close()));
    },
  };
}

/** Each test has a stream of its own. */
export function uniqueRule(more: Partial<HistoryRule> = {}): HistoryRule {
  return ruleOf(`r-${randomBytes(4).toString('hex')}`, more);
}
