/** The route `GET /api/history?destination=...&since=...`: the messages behind a position, without a subscription. */
import { Router } from 'express';
import type { Request, RequestHandler } from 'express';
import { requireSubscribe } from '../../auth/policy/permission.js';
import type { Identify } from '../messages/publish-route.js';
import { refusal } from '../problem-codes.js';
import { parseShared } from './stream-route.js';
import type { StreamRouteSources } from './stream-route.js';

const NO_HEADERS: ReadonlyMap<string, string> = new Map();

export function historyRoute({ streams, policy, config }: StreamRouteSources, identify: Identify): Router {
  const read: RequestHandler = async (request, response) => {
    const { destination: text, since } = wishOf(request);
    const parsed = parseShared(text);
    const caller = await identify(request);
    response.locals['caller'] = caller;
    if (response.closed) return;
    const stream = streams.admit(response, caller);
    const destination = parsed.kind === 'user' ? { ...parsed, user: stream.userName } : parsed;
    const subject = { principal: caller.principal, context: { policy, options: config.session } };
    await requireSubscribe(subject, destination, NO_HEADERS);
    await streams.download(stream, destination, since);
  };
  const refuseHead: RequestHandler = (_request, response) => void response.set('Allow', 'GET').status(405).end();
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
