/**
 * A relay that is started as users start it. It keeps its ports when it is killed and started again. A probe inside the
 * process changes its clock, fills its log, and reports its resources. With workers there is no probe.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Interface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { eventually, withDeadline } from '../support/deadline.js';
import { freePorts } from '../support/free-ports.js';
import { workersOf } from '../support/relay-cli.js';

const CLI = path.resolve(__dirname, '../../server/dist/cli.js');
const PROBE = pathToFileURL(path.join(__dirname, 'relay-probe.js')).href;
const START_DEADLINE_MS = 60_000;
const ANSWER_DEADLINE_MS = 10_000;
const REPLACED_DEADLINE_MS = 30_000;

export interface ResourceUsage {
  readonly heapBytes: number;
  /** Open sockets, timers and the like, by kind. */
  readonly resources: Readonly<Record<string, number>>;
}

export interface RelayOptions {
  readonly v8Flags?: readonly string[];
  /** Its limit of open files; by default that of the tests. */
  readonly nofile?: number;
  /** Worker processes. By default the relay is one process. */
  readonly workers?: number;
}

export class RelayUnderTest {
  private child: ChildProcess | undefined;
  private logReader: Interface | undefined;
  private frozenWorker: number | undefined;
  /** Its stderr, which is its log. */
  readonly log: string[] = [];

  private constructor(
    readonly name: string,
    private readonly flags: readonly string[],
    private readonly options: RelayOptions,
    readonly url: string,
    private readonly adminUrl: string,
  ) {}

  static async start(name: string, broker: string, configFile: string, options: RelayOptions): Promise<RelayUnderTest> {
    const [port, admin] = (await freePorts(2)) as [number, number];
    const flags = ['--port', `${port}`, '--admin-port', `${admin}`, '--broker', broker, '--config', configFile];
    if (options.workers !== undefined) flags.push('--workers', `${options.workers}`);
    const relay = new RelayUnderTest(name, flags, options, `ws://127.0.0.1:${port}/ws`, `http://127.0.0.1:${admin}`);
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
    const { nofile, workers, v8Flags = [] } = this.options;
    const probe = workers === undefined ? ['--expose-gc', `--import=${PROBE}`] : [];
    const program = [process.execPath, ...probe, ...v8Flags, CLI, ...this.flags];
    const limit = nofile === undefined ? '' : `ulimit -n ${nofile}; `;
    const child = spawn('bash', ['-c', `${limit}exec "$0" "$@"`, ...program], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, RELAY_LOG_LEVEL: 'info' },
    });
    this.child = child;
    this.logReader = createInterface(child.stderr!).on('line', (line) => line !== '' && this.log.push(line));
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

  /** One of its workers stands still. The other one goes on. */
  freezeWorker(): void {
    const [pid] = this.workers;
    if (pid === undefined) throw new Error(`${this.name} has no worker`);
    process.kill(pid, 'SIGSTOP');
    this.frozenWorker = pid;
  }

  /** Resolves when a new worker has taken the place of the frozen one. */
  async whenReplaced(): Promise<void> {
    const isReplaced = (): true | undefined => {
      const { workers } = this;
      return workers.length === this.options.workers && !workers.includes(this.frozenWorker!) ? true : undefined;
    };
    await eventually(isReplaced, REPLACED_DEADLINE_MS, () => `${this.name} keeps its frozen worker`);
  }

  private get workers(): number[] {
    return workersOf({ child: this.child! });
  }

  /** `ms` is the difference from the real time. */
  async shiftClock(ms: number): Promise<void> {
    await this.ask('shiftClock', ms);
  }

  /** Its stderr is full from now on. */
  async stopReadingLog(): Promise<void> {
    this.logReader!.pause();
    await this.ask('fillLog');
  }

  readLog(): void {
    this.logReader!.resume();
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
    return fetch(`${this.adminUrl}/readyz`, { signal: AbortSignal.timeout(ANSWER_DEADLINE_MS) }).then(
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
    const { heapBytes, resources } = (await this.ask('report')) as { heapBytes: number; resources: string[] };
    const counts: Record<string, number> = {};
    for (const kind of resources) counts[kind] = (counts[kind] ?? 0) + 1;
    return { heapBytes, resources: counts };
  }

  /** One request of relay-probe.js at a time. */
  private async ask(request: string, argument?: unknown): Promise<unknown> {
    const answered = once(this.child!, 'message') as Promise<[{ answer?: unknown }]>;
    this.child!.send([request, argument]);
    const late = () => `${this.name} does not answer the request ${request}`;
    const [{ answer }] = await withDeadline(answered, ANSWER_DEADLINE_MS, late);
    return answer;
  }
}
