/**
 * Prometheus metrics, a registry for each relay. Nothing here is on a hot path: the parts add to plain numbers of their
 * own, and a scrape reads them.
 */
import { performance } from 'node:perf_hooks';
import { collectDefaultMetrics, Counter, Gauge, Registry } from 'prom-client';
import type { Aggregator } from 'prom-client';

/** Numbers as they are now; counters only grow. */
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
  readonly admissionQueue: { readonly waiting: number; readonly rejected: number };
  readonly broker: {
    readonly isUp: boolean;
    readonly gauges?: { readonly unconfirmed: number; readonly pendingBindings: number } | undefined;
  };
  droppedLogLines(): number;
}

export interface Metrics {
  readonly contentType: string;
  /** In Prometheus' text format. */
  text(): Promise<string>;
  /** The same as plain objects, to be added to those of other workers. */
  values(): Promise<MetricValues[]>;
}

/** One metric with all its labels, as it goes from process to process. */
export type MetricValues = Awaited<ReturnType<Registry['getMetricsAsJSON']>>[number];

export function createMetrics(sources: MetricSources): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry }); // of the process: CPU, memory, garbage collection, lag as a histogram

  /** `aggregator` says what several workers make of it. */
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

  gauge('sessions', 'STOMP sessions, connecting ones included', () => sources.sessions());
  new Gauge({
    name: 'stomp_relay_connections',
    help: 'Open client connections',
    labelNames: ['transport'],
    registers: [registry],
    collect() {
      for (const [transport, count] of Object.entries(sources.connections())) this.set({ transport }, count);
    },
  });
  counters('frames_received', 'STOMP frames from clients', 'command', () => sources.counters.framesIn);
  counters('errors', 'ERROR frames sent', 'code', () => sources.counters.errors);
  counter('messages_delivered', 'MESSAGE frames written to clients', () => sources.counters.messagesOut);
  counter('delivered_bytes', 'Bytes of MESSAGE frames written to clients', () => sources.counters.messageBytesOut);
  counter('received_bytes', 'Bytes of STOMP read from clients', () => sources.counters.bytesIn);
  const unknownHelp = 'UNSUBSCRIBE frames for subscriptions that the session did not have';
  counter('unknown_unsubscribes', unknownHelp, () => sources.counters.unknownUnsubscribes);
  gauge('sends_waiting_bytes', 'SENDs that wait for the broker', () => sources.counters.sendBytesWaiting);
  addMissedMetrics(sources, gauge, counter, counters);
  addHttpMetrics(sources, gauge, counter, counters);
  addLoadMetrics(sources, gauge, counter);
  addBrokerMetrics(sources, gauge);
  counter(...DROPPED_LOG_LINES, () => sources.droppedLogLines());

  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    values: () => registry.getMetricsAsJSON(),
  };
}

/** Name and help: each process has its own, the primary of workers too. */
const DROPPED_LOG_LINES = ['log_lines_dropped', 'Lines of the log that stderr did not take'] as const;

type AddGauge = (name: string, help: string, read: () => number, aggregator?: Aggregator) => void;
type AddCounter = (name: string, help: string, read: () => number) => void;
type AddCounters = (
  name: string,
  help: string,
  label: string,
  read: () => Readonly<Record<string, number | undefined>>,
) => void;

/** What clients were not sent, and why. */
function addMissedMetrics(sources: MetricSources, gauge: AddGauge, counter: AddCounter, counters: AddCounters): void {
  counter('slow_consumers', 'Sessions and streams that did not read', () => sources.counters.slowConsumers);
  const droppedHelp = 'Messages left out because a client read too slowly';
  counters('messages_dropped', droppedHelp, 'policy', () => sources.counters.dropped);
  const tooLargeHelp = 'Messages above session.messageMaxBytes, for each subscription that was not sent one';
  counter('messages_too_large', tooLargeHelp, () => sources.counters.messagesTooLarge);
  gauge('laggards', 'Sessions with messages waiting of which some may be left out', () => sources.counters.slowMembers);
}

function addBrokerMetrics({ broker }: MetricSources, gauge: AddGauge): void {
  gauge('broker_up', '1 where the broker can be used', () => Number(broker.isUp), 'min');
  const gauges = () => broker.gauges ?? { unconfirmed: 0, pendingBindings: 0 };
  gauge('broker_unconfirmed', 'Published and not yet confirmed by the broker', () => gauges().unconfirmed);
  gauge('broker_bindings_pending', 'Bindings not yet made or taken back', () => gauges().pendingBindings);
}

function addHttpMetrics({ http }: MetricSources, gauge: AddGauge, counter: AddCounter, counters: AddCounters): void {
  counters('http_messages', 'Messages published over HTTP', 'result', () => http.counters.messages);
  gauge('streams', 'Streams of Server-Sent Events', () => http.streams.size);
  counter('stream_events', 'Events written to streams', () => http.counters.streamEvents);
}

/** Active seconds divided by ticks are the mean length of a tick. */
function addLoadMetrics({ load, admissionQueue }: MetricSources, gauge: AddGauge, counter: AddCounter): void {
  const lagHelp = 'How late the event loop was at the last look, which load shedding goes by';
  gauge('event_loop_lag_seconds', lagHelp, () => load.lagMs / 1_000, 'max');
  const activeSeconds = () => performance.eventLoopUtilization().active / 1_000;
  counter('event_loop_active_seconds', 'Time that the event loop was at work', activeSeconds);
  const ticks = () => performance.nodeTiming.uvMetricsInfo?.loopCount ?? 0; // not in the first versions of Node 20
  counter('event_loop_ticks', 'Turns of the event loop', ticks);
  gauge('overloaded', '1 while load is shed; of several workers, how many do', () => Number(load.isOverloaded));
  counter('overloads', 'How often load had to be shed', () => load.overloads);
  gauge('connections_waiting', 'New connections that wait to be let in', () => admissionQueue.waiting);
  counter('connections_turned_away', 'New connections told to come back later', () => admissionQueue.rejected);
}

/** What the process above several workers knows of them. */
export interface WorkerSources {
  /** How many listen. */
  listening(): number;
  /** How many have been replaced since the start. */
  replaced(): number;
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
    help: 'Worker processes that ended by themselves, and in whose place another was put',
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
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    values: () => registry.getMetricsAsJSON(),
  };
}
