/** One request at a time for the same subject. Further callers wait for its answer. */
import { BrokerError } from '../broker.js';
import { answeredWithin } from './amqp/wait-deadline.js';

export class SharedAnswers {
  private readonly open = new Map<string, Promise<void>>();

  once(subject: string, ask: () => Promise<void>): Promise<void> {
    let answer = this.open.get(subject);
    if (!answer) {
      answer = ask().finally(() => this.open.delete(subject));
      this.open.set(subject, answer);
    }
    return answer;
  }

  /** As `once`. If the request of an earlier caller reaches its deadline first, the request is made again. */
  onceWithin(maxMs: number, subject: string, ask: () => Promise<void>): Promise<void> {
    if (!this.open.has(subject)) return this.once(subject, ask);
    return answeredWithin(this.join(performance.now() + maxMs, subject, ask), maxMs, 'did not answer');
  }

  private async join(endsAt: number, subject: string, ask: () => Promise<void>): Promise<void> {
    for (;;) {
      const isOwn = !this.open.has(subject);
      try {
        return await this.once(subject, ask);
      } catch (error) {
        const isLate = error instanceof BrokerError && error.code === 'broker-unavailable';
        if (isOwn || !isLate || performance.now() >= endsAt) throw error;
      }
    }
  }
}
