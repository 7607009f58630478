/**
 * Limits the memory for the bodies of all requests, each from its first byte until the answer. The caller of a request
 * must be known before.
 */
import type { RequestHandler } from 'express';
import type { SharedPot } from '../../load/shared-pot.js';
import type { Caller } from '../callers.js';
import { refusal } from '../problem-codes.js';
import { sendProblem } from '../problem.js';

export class BodyBudget {
  constructor(
    private readonly bodies: SharedPot,
    /**
     * Limit of a single body. The parser reads the rest of a larger body and discards it, so the rest does not count.
     */
    private readonly bodyMaxBytes: number,
  ) {}

  /** The middleware; it must come before the parser, to count the bytes that the parser reads. */
  readonly count: RequestHandler = (request, response, next) => {
    const { account } = response.locals['caller'] as Caller;
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      if (response.headersSent) return;
      const kept = Math.min(chunk.length, this.bodyMaxBytes - bytes);
      const refused = this.bodies.take(account, kept);
      if (!refused) return void (bytes += kept);
      response.set('Connection', 'close').once('finish', () => request.destroy());
      sendProblem(response, refusal('overloaded', refused.sentence));
    });
    response.once('close', () => this.bodies.release(account, bytes));
    next();
  };
}
