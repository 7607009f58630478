/** Messages between the primary process and its workers. */
import type { AddressInfo } from 'node:net';
import type { MetricValues } from '../admin/metrics.js';
import type { Argument, Operation } from '../admin/operations.js';
import type { Config } from '../config.js';
import type { Listening, StopOptions } from '../relay.js';

/** Questions to a worker, with the types of their answers. */
export interface Answers {
  health: { readonly notReady?: string | undefined };
  metrics: readonly MetricValues[];
  operation: { readonly result?: unknown };
}
export type Question = keyof Answers;

/** An operator's request, which accompanies the question `operation`. Lists have pages, so a message is bounded. */
export interface OperationOrder {
  readonly operation: Operation;
  readonly argument: Argument<Operation>;
}

export type ToWorker =
  /**
   * First message, after `loaded`. It has the configuration, so that all workers use the same, even if the file has
   * changed.
   */
  | {
      readonly kind: 'start';
      readonly worker: number;
      readonly config: Config;
      readonly addresses: readonly AddressInfo[];
    }
  | { readonly kind: 'ask'; readonly id: number; readonly question: Question; readonly order?: OperationOrder }
  /** Comes with the socket of a client of this port. */
  | { readonly kind: 'client'; readonly port: number }
  | { readonly kind: 'stop'; readonly options: StopOptions };

export type FromWorker =
  /** The worker handles messages now. node:cluster would lose earlier ones. */
  | { readonly kind: 'loaded' }
  | { readonly kind: 'listening'; readonly listening: readonly Listening[] }
  /** The worker drains, and then ends. */
  | { readonly kind: 'leaving' }
  /** The worker gets no more clients. */
  | { readonly kind: 'closed' }
  /** The worker could not start, and waits for the primary to end it. */
  | { readonly kind: 'failed'; readonly problem: StartProblem }
  | { readonly kind: 'answer'; readonly id: number; readonly answer: Answers[Question] | undefined };

/** The parts of an error that explain a failed start. */
export interface StartProblem {
  readonly message: string;
  readonly code?: string | undefined;
  readonly port?: number | undefined;
}
