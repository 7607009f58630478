/**
 * One worker: a relay as it runs without workers, but that its ports are shared by node:cluster and the primary does its
 * talking. Started by worker-process.ts as a program of its own. Where the primary dies, node:cluster ends it at once.
 */
import '../young-generation.js';
import { createLog } from '../log.js';
import { createRelay } from '../relay.js';
import type { Relay, StopOptions } from '../relay.js';
import { endInOrderAfterCrash } from './last-words.js';
import type { Answers, FromWorker, Question, StartProblem, ToWorker } from './worker-messages.js';

process.on('SIGINT', () => undefined); // a terminal sends it to everybody; the primary decides
process.once('message', (message: ToWorker) => {
  if (message.kind === 'start') void run(message);
});
tell({ kind: 'loaded' });

async function run({ worker, config }: ToWorker & { kind: 'start' }): Promise<void> {
  const log = createLog({ ...config.log, worker });
  let isStopping = false;
  try {
    const relay = createRelay(config, { log });
    endInOrderAfterCrash(relay, (err) => {
      log.error({ err }, 'an error that nobody caught: this worker ends');
      tell({ kind: 'leaving' });
    });
    const stop = (options?: StopOptions): void => {
      isStopping = true;
      tell({ kind: 'leaving' });
      void relay.stop(options).then(() => process.exit(0));
    };
    // SIGTERM to a single worker lets it drain; the primary puts a fresh one in its place. No load balancer need notice.
    process.on('SIGTERM', () => stop({ readyDelayMs: 0 }));
    process.on('message', (message: ToWorker) => {
      if (message.kind === 'stop') stop();
      if (message.kind === 'ask') void answer(relay, message.question).then((answer) => reply(message.id, answer));
    });
    tell({ kind: 'listening', listening: await relay.start() });
  } catch (error) {
    const { message, code, port } = error as StartProblem;
    if (!isStopping) tell({ kind: 'failed', problem: { message, code, port } });
  }
}

async function answer(relay: Relay, question: Question): Promise<Answers[Question]> {
  return question === 'health' ? { notReady: relay.notReady() } : await relay.metrics.values();
}

function reply(id: number, answer: Answers[Question]): void {
  tell({ kind: 'answer', id, answer });
}

function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message);
}
