/**
 * The program of a worker; worker-process.ts starts it. It runs an ordinary relay, but the primary process accepts its
 * clients and serves the admin port. If the primary dies, node:cluster ends the worker at once.
 */
import '../process/young-generation.js';
import type { Socket } from 'node:net';
import { perform } from '../admin/operations.js';
import { createLog } from '../process/json-log.js';
import { createRelay } from '../relay.js';
import type { Relay, StopOptions } from '../relay.js';
import { endInOrderAfterCrash } from './last-words.js';
import type { Answers, FromWorker, Question, StartProblem, ToWorker } from './worker-messages.js';
import { WorkerPorts } from './worker-ports.js';

// A terminal sends these signals to all its processes, but only the primary reacts
process.on('SIGINT', () => undefined).on('SIGHUP', () => undefined);
process.stderr.on('error', () => undefined); // for example if the reader of Node's warnings has gone
process.once('message', (message: ToWorker) => {
  if (message.kind === 'start') void run(message);
});
send({ kind: 'loaded' });

async function run({ worker, config, addresses }: ToWorker & { kind: 'start' }): Promise<void> {
  const log = createLog({ ...config.log, worker });
  let isStopping = false;
  try {
    const ports = new WorkerPorts(addresses, () => send({ kind: 'closed' }));
    const relay = createRelay(config, { log }, ports.listen);
    endInOrderAfterCrash(relay, (err) => {
      log.error({ err }, 'uncaught error: this worker ends');
      send({ kind: 'leaving' });
    });
    const stop = (options?: StopOptions): void => {
      isStopping = true;
      send({ kind: 'leaving' });
      void relay.stop(options).then(() => process.exit(0));
    };
    // SIGTERM to a single worker drains it, and the primary replaces it. Load balancers need no time to react.
    process.on('SIGTERM', () => stop({ readyDelayMs: 0 }));
    process.on('message', (message: ToWorker, socket?: Socket) => {
      if (message.kind === 'client') ports.take(message.port, socket);
      if (message.kind === 'stop') stop(message.options);
      if (message.kind === 'ask') {
        const failed = (err: unknown): void => {
          log.error({ err }, 'a question of the primary process could not be answered');
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

/** The primary may have died. The callback ignores that; without it Node would throw an uncaught error. */
function send(message: FromWorker): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => undefined);
}
