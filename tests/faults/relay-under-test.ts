/**
 * A relay that is started as users start it. It keeps its ports when it is killed and started again. A probe inside the
 * process collects garbage and reports the process's resources over IPC.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { eventually, withDeadline } from '../support/deadline.js';
import { freePorts } from '../support/free-ports.js';

const CLI = path.resolve(__dirname, '../../server/dist/cli.js');
const START_DEADLINE_MS = 60_000;
const ANSWER_DEADLINE_MS = 10_000;

const PROBE = `process.on('message', async () => {
  for (let i = 0; i < 3; i++) { await new Promise((done) => setImmediate(done)); gc(); }
  process.send({ heapBytes: process.memoryUsage().heapUsed, resources: process.getActiveResourcesInfo() });
});`;

export interface ResourceUsage {
  readonly heapBytes: number;
  /** Open sockets, timers and the like, by kind. */
  readonly resources: Readonly<Record<string, number>>;
}

export class RelayUnderTest {
  private child: ChildProcess | undefined;
  /** Its stderr, which is its log. */
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

  /**
   * Starts the relay like a supervisor: repeatedly, until it runs. A relay does not start while its broker is
   * unreachable.
   */
  start(): Promise<true> {
    const logTail = (): string => this.log.slice(-10).join('\n');
    return eventually(
      async () => ((await this.tryStart()) ? true : undefined),
      START_DEADLINE_MS,
      () => `${this.name} does not start:\n${logTail()}`,
    );
  }

  private async tryStart(): Promise<boolean> {
    const program = ['--expose-gc', ...this.v8Flags, `--import=data:text/javascript,${encodeURIComponent(PROBE)}`, CLI];
    const child = spawn(process.execPath, [...program, ...this.flags], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, RELAY_LOG_LEVEL: 'info' },
    });
    this.child = child;
    createInterface(child.stderr!).on('line', (line) => this.log.push(line));
    for await (const line of createInterface(child.stdout!)) if (line.startsWith('listening  admin')) return true;
    return false;
  }

  /** SIGKILL: the relay cannot close anything. */
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

  get ports(): { readonly port: number; readonly adminPort: number } {
    return { port: Number(new URL(this.url).port), adminPort: Number(new URL(this.adminUrl).port) };
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

  /** A number of /metrics, by its name after `stomp_relay_`. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.adminUrl}/metrics`)).text();
    const line = text.split('\n').find((each) => each.startsWith(`stomp_relay_${name} `));
    return Number(line?.split(' ')[1]);
  }

  async resourceUsage(): Promise<ResourceUsage> {
    const answered = once(this.child!, 'message') as Promise<[{ heapBytes: number; resources: string[] }]>;
    this.child!.send('report');
    const [{ heapBytes, resources }] = await withDeadline(
      answered,
      ANSWER_DEADLINE_MS,
      () => `${this.name} does not answer`,
    );
    const counts: Record<string, number> = {};
    for (const kind of resources) counts[kind] = (counts[kind] ?? 0) + 1;
    return { heapBytes, resources: counts };
  }
}
