/**
 * Limits the time that requests take in a turn of the event loop. Each is small, but one client can send them over
 * hundreds of connections at once. The networks of the clients take turns.
 */
import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { networkOf } from '../net/ip-address.js';
import { FairTurns } from '../timing/fair-turns.js';

const TURN_MS = 2;

export class RequestTurns {
  private readonly turns: FairTurns<() => void>;

  constructor(
    private readonly addressOf: (request: IncomingMessage) => string,
    now?: () => number,
  ) {
    this.turns = new FairTurns(TURN_MS, (proceed) => proceed(), now);
  }

  /** Must come after `inTurn`, because a response without a socket gets no event. */
  readonly wait: RequestHandler = (request, response, next) => {
    const network = networkOf(this.addressOf(request));
    const proceed = (): void => {
      response.off('close', leave);
      next();
    };
    const leave = (): void => this.turns.leave(proceed, network);
    response.once('close', leave);
    this.turns.enter(proceed, network);
  };
}
