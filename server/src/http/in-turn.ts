/**
 * Handles pipelined requests of a connection one after the other. Node passes on each request as soon as it is read,
 * but gives its response the socket only when all earlier responses are done. If the connection ends before that, the
 * response gets no event. A request that had already started would then hold its resources forever: a stream's place,
 * the bytes of a body, an open file.
 */
import type { RequestHandler } from 'express';

export const inTurn: RequestHandler = (_request, response, next) => {
  if (response.socket) next();
  else response.once('socket', () => next());
};
