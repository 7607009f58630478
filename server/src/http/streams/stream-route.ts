/** The route `GET /api/stream?destination=...`: Server-Sent Events, for clients without STOMP. */
import { Router } from 'express';
import type { Request, RequestHandler, Response } from 'express';
import type { Policy } from '../../auth/auth.js';
import { requireSubscribe } from '../../auth/policy/permission.js';
import type { SharedDestination } from '../../brokers/broker.js';
import { parseDestination } from '../../destinations/destination.js';
import { isPattern } from '../../destinations/key-limits.js';
import type { Identify } from '../messages/publish-route.js';
import { refusal } from '../problem-codes.js';
import type { Stream } from './stream.js';
import type { Streams } from './streams.js';

export interface StreamRouteSources {
  readonly streams: Streams;
  readonly policy: Policy;
  readonly config: {
    readonly session: {
      readonly connectTimeoutMs: number;
      readonly subscriptionsMax: number;
      readonly wildcardSubscriptionsMax: number;
    };
  };
}

const NO_HEADERS: ReadonlyMap<string, string> = new Map();

export function streamRoute(sources: StreamRouteSources, identify: Identify): Router {
  const options = sources.config.session;
  const open: RequestHandler = async (request, response) => {
    const texts = destinationsOf(request, options.subscriptionsMax);
    const wish = { since: sinceOf(request), lastEventId: request.get('Last-Event-ID') };
    const parsed = texts.map(parseShared);
    refuseManyPatterns(parsed, options.wildcardSubscriptionsMax);
    const reader = await admitReader(sources, identify, { request, response }, parsed);
    if (reader) await sources.streams.open(reader.stream, reader.destinations, wish);
  };
  return Router().head('/stream', refuseHead).get('/stream', open);
}

/** Express would handle HEAD like GET, and open a stream without a reader. */
export const refuseHead: RequestHandler = (_request, response) => void response.set('Allow', 'GET').status(405).end();

/** Identifies the caller, admits its stream, and asks the policy. Undefined if the client has gone meanwhile. */
export async function admitReader(
  { streams, policy, config }: StreamRouteSources,
  identify: Identify,
  { request, response }: { readonly request: Request; readonly response: Response },
  parsed: readonly SharedDestination[],
): Promise<{ readonly stream: Stream; readonly destinations: readonly SharedDestination[] } | undefined> {
  const caller = await identify(request);
  response.locals['caller'] = caller;
  if (response.closed) return undefined;
  const stream = streams.admit(response, caller);
  const destinations = parsed.map((each) => (each.kind === 'user' ? { ...each, user: stream.userName } : each));
  const subject = { principal: caller.principal, context: { policy, options: config.session } };
  for (const each of destinations) await requireSubscribe(subject, each, NO_HEADERS);
  return { stream, destinations };
}

function destinationsOf(request: Request, max: number): string[] {
  const { destination } = request.query;
  const unknown = Object.keys(request.query).find((name) => name !== 'destination' && name !== 'since');
  if (unknown !== undefined) {
    throw refusal('invalid-request', 'The only parameters are destination, repeated for each destination, and since.');
  }
  const given = Array.isArray(destination) ? destination : [destination];
  const texts = [...new Set(given)].filter((text) => typeof text === 'string' && text !== '') as string[];
  if (texts.length === 0 || texts.length > max) {
    const code = texts.length === 0 ? 'invalid-request' : 'too-many-subscriptions';
    throw refusal(
      code,
      `A stream needs 1 to ${max} destinations (session.subscriptionsMax), such as ?destination=/topic/news`,
    );
  }
  return texts;
}

/** The position that the client returns with. `now` stands for none. */
export function sinceOf({ query }: Request): string | undefined {
  const { since } = query;
  if (since === undefined || since === 'now') return undefined;
  if (typeof since === 'string' && since !== '') return since;
  throw refusal('invalid-request', 'The parameter since is one position, or now.');
}

function refuseManyPatterns(destinations: readonly SharedDestination[], max: number): void {
  if (destinations.filter(isPattern).length <= max) return;
  const sentence = `A stream has at most session.wildcardSubscriptionsMax (${max}) destinations with "*" or "#".`;
  throw refusal('too-many-subscriptions', sentence);
}

/** Throws a DestinationError, or a Problem for a queue, because a stream cannot acknowledge messages. */
export function parseShared(text: string): SharedDestination {
  const destination = parseDestination(text, 'subscribe');
  const { kind } = destination;
  if (kind === 'topic' || kind === 'exchange' || kind === 'user') return destination;
  const sentence = `${text.slice(0, 100)} is a queue, and its messages need acknowledgements: consume it over STOMP or AMQP.`;
  throw refusal('invalid-destination', sentence);
}
