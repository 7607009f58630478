/**
 * What an operator asks, asked of all workers at the same time, and their answers put together. A worker that does not answer
 * in time is named, not waited for.
 */
import type { Answer, Argument, AskOperation, Operation, Result } from '../admin/operations.js';
import { joinPages } from '../admin/keyset-page.js';
import type { WorkerProcess } from './worker-process.js';

type AskedWorker = Pick<WorkerProcess, 'number' | 'ask'>;

const JOIN: { readonly [O in Operation]: (results: readonly Result<O>[], argument: Argument<O>) => Result<O> } = {
  sessions: (pages, query) => joinPages(pages, query, ({ id }) => id, either),
  session: firstOf,
  kick: firstOf,
  subscribers: (pages, query) => joinPages(pages, query, ({ session }) => session, either),
  destinations: (pages, request) =>
    joinPages(
      pages,
      request,
      ({ destination }) => destination,
      (one, other) => ({ ...one, subscriptionCount: one.subscriptionCount + other.subscriptionCount }),
    ),
  revoke: (results, { user, revokedAtMs = Date.now() }) => ({
    user,
    revokedAtMs,
    sessionsEnded: results.reduce((sum, { sessionsEnded }) => sum + sessionsEnded, 0),
    othersTold: results.some(({ othersTold }) => othersTold),
  }),
  revocations: (pages, request) =>
    joinPages(
      pages,
      request,
      ({ user }) => user,
      (one, other) => (one.revokedAtMs >= other.revokedAtMs ? one : other),
    ),
};

export function askWorkers(workers: () => readonly AskedWorker[], waitMs: number): AskOperation {
  return async <O extends Operation>(operation: O, argument: Argument<O>): Promise<Answer<O>> => {
    const asked = workers().map(async (worker) => {
      return { worker: worker.number, answer: await worker.ask('operation', { operation, argument }, waitMs) };
    });
    const answers = await Promise.all(asked);
    const results = answers.flatMap(({ answer }) => (answer ? [answer.result as Result<O>] : []));
    const unanswered = answers.flatMap(({ worker, answer }) => (answer ? [] : [worker]));
    const join = JOIN[operation] as (results: readonly Result<O>[], argument: Argument<O>) => Result<O>;
    return { result: join(results, argument), unanswered };
  };
}

function either<T>(one: T): T {
  return one;
}

/** A session is at one worker. */
function firstOf<T>(results: readonly (T | undefined)[]): T | undefined {
  return results.find((each) => each !== undefined);
}
