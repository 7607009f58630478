/**
 * Publishes the messages of one request in their order. Each message passes its checks (destination, policy, broker)
 * before the next one starts. Only the broker's confirms overlap, as with the SENDs of a session.
 */
import type { Policy, Principal } from '../../auth/auth.js';
import type { Broker } from '../../brokers/broker.js';
import type { Account } from '../../load/accounts.js';
import { Send } from '../../publishing/send.js';
import type { SendSubject } from '../../publishing/send.js';
import type { Batch } from '../../timing/batch-turns.js';
import { refusal, toProblem } from '../problem-codes.js';
import type { ProblemCode } from '../problem-codes.js';
import { Problem } from '../problem.js';
import type { GivenMessage } from './message-request.js';

export type Result =
  { readonly result: 'confirmed' } | { readonly result: 'unroutable' | 'refused'; readonly problem: Problem };

const CONFIRMED: Result = { result: 'confirmed' };

/** The caller of a request. */
export interface Publishing {
  readonly principal: Principal;
  readonly account: Account;
}

export interface PublisherSources {
  readonly broker: Broker;
  readonly policy: Policy;
  readonly counters: { readonly messages: Record<Result['result'], number> };
  /** Called with unexpected errors, for the log. */
  onFailed(error: unknown): void;
}

export interface PublisherConfig {
  readonly session: { readonly connectTimeoutMs: number };
  readonly limits: { readonly afterLogin: { readonly bodyMaxBytes: number } };
  /** Messages of a request that have not started after `publishTimeoutMs` are not published. */
  readonly http: { readonly publishTimeoutMs: number };
}

function refuseReplyQueue(): never {
  const sentence = 'reply-to names a temporary queue, but only STOMP sessions have those: name a queue or a user.';
  throw refusal('invalid-header', sentence);
}

/** The fate of the message is unknown, or it was not published: a repeated request tries it again. */
const MAY_BE_REPEATED: readonly string[] = ['broker-unavailable', 'overloaded'] satisfies ProblemCode[];

export function isFinal(result: Result): boolean {
  return result.result === 'confirmed' || !MAY_BE_REPEATED.includes(result.problem.code);
}

export class MessagePublisher {
  private readonly context: SendSubject['context'];

  constructor(
    private readonly sources: PublisherSources,
    private readonly config: PublisherConfig,
  ) {
    const { broker, policy } = sources;
    this.context = { broker, policy, options: config.session };
  }

  /**
   * `earlier` has the results of the same request; messages with a final result are not published again. Never rejects.
   */
  async publish(
    caller: Publishing,
    messages: readonly GivenMessage[],
    batch: Batch,
    earlier?: readonly Result[],
  ): Promise<Result[]> {
    const results: Promise<Result>[] = [];
    const endsAt = performance.now() + this.config.http.publishTimeoutMs;
    /** Result for all remaining messages. It avoids another wait for the broker with each of them. */
    let obstacle: Result | undefined;
    for (const [index, message] of messages.entries()) {
      const before = earlier?.[index];
      if (before && isFinal(before)) {
        results.push(Promise.resolve(before));
        continue;
      }
      if (index > 0) await batch.pause();
      if (performance.now() > endsAt) obstacle ??= this.refused(this.timeout());
      const handedOver = obstacle ?? (await this.handOver(caller, message));
      if ('problem' in handedOver && handedOver.problem.code === 'broker-unavailable') obstacle = handedOver;
      results.push('confirm' in handedOver ? handedOver.confirm : Promise.resolve(handedOver));
    }
    const settled = await Promise.all(results);
    settled.forEach(({ result }, index) => {
      const before = earlier?.[index];
      if (!before || !isFinal(before)) this.sources.counters.messages[result]++;
    });
    return settled;
  }

  /** Resolves when the next message may start. */
  private async handOver(
    { principal, account }: Publishing,
    given: GivenMessage,
  ): Promise<(Result & { problem: Problem }) | { readonly confirm: Promise<Result> }> {
    const refused = (error: unknown) => this.refused(error);
    try {
      const send = this.sendOf(principal, given);
      // next: publishing/send
      const { context } = this;
      const subject = { principal, userName: principal.name, account, isHurried: true, context };
      await send.check(subject, refuseReplyQueue);
      return { confirm: send.publish().then(() => CONFIRMED, refused) };
    } catch (error) {
      return refused(error);
    }
  }

  private sendOf(principal: Principal, given: GivenMessage): Send {
    const send = new Send(given, { userName: principal.anonymous ? undefined : principal.name });
    const { bodyMaxBytes } = this.config.limits.afterLogin;
    const { length } = given.body;
    if (length <= bodyMaxBytes) return send;
    const sentence = `The body has ${length} bytes: at most limits.afterLogin.bodyMaxBytes (${bodyMaxBytes}) are allowed.`;
    throw refusal('body-too-large', sentence);
  }

  private timeout(): Problem {
    const { publishTimeoutMs } = this.config.http;
    return refusal(
      'overloaded',
      `Not published: the messages before this one took http.publishTimeoutMs (${publishTimeoutMs} ms).`,
    );
  }

  private refused(error: unknown): Result & { problem: Problem } {
    const problem = toProblem(error);
    if (problem instanceof Problem)
      return { result: problem.code === 'unroutable' ? 'unroutable' : 'refused', problem };
    this.sources.onFailed(error);
    return { result: 'refused', problem: refusal('internal-error', 'The relay could not publish this message.') };
  }
}
