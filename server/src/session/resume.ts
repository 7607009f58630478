/**
 * Recovery in the headers of SUBSCRIBE and RECEIPT: the position with which a client returns, and the verdict about it
 * (docs/recovery.md).
 */
import type { Position } from '../brokers/broker.js';
import type { Verdict } from '../delivery/groups.js';
import { StompError } from '../stomp/errors.js';

type Headers = readonly [string, string][];

/** The client asks for the verdict and has no position. */
const NOW = 'now';

/** The position that the client returns with. Throws StompError `not-supported` for headers of later versions. */
export function positionToResume(headers: ReadonlyMap<string, string>): string | undefined {
  if (headers.has('relay-history')) {
    throw new StompError(
      'not-supported',
      'The header relay-history is not supported by this relay: leave it out, and return with relay-since.',
    );
  }
  const since = headers.get('relay-since');
  return since === NOW ? undefined : since;
}

/** The headers of RECEIPT for a subscription without a history. */
export function notRecoverable(position: string | undefined): Headers {
  return position === undefined ? [] : verdictHeaders({ recovered: false, reason: 'not-recoverable' });
}

/** The headers of RECEIPT for a subscription with a history, from a client that gave no position. */
export function liveFrom(position: Position): Headers {
  return [['relay-position', position]];
}

/** The headers of RECEIPT for a client that gave a position. */
export function verdictHeaders(verdict: Omit<Verdict, 'position'> & { readonly position?: Position }): Headers {
  const { recovered, reason, replayed, position } = verdict;
  const headers: [string, string][] = position === undefined ? [] : [['relay-position', position]];
  headers.push(['relay-recovered', String(recovered)]);
  if (reason !== undefined) headers.push(['relay-reason', reason]);
  if (replayed !== undefined) headers.push(['relay-replayed', String(replayed)]);
  return headers;
}
