/** The route `GET /api/history?destination=...&since=...`: the messages behind a position, without a subscription. */
import { Router } from 'express';
import type { Request, RequestHandler } from 'express';
import type { Identify } from '../messages/publish-route.js';
import { refusal } from '../problem-codes.js';
import { admitReader, parseShared, refuseHead } from './stream-route.js';
import type { StreamRouteSources } from './stream-route.js';

export function historyRoute(sources: StreamRouteSources, identify: Identify): Router {
  const read: RequestHandler = async (request, response) => {
    const { destination, since } = wishOf(request);
    const reader = await admitReader(sources, identify, { request, response }, [parseShared(destination)]);
    if (reader) await sources.streams.download(reader.stream, reader.destinations[0]!, since);
  };
  return Router().head('/history', refuseHead).get('/history', read);
}

const USE = 'Use ?destination=/topic/NAME&since=POSITION, or since=now for the newest position.';

function wishOf({ query }: Request): { destination: string; since: string } {
  const { destination, since, ...others } = query;
  const [unknown] = Object.keys(others);
  if (unknown === 'limit' || unknown === 'last') {
    throw refusal('invalid-request', `The parameter ${unknown} is not supported by this relay. ${USE}`);
  }
  if (unknown !== undefined) throw refusal('invalid-request', `The only parameters are destination and since. ${USE}`);
  if (typeof destination !== 'string' || destination === '' || typeof since !== 'string' || since === '') {
    throw refusal('invalid-request', `One destination and one position are needed. ${USE}`);
  }
  return { destination, since };
}
