/** What the primary process and its workers say to each other. */
import type { Config } from '../config.js';
import type { MetricValues } from '../admin/metrics.js';
import type { Argument, Operation } from '../admin/operations.js';
import type { Listening, StopOptions } from '../relay.js';

/** What can be asked of a worker, and the kind of answer. */
export interface Answers {
  health: { readonly notReady?: string | undefined };
  metrics: readonly MetricValues[];
  operation: { readonly result?: unknown };
}
export type Question = keyof Answers;

/** What an operator wants: comes with the question `operation`. Lists are pages, so a message has a bound. */
export interface OperationOrder {
  readonly operation: Operation;
  readonly argument: Argument<Operation>;
}

export type ToWorker =
  /** Comes first, when it is loaded. Its configuration, so that all workers have the same, whatever has become of the file since. */
  | { readonly kind: 'start'; readonly worker: number; readonly config: Config }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question; readonly order?: OperationOrder }
  | { readonly kind: 'stop'; readonly options: StopOptions };

export type FromWorker =
  /** It listens to messages: node:cluster would lose what came sooner. */
  | { readonly kind: 'loaded' }
  | { readonly kind: 'listening'; readonly listening: readonly Listening[] }
  /** It drains, and ends. */
  | { readonly kind: 'leaving' }
  /** It could not start; it waits to be ended. */
  | { readonly kind: 'failed'; readonly problem: StartProblem }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answers[Question] | undefined };

/** What of an error says why a relay did not start. */
export interface StartProblem {
  readonly message: string;
  readonly code?: string | undefined;
  readonly port?: number | undefined;
}
