/**
 * `GET <path>/info`: whether the page that asks may connect. A browser does not show a page why its WebSocket handshake was
 * refused, so the client asks here after one that failed. Pages of all origins may read the answer: it says nothing but
 * what holds for the caller's own origin.
 *
 * sockjs-client asks the same address, with `?t=...` and with credentials. It takes any 200 for a SockJS server, and would
 * try one transport after the other: it gets 404, with the address to use instead.
 */
import { Router } from 'express';
import type { Request } from 'express';
import type { AccessChecks } from './access-checks.js';

export interface InfoOptions extends Pick<AccessChecks, 'checkHost' | 'checkOrigin'> {
  /** Where a WebSocket is taken; the first is the one to name. */
  readonly websocketPaths: readonly [string, ...string[]];
}

const SHOWN_MAX = 200;

export function infoRoute({ websocketPaths, checkHost, checkOrigin }: InfoOptions): Router {
  const places = new Set(websocketPaths.map((path) => `${path.replace(/\/$/, '')}/info`));
  const [path] = websocketPaths;
  const router = Router();
  router.get([...places], (request, response) => {
    const origin = originOf(request);
    const refusal = refusalOf(request, origin);
    const about = { websocket: true, originAllowed: refusal === undefined };
    response.set({ 'Cache-Control': 'no-store', 'Access-Control-Allow-Origin': '*' });
    if (request.query['t'] === undefined) {
      response.json({
        ...about,
        ...(refusal ?? { message: `A STOMP client connects to ${addressOf(request, path)}.` }),
      });
      return;
    }
    const { origin: asking } = request.headers;
    if (asking !== undefined) {
      response
        .vary('Origin')
        .set({ 'Access-Control-Allow-Origin': asking, 'Access-Control-Allow-Credentials': 'true' });
    }
    const message = `There is no SockJS here. Give the STOMP client ${addressOf(request, path)} as its WebSocket URL.`;
    response.status(404).json({ ...about, error: 'sockjs-not-supported', message });
  });
  return router;

  function refusalOf({ headers, secure }: Request, origin: string | undefined): object | undefined {
    // The relay's other names are not for every page
    if (checkHost(headers, secure) !== undefined) {
      const message = `Host ${shown(headers.host)} is not one of this relay's names. Add it with --allow-host (RELAY_ALLOW_HOST).`;
      return { error: 'host-not-allowed', message };
    }
    const message = checkOrigin({ ...headers, origin }, secure);
    return message === undefined ? undefined : { error: 'origin-not-allowed', message };
  }
}

/**
 * Browsers name no origin where a page asks its own host, but do so in a WebSocket handshake, and a proxy may have changed
 * Host: such a page gives its origin in the query. A page of another origin cannot ask for any but its own.
 */
function originOf({ headers, query }: Request): string | undefined {
  return headers.origin ?? (typeof query['origin'] === 'string' ? query['origin'] : undefined);
}

/** A page that came over https can use wss alone, also where a proxy ends TLS. */
function addressOf({ headers, secure }: Request, path: string): string {
  const isEncrypted = secure || headers.origin?.startsWith('https:') === true;
  return `ws${isEncrypted ? 's' : ''}://${shown(headers.host)}${path}`;
}

function shown(text = ''): string {
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text;
}
