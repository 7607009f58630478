/**
 * The set-up of a part: a RabbitMQ node, the relay or RabbitMQ's own Web STOMP on it, and this process on the other
 * core.
 */
import { execFileSync } from 'node:child_process';
import { PEERS } from '../peers.js';
import type { Bench, Started } from '../peers.js';
import { GENERATOR_CORE, Processes } from '../processes.js';
import { Rabbit } from '../rabbitmq.js';

export type ServerName = 'relay' | 'web-stomp';
export type Print = (line: string) => void;

export interface OnStage {
  readonly target: Started;
  readonly rabbit: Rabbit;
  /** Undefined if RabbitMQ itself serves the sessions. */
  readonly relayPid: number | undefined;
}

export class Stage {
  readonly processes = new Processes();
  isStopping = false;
  private rabbit: Rabbit | undefined;

  constructor(
    readonly print: Print,
    /** The relay under measurement. */
    private readonly relay: 'relay' | 'relay-lanes' = 'relay',
  ) {
    if (!this.processes.arePinned) return;
    // keeps the threads of this process, and rabbitmqctl, off the servers' core
    execFileSync('taskset', ['-a', '-cp', String(GENERATOR_CORE), String(process.pid)], { stdio: 'ignore' });
  }

  get rabbitVersion(): string {
    return this.rabbit?.node.version ?? 'not started';
  }

  /** Runs `work` with a fresh node and a fresh server, as neither returns all memory that it once used. */
  async with<T>(
    server: ServerName,
    work: (stage: OnStage) => Promise<T>,
    start: (bench: Bench) => Promise<Started> = (bench) => this.startServer(server, bench),
  ): Promise<T> {
    const rabbit = await Rabbit.start(this.processes, this.print);
    this.rabbit = rabbit;
    try {
      const target = await start({ processes: this.processes, rabbit });
      try {
        return await work({ target, rabbit, relayPid: server === 'relay' ? target.serverPids[0] : undefined });
      } finally {
        await target.stop();
      }
    } finally {
      await rabbit.node.stop();
    }
  }

  private startServer(server: ServerName, bench: Bench): Promise<Started> {
    return PEERS[server === 'relay' ? this.relay : server].start(bench);
  }

  /** A further relay on the same RabbitMQ. */
  startRelay({ rabbit }: OnStage): Promise<Started> {
    return this.startServer('relay', { processes: this.processes, rabbit });
  }

  /** For Ctrl-C: fails the part that is running. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.processes.stopAll();
    await this.rabbit?.node.stop();
  }
}

/** Reads a metric without labels from the relay. */
export async function readMetric({ target }: OnStage, name: string, prefix = 'stomp_relay_'): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${target.adminPort}/metrics`, { signal: AbortSignal.timeout(10_000) });
  const value = new RegExp(`^${prefix}${name} (\\S+)$`, 'm').exec(await response.text())?.[1];
  if (value === undefined) throw new Error(`the relay has no metric ${name}`);
  return Number(value);
}
