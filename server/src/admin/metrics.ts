/**
 * Prometheus metrics, with a registry for each relay. The components count in plain numbers, and only a scrape reads
 * them. Therefore nothing here is on a hot path.
 */
import { performance } from 'node:perf_hooks';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Aggregator } from 'prom-client';
import { addLimitMetrics } from './limit-metrics.js';
import type { MeasuredLimits } from './limit-metrics.js';

/** Current values; counters never decrease. */
export interface MetricSources {
  sessions(): number;
  connections(): { readonly websocket: number; readonly tcp: number };
  readonly counters: {
    /** Frames by STOMP command. */
    readonly framesIn: Readonly<Record<string, number>>;
    /** ERROR frames by code. */
    readonly errors: Readonly<Record<string, number | undefined>>;
    readonly messagesOut: number;
    readonly bytesIn: number;
    readonly messageBytesOut: number;
    readonly slowConsumers: number;
    readonly unknownUnsubscribes: number;
    /** By policy. */
    readonly dropped: Readonly<Record<string, number | undefined>>;
    readonly messagesTooLarge: number;
    readonly slowMembers: number;
    readonly sendBytesWaiting: number;
  };
  readonly http: {
    /** By result. */
    readonly counters: { readonly messages: Readonly<Record<string, number>>; readonly streamEvents: number };
    readonly streams: { readonly size: number };
  };
  readonly load: { readonly lagMs: number; readonly isOverloaded: boolean; readonly overloads: number };
  readonly memory: {
    usedBytes(): number;
    readonly maxBytes: number;
    readonly paused: number;
    readonly pauses: number;
    readonly endings: number;
  };
  readonly admissionQueue: { readonly waiting: number; readonly rejected: number };
  readonly broker: {
    readonly isUp: boolean;
    readonly gauges?: BrokerNumbers | undefined;
    readonly alarm?: { readonly reason: string | undefined; readonly count: number } | undefined;
  };
  readonly limits: MeasuredLimits;
  droppedLogLines(): number;
}

interface BrokerNumbers {
  readonly unconfirmed: number;
  readonly pendingBindings: number;
  readonly gaps?: number;
  readonly silentQueues?: number;
  readonly queueRepairs?: number;
  readonly history?: HistoryNumbers | undefined;
  readonly lanes?: LaneNumbers | undefined;
}

interface LaneNumbers {
  readonly messages: number;
  readonly batches: number;
  readonly unreadable: number;
}

interface HistoryNumbers {
  readonly recovered: number;
  /** By reason. */
  readonly refused: Readonly<Record<string, number | undefined>>;
  readonly interrupted: Readonly<Record<string, number | undefined>>;
  readonly replayed: number;
  readonly gaps: number;
  readonly readers: number;
  readonly ringBytes: number;
}

export interface Metrics {
  readonly contentType: string;
  /** Resolves with the metrics in Prometheus' text format. */
  text(): Promise<string>;
  /** Resolves with the metrics as plain objects, so that those of several workers can be added. */
  values(): Promise<MetricValues[]>;
}

/** One metric with all its labels; workers send it to the primary process. */
export type MetricValues = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number];

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry }); // CPU, memory, garbage collection and lag of the process

  /** `aggregator` combines the values of several workers. */
  const gauge = (name: string, help: string, read: () => number, aggregator: Aggregator = 'sum') =>
    void new Gauge({
      aggregator,
      name: `stomp_relay_${name}`,
      help,
      registers: [registry],
      collect() {
        this.set(read());
      },
    });
  const counter = (name: string, help: string, read: () => number) =>
    void new Counter({
      name: `stomp_relay_${name}_total`,
      help,
      registers: [registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  const counters = (
    name: string,
    help: string,
    label: string,
    read: () => Readonly<Record<string, number | undefined>>,
  ) =>
    new Counter({
      name: `stomp_relay_${name}_total`,
      help,
      labelNames: [label],
      registers: [registry],
      collect() {
        this.reset();
        for (const [value, count = 0] of Object.entries(read())) this.inc({ [label]: value }, count);
      },
    });

  gauge('sessions', 'STOMP sessions, including those that are connecting', () => sources.sessions());
  new Gauge({
    name: 'stomp_relay_connections',
    help: 'Open client connections',
    labelNames: ['transport'],
    registers: [registry],
    collect() {
      for (const [transport, count] of Object.entries(sources.connections())) this.set({ transport }, count);
    },
  });
  addFrameMetrics(sources, gauge, counter, counters);
  addMissedMetrics(sources, gauge, counter, counters);
  addHttpMetrics(sources, gauge, counter, counters);
  addLoadMetrics(sources, gauge, counter);
  addMemoryMetrics(sources, gauge, counter);
  addBrokerMetrics(sources, gauge, counter);
  addHistoryMetrics(sources, registry, gauge, counter);
  addLimitMetrics(sources.limits, registry);
  counter(...DROPPED_LOG_LINES, () => sources.droppedLogLines());

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    values: () => registry.getMetricsAsJSON(),
  };
}

/** Name and help; workers and the primary process each have this counter. */
const DROPPED_LOG_LINES = ['log_lines_dropped', 'Log lines dropped because stderr was too slow'] as const;

type AddGauge = (name: string, help: string, read: () => number, aggregator?: Aggregator) => void;
type AddCounter = (name: string, help: string, read: () => number) => void;
type AddCounters = (
  name: string,
  help: string,
  label: string,
  read: () => Readonly<Record<string, number | undefined>>,
) => void;

function addFrameMetrics(sources: MetricSources, gauge: AddGauge, counter: AddCounter, counters: AddCounters): void {
  counters('frames_received', 'STOMP frames from clients', 'command', () => sources.counters.framesIn);
  counters('errors', 'ERROR frames sent', 'code', () => sources.counters.errors);
  counter('messages_delivered', 'MESSAGE frames written to clients', () => sources.counters.messagesOut);
  counter('delivered_bytes', 'Bytes of MESSAGE frames written to clients', () => sources.counters.messageBytesOut);
  counter('received_bytes', 'Bytes of STOMP read from clients', () => sources.counters.bytesIn);
  const unknownHelp = 'UNSUBSCRIBE frames for unknown subscriptions';
  counter('unknown_unsubscribes', unknownHelp, () => sources.counters.unknownUnsubscribes);
  gauge('sends_waiting_bytes', 'Bytes of SENDs that wait for the broker', () => sources.counters.sendBytesWaiting);
}

/** Messages that clients did not get. */
function addMissedMetrics(sources: MetricSources, gauge: AddGauge, counter: AddCounter, counters: AddCounters): void {
  counter(
    'slow_consumers',
    'Sessions and streams ended because their client read too slowly',
    () => sources.counters.slowConsumers,
  );
  const droppedHelp = 'Messages dropped because a client read too slowly';
  counters('messages_dropped', droppedHelp, 'policy', () => sources.counters.dropped);
  const tooLargeHelp = 'Messages above session.messageMaxBytes, counted for each subscription that missed one';
  counter('messages_too_large', tooLargeHelp, () => sources.counters.messagesTooLarge);
  gauge('laggards', 'Sessions with waiting messages that may be dropped', () => sources.counters.slowMembers);
}

function addBrokerMetrics({ broker }: MetricSources, gauge: AddGauge, counter: AddCounter): void {
  gauge('broker_up', '1 while the broker is available', () => Number(broker.isUp), 'min');
  const gauges = (): BrokerNumbers => broker.gauges ?? { unconfirmed: 0, pendingBindings: 0 };
  gauge('broker_unconfirmed', 'Messages published but not yet confirmed by the broker', () => gauges().unconfirmed);
  gauge('broker_bindings_pending', 'Bindings that are still to be created or removed', () => gauges().pendingBindings);
  const gapsHelp = 'Times that messages of RabbitMQ for this relay may be missing';
  counter('broker_gaps', gapsHelp, () => gauges().gaps ?? 0);
  const blockedHelp = '1 while the broker takes no messages, because it is short of memory or disk';
  gauge('broker_blocked', blockedHelp, () => Number(broker.alarm?.reason !== undefined), 'max');
  counter('broker_alarms', 'Number of times that the broker took no messages', () => broker.alarm?.count ?? 0);
  const silentHelp = "The relay's own queues at RabbitMQ that get no messages, although RabbitMQ is up";
  gauge('broker_silent_queues', silentHelp, () => gauges().silentQueues ?? 0);
  const repairsHelp = 'Number of times that a silent queue was bound again or renewed';
  counter('broker_queue_repairs', repairsHelp, () => gauges().queueRepairs ?? 0);
  const lanes = (): LaneNumbers | undefined => broker.gauges?.lanes;
  counter('lane_messages', 'Messages of clients that were sent in lanes', () => lanes()?.messages ?? 0);
  counter('lane_batches', 'AMQP messages that carried them', () => lanes()?.batches ?? 0);
  counter('lane_unreadable', 'Batches that this relay could not read', () => lanes()?.unreadable ?? 0);
}

/** A relay without histories shows zeros, so that alerts find the metrics. */
function addHistoryMetrics({ broker }: MetricSources, registry: Registry, gauge: AddGauge, counter: AddCounter): void {
  const history = (): HistoryNumbers | undefined => broker.gauges?.history;
  void new Counter({
    name: 'stomp_relay_recoveries_total',
    help: 'Clients that returned with a position, by result; the reason is empty for those that got all messages',
    labelNames: ['result', 'reason'],
    registers: [registry],
    collect() {
      this.reset();
      this.inc({ result: 'recovered', reason: '' }, history()?.recovered ?? 0);
      for (const result of ['refused', 'interrupted'] as const) {
        const counts = Object.entries(history()?.[result] ?? {});
        for (const [reason, count = 0] of counts) this.inc({ result, reason }, count);
      }
    },
  });
  counter('replayed', 'Messages replayed to returning clients', () => history()?.replayed ?? 0);
  counter('history_gaps', 'Times that live deliveries of a history had a gap', () => history()?.gaps ?? 0);
  gauge('history_readers', 'Readers of messages that are older than the ring', () => history()?.readers ?? 0);
  gauge('history_ring_bytes', 'Memory of the newest messages of histories', () => history()?.ringBytes ?? 0);
}

function addHttpMetrics({ http }: MetricSources, gauge: AddGauge, counter: AddCounter, counters: AddCounters): void {
  counters('http_messages', 'Messages published over HTTP', 'result', () => http.counters.messages);
  gauge('streams', 'Streams of Server-Sent Events', () => http.streams.size);
  counter('stream_events', 'Events written to streams', () => http.counters.streamEvents);
}

/** Active seconds divided by ticks give the mean length of a tick. */
function addLoadMetrics({ load, admissionQueue }: MetricSources, gauge: AddGauge, counter: AddCounter): void {
  const lagHelp = 'Last measured lag of the event loop; load shedding depends on it';
  gauge('event_loop_lag_seconds', lagHelp, () => load.lagMs / 1_000, 'max');
  const activeSeconds = () => performance.eventLoopUtilization().active / 1_000;
  counter('event_loop_active_seconds', 'Time that the event loop was active', activeSeconds);
  const ticks = () => performance.nodeTiming.uvMetricsInfo?.loopCount ?? 0; // missing in early versions of Node 20
  counter('event_loop_ticks', 'Turns of the event loop', ticks);
  gauge('overloaded', '1 while the relay sheds load; with workers, the number of those that do', () =>
    Number(load.isOverloaded),
  );
  counter('overloads', 'Number of times that load shedding started', () => load.overloads);
  gauge('connections_waiting', 'New connections that wait for admission', () => admissionQueue.waiting);
  counter(
    'connections_turned_away',
    'New connections rejected with the request to retry later',
    () => admissionQueue.rejected,
  );
}

function addMemoryMetrics({ memory }: MetricSources, gauge: AddGauge, counter: AddCounter): void {
  gauge('memory_used_bytes', 'Memory that clients and stored messages hold', () => memory.usedBytes());
  gauge('memory_allowed_bytes', 'The bound on it, memoryMaxBytes', () => memory.maxBytes);
  gauge('memory_paused', 'Clients that the relay does not read from, for lack of memory', () => memory.paused);
  counter('memory_pauses', 'Number of times that a client was paused for lack of memory', () => memory.pauses);
  counter('memory_ended', 'Sessions and streams ended for lack of memory', () => memory.endings);
}

/** Values of the primary process about its workers. */
export interface WorkerSources {
  /** Number of listening workers. */
  listening(): number;
  /** Number of workers replaced since the start. */
  replaced(): number;
  readonly limits: MeasuredLimits;
  droppedLogLines(): number;
}

export function createPrimaryMetrics(sources: WorkerSources): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  new Gauge({
    name: 'stomp_relay_workers',
    help: 'Worker processes that listen',
    registers: [registry],
    collect() {
      this.set(sources.listening());
    },
  });
  new Counter({
    name: 'stomp_relay_workers_replaced_total',
    help: 'Worker processes that ended unexpectedly and were replaced',
    registers: [registry],
    collect() {
      this.reset();
      this.inc(sources.replaced());
    },
  });
  new Counter({
    name: `stomp_relay_${DROPPED_LOG_LINES[0]}_total`,
    help: DROPPED_LOG_LINES[1],
    registers: [registry],
    collect() {
      this.reset();
      this.inc(sources.droppedLogLines());
    },
  });
  addLimitMetrics(sources.limits, registry);
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    values: () => registry.getMetricsAsJSON(),
  };
}
