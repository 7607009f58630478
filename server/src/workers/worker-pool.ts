/**
 * Several relays as one: a worker process for each, over the same RabbitMQ, behind the same ports. This process, the
 * primary, speaks no STOMP: it accepts connections and hands them round (node:cluster), has the admin port, and puts
 * another worker in the place of one that ended.
 *
 * A worker that dies of an error still tells its clients to come back, spread over a second (last-words.ts). Those of one
 * that is killed see their connections cut (1006): nobody is left to tell them anything, and that they do not all come back
 * in the same moment is up to their reconnect delay. The other workers' clients notice nothing.
 */
import type { Server } from 'node:http';
import { openAdminPort } from '../admin/admin-port.js';
import type { Config } from '../config.js';
import { createLog, droppedLogLines } from '../process/json-log.js';
import type { Log } from '../process/log.js';
import { createPrimaryMetrics } from '../admin/metrics.js';
import type { MetricValues } from '../admin/metrics.js';
import type { Listening, StopOptions } from '../relay.js';
import { CrashHistory } from './crash-history.js';
import { workerConfig } from './worker-config.js';
import type { StartProblem } from './worker-messages.js';
import { addEnded, sumOfWorkers } from './worker-metrics.js';
import { askWorkers } from './worker-operations.js';
import { WorkerProcess } from './worker-process.js';

const CRASH_LIMITS = { waitMinMs: 250, waitMaxMs: 8_000, crashesMax: 8, windowMs: 60_000 };
/** A replacement that could not start, such as while the broker is away, is tried again for as long as it takes. */
const RETRY_START_MS = 2_000;
/** Beyond `stopTimeoutMs`, for the end of a process. */
const EXIT_MS = 1_000;

/** A worker's place, which outlives the worker. */
interface Place {
  readonly number: number;
  readonly crashes: CrashHistory;
  worker: WorkerProcess | undefined;
  /** Until the next worker takes it. */
  timer: NodeJS.Timeout | undefined;
}

export class WorkerPool {
  private readonly places: readonly Place[];
  private readonly log: Log;
  private readonly metrics = createPrimaryMetrics({
    listening: () => this.listeningWorkers.length,
    replaced: () => this.replaced,
    droppedLogLines,
  });
  /** The counters of workers that are no more. */
  private endedMetrics: readonly MetricValues[] = [];
  private replaced = 0;
  private admin: Server | undefined;
  private starting: { resolve(listening: readonly Listening[]): void; reject(error: Error): void } | undefined;
  private stopping: Promise<void> | undefined;
  private onAllGone: (() => void) | undefined;

  constructor(
    private readonly config: Config,
    /** Told why the whole of it has stopped by itself. */
    private readonly onFailed: (reason: string) => void,
  ) {
    this.log = createLog(config.log);
    this.places = Array.from({ length: config.workers }, (_, index) => ({
      number: index + 1,
      crashes: new CrashHistory(CRASH_LIMITS),
      worker: undefined,
      timer: undefined,
    }));
  }

  /** Resolves when all workers listen. Where one cannot start, none is left, and the error is what that one said. */
  async start(): Promise<Listening[]> {
    try {
      const config = await workerConfig(this.config);
      const listening = await new Promise<readonly Listening[]>((resolve, reject) => {
        this.starting = { resolve, reject };
        for (const place of this.places) this.fill(place, config);
      });
      this.starting = undefined;
      const health = { notReady: () => this.whyNotReady(), details: () => this.workerCounts() };
      const metrics = { contentType: this.metrics.contentType, text: () => this.metricsText() };
      const ask = askWorkers(() => this.askableWorkers, this.config.admin.answerTimeoutMs);
      const admin = await openAdminPort(this.config, { health, metrics, ask }, this.log);
      this.admin = admin?.server;
      return [...listening, ...(admin === undefined ? [] : [admin.listening])];
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /**
   * All workers drain at the same time, each within `stopTimeoutMs` or as the options say. The admin port answers until no process is left, and then
   * this resolves.
   */
  stop(options: StopOptions = {}): Promise<void> {
    return (this.stopping ??= this.endAll(options));
  }

  /** Ends all processes at once. */
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

  private get listeningWorkers(): WorkerProcess[] {
    return this.workers.filter(({ state }) => state === 'listening');
  }

  /** Also those that drain. */
  private get askableWorkers(): WorkerProcess[] {
    return this.workers.filter(({ state }) => state !== 'starting');
  }

  private fill(place: Place, config: Config): void {
    const worker = new WorkerProcess(place.number, config, {
      onListening: (listening) => {
        this.log.info({ worker: place.number, pid: worker.pid }, 'worker listens');
        if (this.listeningWorkers.length === this.places.length) this.starting?.resolve(listening);
      },
      onEnd: (how, problem) => {
        place.worker = undefined;
        this.endedMetrics = addEnded(this.endedMetrics, worker.metrics ?? []);
        this.ended(place, config, how, problem);
      },
    });
    place.worker = worker;
  }

  private ended(place: Place, config: Config, how: string, problem: StartProblem | undefined): void {
    const { number: worker } = place;
    if (this.stopping) {
      if (this.workers.length === 0) this.onAllGone?.();
      return;
    }
    if (this.starting) {
      const reason = `worker ${worker} ended before all workers were there (${how})`;
      this.starting.reject(problem ? Object.assign(new Error(problem.message), problem) : new Error(reason));
      return;
    }
    const waitMs = problem ? RETRY_START_MS : place.crashes.add(Date.now());
    if (waitMs === undefined) {
      this.giveUp(worker, how);
      return;
    }
    this.log.error({ worker, how, reason: problem?.message, waitMs }, 'a worker ended; another will take its place');
    this.replaced++;
    place.timer = setTimeout(() => this.fill(place, config), waitMs);
  }

  private giveUp(worker: number, how: string): void {
    const { crashesMax, windowMs } = CRASH_LIMITS;
    const reason = `worker ${worker} ended ${crashesMax} times within ${windowMs / 1_000} s, at last with ${how}: giving up`;
    void this.stop().then(() => this.onFailed(reason));
  }

  /**
   * Only workers that listen are given clients. So one that is being replaced is no reason to send them elsewhere, and one
   * that listens but lacks its broker is.
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

  /** Of a worker that does not answer in time, what it said the last time. */
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
