/** Limits the memory for the bodies of all requests, each from its first byte until the answer. */
import type { RequestHandler } from 'express';
import { refusal } from '../problem-codes.js';
import { sendProblem } from '../problem.js';

export class BodyBudget {
  private held = 0;

  constructor(
    private readonly bodiesMaxBytes: number,
    /**
     * Limit of a single body. The parser reads the rest of a larger body and discards it, so the rest does not count.
     */
    private readonly bodyMaxBytes: number,
  ) {}

  get heldBytes(): number {
    return this.held;
  }

  /** The middleware; it must come before the parser, to count the bytes that the parser reads. */
  readonly count: RequestHandler = (request, response, next) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      const kept = Math.min(chunk.length, this.bodyMaxBytes - bytes);
      bytes += kept;
      this.held += kept;
      if (this.held <= this.bodiesMaxBytes || response.headersSent) return;
      const sentence = `The bodies of all current requests exceed http.bodiesMaxBytes (${this.bodiesMaxBytes}): try again later.`;
      response.set('Connection', 'close').once('finish', () => request.destroy());
      sendProblem(response, refusal('overloaded', sentence));
    });
    response.once('close', () => {
      this.held -= bytes;
    });
    next();
  };
}
