/**
 * Runs several relays as worker processes, over the same RabbitMQ and behind the same ports. This primary process
 * handles no STOMP. It distributes connections to the workers (front-door.ts), serves the admin port, and replaces
 * workers that end.
 *
 * A worker with an uncaught error first closes its sessions, spread over a second (last-words.ts). If a worker is
 * killed, its connections break (1006), and only the reconnect delay of the clients spreads their return. Clients of
 * other workers are not affected.
 */
import type { Server } from 'node:http';
import { openAdminPort } from '../admin/admin-port.js';
import { createPrimaryMetrics } from '../admin/metrics.js';
import type { MetricValues } from '../admin/metrics.js';
import type { Config } from '../config.js';
import { TURNED_AWAY } from '../listeners.js';
import { planDescriptors } from '../load/descriptor-plan.js';
import { descriptorLimit } from '../process/descriptor-limit.js';
import { createLog, droppedLogLines } from '../process/json-log.js';
import type { Log } from '../process/log.js';
import { PacedLog } from '../process/paced-log.js';
import type { Listening, StopOptions } from '../relay.js';
import { CrashHistory } from './crash-history.js';
import { FrontDoor } from './front-door.js';
import { workerConfig } from './worker-config.js';
import type { StartProblem } from './worker-messages.js';
import { addEnded, sumOfWorkers } from './worker-metrics.js';
import { askWorkers } from './worker-operations.js';
import { WorkerProcess } from './worker-process.js';
import type { WorkerSettings } from './worker-process.js';

const CRASH_LIMITS = { waitMinMs: 250, waitMaxMs: 8_000, crashesMax: 8, windowMs: 60_000 };
/** Pause after a replacement could not start, for example because the broker is unavailable; the retries never end. */
const RETRY_START_MS = 2_000;
/** Time for a process to end after `stopTimeoutMs`. */
const EXIT_MS = 1_000;

/** The place of a worker; its replacements use the same place. */
interface Place {
  readonly number: number;
  readonly crashes: CrashHistory;
  worker: WorkerProcess | undefined;
  /** Starts the replacement. */
  timer: NodeJS.Timeout | undefined;
}

export class WorkerPool {
  private readonly places: readonly Place[];
  private readonly log: Log;
  private readonly nofile = descriptorLimit();
  private readonly door: FrontDoor;
  private readonly metrics = createPrimaryMetrics({
    listening: () => this.listeningWorkers.length,
    replaced: () => this.replaced,
    limits: { all: () => this.door.limits() },
    droppedLogLines,
  });
  /** Counters of ended workers. */
  private endedMetrics: readonly MetricValues[] = [];
  private replaced = 0;
  private admin: Server | undefined;
  private starting: { resolve(listening: readonly Listening[]): void; reject(error: Error): void } | undefined;
  private stopping: Promise<void> | undefined;
  private onAllGone: (() => void) | undefined;

  constructor(
    private readonly config: Config,
    /** Called with the reason when the pool has stopped because of a crash loop. */
    private readonly onFailed: (reason: string) => void,
  ) {
    this.log = createLog(config.log);
    this.door = this.createDoor();
    this.places = Array.from({ length: config.workers }, (_, index) => ({
      number: index + 1,
      crashes: new CrashHistory(CRASH_LIMITS),
      worker: undefined,
      timer: undefined,
    }));
  }

  /** Resolves when all workers listen. If one cannot start, stops all and rejects with the error of that worker. */
  async start(): Promise<Listening[]> {
    try {
      const settings = await this.openDoor();
      const listening = await new Promise<readonly Listening[]>((resolve, reject) => {
        this.starting = { resolve, reject };
        for (const place of this.places) this.fill(place, settings);
      });
      this.starting = undefined;
      const health = { notReady: () => this.whyNotReady(), details: () => this.workerCounts() };
      const metrics = { contentType: this.metrics.contentType, text: () => this.metricsText() };
      const ask = askWorkers(() => this.askableWorkers, this.config.admin.answerTimeoutMs);
      const { adminMax } = planDescriptors(this.nofile, this.config);
      const admin = await openAdminPort(this.config, { health, metrics, ask }, this.log, adminMax);
      this.admin = admin?.server;
      return [...listening, ...(admin === undefined ? [] : [admin.listening])];
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** The primary process has no connections to the broker and to logins. */
  private createDoor(): FrontDoor {
    const plan = planDescriptors(this.nofile, {
      ...this.config,
      broker: { kind: 'memory' },
      auth: { authenticators: [] },
    });
    const { clientsMax: waitingMax, closingMax, limit: nofile } = plan;
    const pacedLog = new PacedLog(this.log);
    const onTurnedAway = (address: string, limit: string): void =>
      pacedLog.warn({ address, limit, nofile, clientsMax: waitingMax }, 'a client was turned away before its session');
    return new FrontDoor({ waitingMax, closingMax, waitMaxMs: this.config.session.connectTimeoutMs, onTurnedAway });
  }

  private async openDoor(): Promise<WorkerSettings> {
    const { host, port, tcpPort, tls, backlog } = this.config.listen;
    const isPlain = tls === undefined;
    const web = await this.door.open({ host, port, backlog }, isPlain ? TURNED_AWAY.http : undefined);
    if (tcpPort === 'off') return { config: workerConfig(this.config, { port: web.port, tcpPort }), addresses: [web] };
    const tcp = await this.door.open({ host, port: tcpPort, backlog }, isPlain ? TURNED_AWAY.tcp : undefined);
    return { config: workerConfig(this.config, { port: web.port, tcpPort: tcp.port }), addresses: [web, tcp] };
  }

  /**
   * Drains all workers at the same time, within `stopTimeoutMs` or the given deadline. The admin port answers until all
   * processes have ended; then this resolves.
   */
  stop(options: StopOptions = {}): Promise<void> {
    return (this.stopping ??= this.endAll(options));
  }

  /** Kills all processes. */
  kill(): void {
    for (const worker of this.workers) worker.kill();
  }

  private async endAll(options: StopOptions): Promise<void> {
    for (const { timer } of this.places) clearTimeout(timer);
    if (this.workers.length > 0) {
      const { deadlineMs = this.config.stopTimeoutMs } = options;
      const deadline = setTimeout(() => this.endOverdue(), deadlineMs + EXIT_MS);
      await new Promise<void>((resolve) => {
        this.onAllGone = resolve;
        for (const worker of this.workers) worker.stop(options);
      });
      clearTimeout(deadline);
    }
    this.door.close();
    this.admin?.close();
    this.admin?.closeAllConnections();
  }

  private endOverdue(): void {
    this.log.warn({ workers: this.workers.map(({ number }) => number) }, 'workers did not end in time');
    this.kill();
  }

  private get workers(): WorkerProcess[] {
    return this.places.flatMap(({ worker }) => worker ?? []);
  }

  /** The workers that serve clients: not those that hang. */
  private get listeningWorkers(): WorkerProcess[] {
    return this.workers.filter(({ state, isSilent }) => state === 'listening' && !isSilent);
  }

  /** Listening and draining workers. */
  private get askableWorkers(): WorkerProcess[] {
    return this.workers.filter(({ state }) => state !== 'starting');
  }

  private fill(place: Place, settings: WorkerSettings): void {
    const worker = new WorkerProcess(place.number, settings, {
      onListening: (listening) => {
        this.log.info({ worker: place.number, pid: worker.pid }, 'worker listens');
        this.door.add(worker);
        if (this.listeningWorkers.length === this.places.length) this.starting?.resolve(listening);
      },
      onClosed: () => this.dismiss(worker),
      onEnd: (how, problem) => {
        place.worker = undefined;
        this.dismiss(worker);
        this.endedMetrics = addEnded(this.endedMetrics, worker.metrics ?? []);
        this.ended(place, settings, how, problem);
      },
    });
    place.worker = worker;
  }

  /** When all workers have closed their ports for a stop, new connections are refused. */
  private dismiss(worker: WorkerProcess): void {
    this.door.remove(worker);
    if (this.stopping && !this.door.hasWorkers) this.door.close();
  }

  private ended(place: Place, settings: WorkerSettings, how: string, problem: StartProblem | undefined): void {
    const { number: worker } = place;
    if (this.stopping) {
      if (this.workers.length === 0) this.onAllGone?.();
      return;
    }
    if (this.starting) {
      const reason = `worker ${worker} ended before all workers listened (${how})`;
      this.starting.reject(problem ? Object.assign(new Error(problem.message), problem) : new Error(reason));
      return;
    }
    const waitMs = problem ? RETRY_START_MS : place.crashes.add(performance.now());
    if (waitMs === undefined) {
      this.giveUp(worker, how);
      return;
    }
    this.log.error({ worker, how, reason: problem?.message, waitMs }, 'a worker ended; a replacement will start');
    this.replaced++;
    place.timer = setTimeout(() => this.fill(place, settings), waitMs);
  }

  private giveUp(worker: number, how: string): void {
    const { crashesMax, windowMs } = CRASH_LIMITS;
    const reason = `worker ${worker} ended ${crashesMax} times within ${windowMs / 1_000} s (last: ${how}): giving up`;
    void this.stop().then(() => this.onFailed(reason));
  }

  /**
   * The reason why the pool is not ready. Only listening workers get clients. Therefore a worker that is being replaced
   * does not count, but a listening worker without its broker does.
   */
  private async whyNotReady(): Promise<string | undefined> {
    if (this.stopping) return 'the relay is stopping';
    const answers = await Promise.all(
      this.listeningWorkers.map(async (worker) => ({ worker: worker.number, health: await worker.ask('health') })),
    );
    const present = answers.filter(({ health }) => health !== undefined);
    if (present.length === 0) return 'no worker can serve clients';
    const refusing = present.find(({ health }) => health?.notReady !== undefined);
    return refusing && `worker ${refusing.worker}: ${refusing.health?.notReady}`;
  }

  private workerCounts(): object {
    return { workers: { listening: this.listeningWorkers.length, of: this.places.length } };
  }

  /** Uses the last known metrics of a worker that does not answer in time. */
  private async metricsText(): Promise<string> {
    await Promise.all(
      this.askableWorkers.map(async (worker) => {
        worker.metrics = (await worker.ask('metrics')) ?? worker.metrics;
      }),
    );
    const primary = { worker: 'primary', values: await this.metrics.values() };
    const workers = this.workers.map(({ number, metrics }) => ({ worker: String(number), values: metrics ?? [] }));
    return sumOfWorkers([primary, ...workers], this.endedMetrics);
  }
}
