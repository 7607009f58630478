/**
 * The cost of idle sessions and topics: RabbitMQ's own counts of its objects, its memory after a garbage collection of
 * every Erlang process, the relay's resident memory, and the CPU of both over some seconds.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { readFigures } from '../generator/process-figures.js';
import type { Rabbit } from '../rabbitmq.js';
import { median } from '../ratios.js';

const SAMPLES = 3;
const SAMPLES_APART_MS = 700;
const MIB = 1024 * 1024;

export interface BrokerCounts {
  readonly queues: number;
  /** Without the bindings to the default exchange, which every queue has. */
  readonly bindings: number;
  /** AMQP connections, and the internal connections of STOMP sessions. */
  readonly connections: number;
  readonly channels: number;
  readonly memoryMib: number;
}

export interface Footprint extends BrokerCounts {
  readonly rabbitCpuPercent: number;
  /** Resident memory of the relay's process; 0 without a relay. */
  readonly relayMib: number;
  readonly relayCpuPercent: number;
}

const COUNT_ALL = `
  [garbage_collect(Process) || Process <- processes()],
  Queues = length(rabbit_amqqueue:list(<<"/">>)),
  [Queues, length(rabbit_binding:list(<<"/">>)) - Queues,
   length(rabbit_networking:connections()) + length(rabbit_direct:list()),
   length(rabbit_channel:list()), erlang:memory(total)].`;

export async function countBroker(rabbit: Rabbit): Promise<BrokerCounts> {
  const text = await rabbit.node.ctl('eval', COUNT_ALL);
  const [queues = NaN, bindings = NaN, connections = NaN, channels = NaN, bytes = NaN] =
    /\[([\d,\s-]+)\]/.exec(text)?.[1]?.split(',').map(Number) ?? [];
  if (Number.isNaN(bytes)) throw new Error(`unexpected output of rabbitmqctl: ${text}`);
  return { queues, bindings, connections, channels, memoryMib: bytes / MIB };
}

/** Measures CPU over `seconds` of idle time, then counts. */
export async function measureFootprint(
  rabbit: Rabbit,
  relayPid: number | undefined,
  seconds: number,
): Promise<Footprint> {
  const relay = relayPid === undefined ? [] : [relayPid];
  const before = { at: performance.now(), relay: readFigures(relay), rabbit: readFigures([rabbit.pid]) };
  const relayMib: number[] = [];
  while (performance.now() - before.at < seconds * 1_000) {
    await delay(SAMPLES_APART_MS);
    relayMib.push(readFigures(relay).rssKib / 1_024);
  }
  const span = (performance.now() - before.at) / 1_000;
  const percent = (from: number, to: number): number => ((to - from) / span) * 100;
  const cpu = {
    relayCpuPercent: percent(before.relay.cpuSeconds, readFigures(relay).cpuSeconds),
    rabbitCpuPercent: percent(before.rabbit.cpuSeconds, readFigures([rabbit.pid]).cpuSeconds),
  };
  const counts: BrokerCounts[] = [];
  for (let i = 0; i < SAMPLES; i += 1) counts.push(await countBroker(rabbit));
  const last = counts.at(-1) as BrokerCounts;
  return { ...last, memoryMib: median(counts.map(({ memoryMib }) => memoryMib)), relayMib: median(relayMib), ...cpu };
}
