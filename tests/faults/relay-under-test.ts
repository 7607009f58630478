/**
 * A relay as a user starts it, on ports that it keeps when it is killed and started again, with a witness inside: asked
 * over IPC, it collects garbage and tells what the process holds.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { eventually, withDeadline } from '../support/deadline.js';
import { freePorts } from '../support/free-ports.js';

const CLI = path.resolve(__dirname, '../../server/dist/cli.js');
const START_DEADLINE_MS = 60_000;
const ANSWER_DEADLINE_MS = 10_000;

const WITNESS = `process.on('message', async () => {
  for (let i = 0; i < 3; i++) { await new Promise((done) => setImmediate(done)); gc(); }
  process.send({ heapBytes: process.memoryUsage().heapUsed, resources: process.getActiveResourcesInfo() });
});`;

export interface Holding {
  readonly heapBytes: number;
  /** Open sockets, timers and the like, by kind. */
  readonly resources: Readonly<Record<string, number>>;
}

export class RelayUnderTest {
  private child: ChildProcess | undefined;
  /** What it wrote to stderr: its log. */
  readonly log: string[] = [];

  private constructor(
    readonly name: string,
    private readonly flags: readonly string[],
    private readonly v8Flags: readonly string[],
    readonly url: string,
    private readonly adminUrl: string,
  ) {}

  static async start(
    name: string,
    broker: string,
    configFile: string,
    v8Flags: readonly string[],
  ): Promise<RelayUnderTest> {
    const [port, admin] = (await freePorts(2)) as [number, number];
    const flags = ['--port', `${port}`, '--admin-port', `${admin}`, '--broker', broker, '--config', configFile];
    const relay = new RelayUnderTest(name, flags, v8Flags, `ws://127.0.0.1:${port}/ws`, `http://127.0.0.1:${admin}`);
    await relay.start();
    return relay;
  }

  /** As a supervisor does: again, until it runs. A relay does not start while it cannot reach its broker. */
  start(): Promise<true> {
    const lastWords = (): string => this.log.slice(-10).join('\n');
    return eventually(
      async () => ((await this.tryStart()) ? true : undefined),
      START_DEADLINE_MS,
      () => `${this.name} does not start:\n${lastWords()}`,
    );
  }

  private async tryStart(): Promise<boolean> {
    const program = [
      '--expose-gc',
      ...this.v8Flags,
      `--import=data:text/javascript,${encodeURIComponent(WITNESS)}`,
      CLI,
    ];
    const child = spawn(process.execPath, [...program, ...this.flags], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, RELAY_LOG_LEVEL: 'info' },
    });
    this.child = child;
    createInterface(child.stderr!).on('line', (line) => this.log.push(line));
    for await (const line of createInterface(child.stdout!)) if (line.startsWith('listening  admin')) return true;
    return false;
  }

  /** SIGKILL: no goodbye to anybody. */
  async kill(): Promise<void> {
    const exited = once(this.child!, 'exit');
    this.child!.kill('SIGKILL');
    await exited;
  }

  freeze(): void {
    this.child!.kill('SIGSTOP');
  }

  thaw(): void {
    this.child!.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    if (!this.child || this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.thaw();
    const exited = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const late = () => `${this.name} does not stop`;
    await withDeadline(exited, 30_000, late).finally(() => this.child?.kill('SIGKILL'));
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  async isReady(): Promise<boolean> {
    return fetch(`${this.adminUrl}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    );
  }

  /** One number of /metrics, by its name behind `stomp_relay_`. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.adminUrl}/metrics`)).text();
    const line = text.split('\n').find((each) => each.startsWith(`stomp_relay_${name} `));
    return Number(line?.split(' ')[1]);
  }

  async holding(): Promise<Holding> {
    const answered = once(this.child!, 'message') as Promise<[{ heapBytes: number; resources: string[] }]>;
    this.child!.send('what do you hold?');
    const [{ heapBytes, resources }] = await withDeadline(answered, ANSWER_DEADLINE_MS, () => `${this.name} is silent`);
    const counts: Record<string, number> = {};
    for (const kind of resources) counts[kind] = (counts[kind] ?? 0) + 1;
    return { heapBytes, resources: counts };
  }
}
