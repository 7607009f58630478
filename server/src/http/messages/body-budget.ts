/** What the bodies of all requests may take together, from their first byte to their answer. */
import type { RequestHandler } from 'express';
import { sendProblem } from '../problem.js';
import { refusal } from '../problem-codes.js';

export class BodyBudget {
  private held = 0;

  constructor(
    private readonly bodiesMaxBytes: number,
    /** What is kept of one: the parser reads the rest of a body that is too large, and throws it away. */
    private readonly bodyMaxBytes: number,
  ) {}

  get heldBytes(): number {
    return this.held;
  }

  /** Stands before the parser, and sees what it reads. */
  readonly count: RequestHandler = (request, response, next) => {
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      const kept = Math.min(chunk.length, this.bodyMaxBytes - bytes);
      bytes += kept;
      this.held += kept;
      if (this.held <= this.bodiesMaxBytes || response.headersSent) return;
      const sentence = `The requests under way have more than http.bodiesMaxBytes (${this.bodiesMaxBytes}): try again later.`;
      response.set('Connection', 'close').once('finish', () => request.destroy());
      sendProblem(response, refusal('overloaded', sentence));
    });
    response.once('close', () => {
      this.held -= bytes;
    });
    next();
  };
}
