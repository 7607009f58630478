/**
 * Waits for a queue whose node is down. RabbitMQ 3 refuses each request about it at once, so the question is repeated.
 * RabbitMQ 4 answers only after a minute, so callers share an unanswered question. Each has a deadline of its own.
 */
import { finishesWithin, withDeadline } from '../../timing/deadline.js';
import { isNodeAway } from './amqp/amqp-errors.js';
import { backoff, deferred, late } from './amqp/wait-deadline.js';

const PAUSE_MIN_MS = 100;
const PAUSE_MAX_MS = 2_000;
/** A question that was asked while a node went down may never be answered, so it is asked again after this time. */
const ASK_AGAIN_MS = 5_000;

const UNANSWERED = new Error('unanswered');

interface Question {
  answer: Promise<void>;
  /** The deadline of the last caller, by `performance.now`. */
  endsAt: number;
  /** The last refusal. */
  refusal: Error | undefined;
}

export class NodePatience {
  private readonly questions = new Map<string, Question>();
  private readonly unanswered = new Map<string, Promise<unknown>>();

  constructor(private readonly maxMs: number) {}

  /** Rejects with the error of `ask`: at once, or at the deadline if the node stays down. */
  ask(id: string, ask: () => Promise<void>): Promise<void> {
    const question = this.questions.get(id) ?? this.begin(id, ask);
    question.endsAt = performance.now() + this.maxMs;
    return withDeadline(question.answer, this.maxMs, () => question.refusal ?? late(this.maxMs, 'did not answer'));
  }

  /** Calls `ask`, unless the same question was asked a moment ago and is unanswered: then its answer is shared. */
  askOnce<T>(id: string, ask: () => Promise<T>): Promise<T> {
    const unanswered = this.unanswered.get(id) as Promise<T> | undefined;
    if (unanswered) return unanswered;
    const forget = (): void => {
      clearTimeout(timer);
      if (this.unanswered.get(id) === answer) this.unanswered.delete(id);
    };
    const timer = setTimeout(forget, ASK_AGAIN_MS);
    const answer = ask().finally(forget);
    this.unanswered.set(id, answer);
    return answer;
  }

  private begin(id: string, ask: () => Promise<void>): Question {
    const question: Question = { answer: Promise.resolve(), endsAt: 0, refusal: undefined };
    this.questions.set(id, question);
    question.answer = this.repeat(question, ask).finally(() => this.questions.delete(id));
    return question;
  }

  /** An attempt that is answered late counts too: new callers find the queue known, and must not overtake earlier ones. */
  private async repeat(question: Question, ask: () => Promise<void>): Promise<void> {
    const answered = deferred<void>();
    for (let attempt = 0; ; attempt++) {
      const asked = ask();
      asked.then(answered.resolve, () => undefined);
      try {
        return await withDeadline(Promise.race([asked, answered.promise]), ASK_AGAIN_MS, () => UNANSWERED);
      } catch (error) {
        if (error !== UNANSWERED) question.refusal = error as Error;
        const pauseMs = PAUSE_MIN_MS + backoff(attempt, PAUSE_MIN_MS, PAUSE_MAX_MS);
        if (error !== UNANSWERED && !isNodeAway(error)) throw error;
        if (performance.now() + pauseMs > question.endsAt) throw question.refusal ?? late(this.maxMs, 'did not answer');
        if (await finishesWithin(answered.promise, pauseMs)) return;
      }
    }
  }
}
