/**
 * Limits the time that requests take in a turn of the event loop. Each is small, but one client can send them over
 * hundreds of connections at once. The networks of the clients take turns.
 */
import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { networkOf } from '../net/ip-address.js';
import { FairQueue } from '../timing/fair-queue.js';
import { TurnBudget } from '../timing/turn-budget.js';

const TURN_MS = 2;

export class RequestTurns {
  private readonly waiting = new FairQueue<() => void>();
  private turn: NodeJS.Immediate | undefined;

  constructor(
    private readonly addressOf: (request: IncomingMessage) => string,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Must come after `inTurn`, because a response without a socket gets no event. */
  readonly wait: RequestHandler = (request, response, next) => {
    const network = networkOf(this.addressOf(request));
    const proceed = (): void => {
      response.off('close', leave);
      next();
    };
    const leave = (): void => void this.waiting.leave(proceed, network);
    response.once('close', leave);
    this.waiting.enter(proceed, network);
    this.turn ??= setImmediate(this.serve);
  };

  private readonly serve = (): void => {
    this.turn = undefined;
    const budget = new TurnBudget(TURN_MS, this.now);
    do this.waiting.next()?.();
    while (this.waiting.size > 0 && !budget.isSpent);
    if (this.waiting.size > 0) this.turn ??= setImmediate(this.serve);
  };
}
