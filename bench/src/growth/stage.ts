/** Where the parts play: a RabbitMQ node, the relay or RabbitMQ's own Web STOMP on it, and this process on the other core. */
import { execFileSync } from 'node:child_process';
import { type Bench, PEERS, type Started } from '../peers.js';
import { GENERATOR_CORE, Processes } from '../processes.js';
import { Rabbit } from '../rabbitmq.js';

export type ServerName = 'relay' | 'web-stomp';
export type Say = (line: string) => void;

export interface OnStage {
  readonly target: Started;
  readonly rabbit: Rabbit;
  /** Of the relay; undefined where RabbitMQ itself serves the sessions. */
  readonly relayPid: number | undefined;
}

export class Stage {
  readonly processes = new Processes();
  isStopping = false;
  private rabbit: Rabbit | undefined;

  constructor(readonly say: Say) {
    if (!this.processes.arePinned) return;
    // its threads, and the rabbitmqctl that it runs, stay away from the servers' core
    execFileSync('taskset', ['-a', '-cp', String(GENERATOR_CORE), String(process.pid)], { stdio: 'ignore' });
  }

  get rabbitVersion(): string {
    return this.rabbit?.node.version ?? 'not started';
  }

  /** A fresh node, as memory that was once used is not all given back; a fresh server; both gone when `work` is done. */
  async with<T>(
    server: ServerName,
    work: (stage: OnStage) => Promise<T>,
    start: (bench: Bench) => Promise<Started> = (bench) => PEERS[server].start(bench),
  ): Promise<T> {
    const rabbit = await Rabbit.start(this.processes, this.say);
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

  /** On Ctrl-C: a part that is under way fails. */
  async stop(): Promise<void> {
    this.isStopping = true;
    await this.processes.stopAll();
    await this.rabbit?.node.stop();
  }
}

/** A metric of the relay without labels. */
export async function readMetric({ target }: OnStage, name: string): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${target.adminPort}/metrics`, { signal: AbortSignal.timeout(10_000) });
  const value = new RegExp(`^stomp_relay_${name} (\\S+)$`, 'm').exec(await response.text())?.[1];
  if (value === undefined) throw new Error(`the relay has no metric ${name}`);
  return Number(value);
}
