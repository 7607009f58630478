/** One worker from the view of the primary process, which starts, asks and stops it, and reports its end. */
import cluster from 'node:cluster';
import type { Worker } from 'node:cluster';
import type { AddressInfo, Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { MetricValues } from '../admin/metrics.js';
import type { Config } from '../config.js';
import type { Listening, StopOptions } from '../relay.js';
import type { DoorWorker } from './front-door.js';
import type { Answers, FromWorker, OperationOrder, Question, StartProblem, ToWorker } from './worker-messages.js';
import { WorkerWatch } from './worker-watch.js';

const PROGRAM = fileURLToPath(new URL('worker.js', import.meta.url));
/** Deadline of an answer; a worker that takes longer is left out this time. */
const ANSWER_MS = 1_000;

export interface WorkerListener {
  onListening(listening: readonly Listening[]): void;
  /** The worker gets no more clients. */
  onClosed(): void;
  /** With `problem` the worker could not start, which does not count as a crash. */
  onEnd(how: string, problem: StartProblem | undefined): void;
}

export interface WorkerSettings {
  readonly config: Config;
  /** Those of the ports for clients. */
  readonly addresses: readonly AddressInfo[];
}

export class WorkerProcess implements DoorWorker {
  /** A worker in the state `leaving` gets no more clients. */
  state: 'starting' | 'listening' | 'leaving' = 'starting';
  private isLoaded = false;
  /** The last known metrics; undefined before the first answer. */
  metrics: readonly MetricValues[] | undefined;
  private readonly process: Worker;
  private readonly waiting = new Map<number, (answer: Answers[Question] | undefined) => void>();
  private nextId = 0;
  private problem: StartProblem | undefined;
  /** Undefined before the worker has loaded. */
  private watch: WorkerWatch | undefined;
  private hasHung = false;

  constructor(
    readonly number: number,
    private readonly settings: WorkerSettings,
    private readonly listener: WorkerListener,
  ) {
    cluster.setupPrimary({ exec: PROGRAM, args: [] }); // no arguments: they may hold the broker's password
    this.process = cluster.fork();
    this.process
      .on('message', (message: FromWorker) => this.received(message))
      .on('error', (error: Error) => {
        // Otherwise a message could not reach a worker that has just died, and its exit follows
        if (this.pid === undefined) listener.onEnd(error.message, undefined);
      })
      .on('exit', (code, signal) => {
        this.watch?.stop();
        const how = this.hasHung
          ? `no answer for ${this.settings.config.workerTimeoutMs} ms`
          : signal || `exit status ${code}`;
        listener.onEnd(how, this.problem);
      });
  }

  /** The worker has not answered for some seconds. */
  get isSilent(): boolean {
    return this.watch?.isSilent === true;
  }

  get pid(): number | undefined {
    return this.process.process.pid;
  }

  /** Resolves with undefined if the worker fails to answer in time. */
  async ask<Q extends Question>(
    question: Q,
    order?: OperationOrder,
    waitMs = ANSWER_MS,
  ): Promise<Answers[Q] | undefined> {
    const id = this.nextId++;
    let timer: NodeJS.Timeout | undefined;
    const answer = await new Promise<Answers[Question] | undefined>((resolve) => {
      timer = setTimeout(resolve, waitMs, undefined);
      this.waiting.set(id, resolve);
      this.send({ kind: 'ask', id, question, ...(order && { order }) });
    });
    clearTimeout(timer);
    this.waiting.delete(id);
    return answer as Answers[Q] | undefined;
  }

  take(port: number, socket: Socket, done: (error: Error | null) => void): void {
    const message: ToWorker = { kind: 'client', port };
    this.process.send(message, socket, done);
  }

  /** Kills a worker that has not loaded yet, because it has nothing to drain. */
  stop(options: StopOptions): void {
    if (this.isLoaded) this.send({ kind: 'stop', options });
    else this.kill();
  }

  kill(): void {
    this.process.process.kill('SIGKILL');
  }

  private received(message: FromWorker): void {
    this.watch?.alive();
    switch (message.kind) {
      case 'loaded':
        this.isLoaded = true;
        this.send({ kind: 'start', worker: this.number, ...this.settings });
        this.startWatch();
        break;
      case 'listening':
        this.state = 'listening';
        this.listener.onListening(message.listening);
        break;
      case 'leaving':
        this.state = 'leaving';
        break;
      case 'closed':
        this.listener.onClosed();
        break;
      case 'failed':
        this.problem = message.problem;
        this.kill();
        break;
      case 'answer':
        this.waiting.get(message.id)?.(message.answer);
    }
  }

  private startWatch(): void {
    const ask = (): void => void this.ask('health');
    const end = (): void => {
      this.hasHung = true;
      this.kill();
    };
    this.watch = new WorkerWatch(this.settings.config.workerTimeoutMs, ask, end);
  }

  private send(message: ToWorker): void {
    if (this.process.isConnected()) this.process.send(message);
  }
}
