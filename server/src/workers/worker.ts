/**
 * One worker: a relay as it runs without workers, but that its ports are shared by node:cluster and the primary does its
 * talking. Started by worker-process.ts as a program of its own. Where the primary dies, node:cluster ends it at once.
 */
import '../process/young-generation.js';
import { createLog } from '../process/json-log.js';
import { perform } from '../admin/operations.js';
import { createRelay } from '../relay.js';
import type { Relay, StopOptions } from '../relay.js';
import { endInOrderAfterCrash } from './last-words.js';
import type { Answers, FromWorker, Question, StartProblem, ToWorker } from './worker-messages.js';

// A terminal sends them to all its processes; the primary decides
process.on('SIGINT', () => undefined).on('SIGHUP', () => undefined);
process.stderr.on('error', () => undefined); // such as a warning of Node's that nobody reads
process.once('message', (message: ToWorker) => {
  if (message.kind === 'start') void run(message);
});
send({ kind: 'loaded' });

async function run({ worker, config }: ToWorker & { kind: 'start' }): Promise<void> {
  const log = createLog({ ...config.log, worker });
  let isStopping = false;
  try {
    const relay = createRelay(config, { log });
    endInOrderAfterCrash(relay, (err) => {
      log.error({ err }, 'an error that nobody caught: this worker ends');
      send({ kind: 'leaving' });
    });
    const stop = (options?: StopOptions): void => {
      isStopping = true;
      send({ kind: 'leaving' });
      void relay.stop(options).then(() => process.exit(0));
    };
    // SIGTERM to a single worker lets it drain; the primary puts a fresh one in its place. No load balancer need notice.
    process.on('SIGTERM', () => stop({ readyDelayMs: 0 }));
    process.on('message', (message: ToWorker) => {
      if (message.kind === 'stop') stop(message.options);
      if (message.kind === 'ask') {
        const failed = (err: unknown): void => {
          log.error({ err }, 'the primary process could not be answered');
          send({ kind: 'answer', id: message.id, answer: undefined });
        };
        answer(relay, message).then((answer) => send({ kind: 'answer', id: message.id, answer }), failed);
      }
    });
    send({ kind: 'listening', listening: await relay.start() });
  } catch (error) {
    const { message, code, port } = error as StartProblem;
    if (!isStopping) send({ kind: 'failed', problem: { message, code, port } });
  }
}

async function answer(relay: Relay, { question, order }: ToWorker & { kind: 'ask' }): Promise<Answers[Question]> {
  if (question === 'health') return { notReady: relay.notReady() };
  if (question === 'metrics') return relay.metrics.values();
  return order ? { result: await perform(relay.operations, order.operation, order.argument) } : {};
}

/** A primary that has died meanwhile hears nothing; without a callback that would be an uncaught error. */
function send(message: FromWorker): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
