/**
 * Runs an operator's request at all workers at the same time, and joins their results. The answer names workers that
 * did not respond in time.
 */
import { joinPages } from '../admin/keyset-page.js';
import type { Answer, Argument, AskOperation, Operation, Result } from '../admin/operations.js';
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
    // All workers see the same queues, and each may have ended some of them
    durableSubscriptionsEnded: Math.max(0, ...results.map((each) => each.durableSubscriptionsEnded)),
    ...firstOf(
      results.map(({ durableSubscriptionsUnknown: reason }) => reason && { durableSubscriptionsUnknown: reason }),
    ),
  }),
  durableSubscriptions: (pages, request) => {
    const unknown = firstOf(pages.map((each) => each.unknown));
    return { ...joinPages(pages, request, ({ queue }) => queue, either), ...(unknown !== undefined && { unknown }) };
  },
  endDurable: (endings) =>
    endings.find((each) => 'result' in each && each.result === 'ended') ??
    endings.find((each) => 'unknown' in each || each.result !== 'missing') ?? { result: 'missing' },
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
    const pending = workers().map(async (worker) => {
      return { worker: worker.number, answer: await worker.ask('operation', { operation, argument }, waitMs) };
    });
    const answers = await Promise.all(pending);
    const results = answers.flatMap(({ answer }) => (answer ? [answer.result as Result<O>] : []));
    const unanswered = answers.flatMap(({ worker, answer }) => (answer ? [] : [worker]));
    const join = JOIN[operation] as (results: readonly Result<O>[], argument: Argument<O>) => Result<O>;
    return { result: join(results, argument), unanswered };
  };
}

function either<T>(one: T): T {
  return one;
}

/** Only one worker has the session. */
function firstOf<T>(results: readonly (T | undefined)[]): T | undefined {
  return results.find((each) => each !== undefined);
}
