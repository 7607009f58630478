/**
 * Requests that a client has sent one behind the other on a connection, without waiting (pipelining), are handled one after
 * the other. Node shows each as soon as it is read, but its response has no socket until it is its turn, and if the
 * connection ends before, the response never hears of that: what it holds (a stream's place, the bytes of a body, an open
 * file) would be held for good. One that has not begun holds nothing.
 */
import type { RequestHandler } from 'express';

export const inTurn: RequestHandler = (_request, response, next) => {
  if (response.socket) next();
  else response.once('socket', () => next());
};
