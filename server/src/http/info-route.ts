/**
 * `GET <path>/info` answers whether the requesting page may connect. A browser hides from a page why its WebSocket
 * handshake was refused, so the client requests this route after a failed handshake. Pages of all origins may read the
 * answer, because it concerns only the caller's own origin.
 *
 * sockjs-client requests the same address, with `?t=...` and with credentials. It would take any 200 for a SockJS
 * server and try one transport after the other. Therefore it gets 404, with the address to use instead.
 */
import { Router } from 'express';
import type { Request } from 'express';
import type { AccessChecks } from './access-checks.js';

export interface InfoOptions extends Pick<AccessChecks, 'checkHost' | 'checkOrigin'> {
  /** Paths of the WebSocket transport; answers name the first one. */
  readonly websocketPaths: readonly [string, ...string[]];
}

const QUOTED_MAX = 200;

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
    const { origin: sender } = request.headers;
    if (sender !== undefined) {
      response
        .vary('Origin')
        .set({ 'Access-Control-Allow-Origin': sender, 'Access-Control-Allow-Credentials': 'true' });
    }
    const url = addressOf(request, path);
    const message = `This relay does not support SockJS. Give the STOMP client ${url} as its WebSocket URL.`;
    response.status(404).json({ ...about, error: 'sockjs-not-supported', message });
  });
  return router;

  function refusalOf({ headers, secure }: Request, origin: string | undefined): object | undefined {
    // Not the sentence of checkHost, which may name the relay's other hosts
    if (checkHost(headers, secure) !== undefined) {
      const message = `Host ${shortened(headers.host)} is not one of this relay's names. Add it with --allow-host (RELAY_ALLOW_HOST).`;
      return { error: 'host-not-allowed', message };
    }
    const message = checkOrigin({ ...headers, origin }, secure);
    return message === undefined ? undefined : { error: 'origin-not-allowed', message };
  }
}

/**
 * Browsers send no Origin with a request to the page's own host, but they send one with a WebSocket handshake, and a
 * proxy may change Host. Such a page therefore gives its origin in the query. The header has precedence, so a page of
 * another origin cannot ask for a different one.
 */
function originOf({ headers, query }: Request): string | undefined {
  return headers.origin ?? (typeof query['origin'] === 'string' ? query['origin'] : undefined);
}

/** A page from https can use only wss, also if a proxy terminates TLS. */
function addressOf({ headers, secure }: Request, path: string): string {
  const isEncrypted = secure || headers.origin?.startsWith('https:') === true;
  return `ws${isEncrypted ? 's' : ''}://${shortened(headers.host)}${path}`;
}

function shortened(text = ''): string {
  return text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX)}…` : text;
}
