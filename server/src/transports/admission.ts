/**
 * Which web pages may talk to the relay. Browsers send any page's WebSocket handshake anywhere, cookies included, so
 * the server has to look at Origin (RFC 6455, section 10.2); and a page can give its own name our address (DNS
 * rebinding), so a relay that listens on loopback, where being reachable is the only protection, looks at Host too.
 * Each check answers with the sentence of the refusal, or undefined.
 */
import { isLoopback } from '../net/loopback.js';

/** `isEncrypted`: the request came over TLS, which ends here. */
export type HeaderCheck = (headers: CheckedHeaders, isEncrypted?: boolean) => string | undefined;

export interface CheckedHeaders {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly 'sec-fetch-site'?: string | string[] | undefined;
}

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];
const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };
const SHOWN_MAX = 200;
/** Scheme, the longest name of a host, port. A longer text is no origin, and taking it apart as an address costs time. */
const ORIGIN_MAX_LENGTH = 512;
const HOST_MAX_LENGTH = 512;

/** Said to who comes by another address than this machine's own, where nobody asks who a client is. */
export const LOOPBACK_ONLY =
  'No authenticator is configured, so only clients on this machine are served: give one, or set auth.allowAnonymous.';

/** `same`: the page came from where the handshake goes to. `*`: any page. Else exact origins, and `same` among them. */
export type AllowedOrigins = 'same' | '*' | readonly string[];

export function createOriginCheck(allowed: AllowedOrigins): HeaderCheck {
  if (allowed === '*') return () => undefined;
  const list = allowed === 'same' ? ['same'] : allowed;
  const isAllowed = (origin: string, host: string, isEncrypted: boolean): boolean =>
    list.some((each) => (each === 'same' ? isSameOrigin(origin, host, isEncrypted) : each === origin.toLowerCase()));
  return ({ origin, host = '' }, isEncrypted = false) => {
    if (origin === undefined || isAllowed(origin, host, isEncrypted)) return undefined; // no Origin: not a browser
    const rule = allowed === 'same' ? `only pages from this host (${shown(host)}) may` : 'it is not on the list';
    return `Origin ${shown(origin)} may not connect: ${rule}. Allow it with --allow-origin (RELAY_ALLOW_ORIGIN).`;
  };
}

/**
 * Whether a request comes from a page that may talk to the relay, so that a cookie with it is meant: not where nothing says
 * which page it is. Browsers name no Origin for what a page asks of its own host, but say that it is its own.
 */
export function createPageCheck(allowed: AllowedOrigins): (headers: CheckedHeaders) => boolean {
  const checkOrigin = createOriginCheck(allowed);
  return (headers) => {
    if (headers.origin !== undefined) return checkOrigin(headers) === undefined;
    return headers['sec-fetch-site'] === 'same-origin';
  };
}

/**
 * `allowed` names hosts, with a port (only this one) or without (any); without a list, a relay bound to loopback
 * answers to loopback's names and any other relay to all. `boundHost` is undefined where the server is not ours.
 */
export function createHostCheck(allowed: readonly string[] | undefined, boundHost: string | undefined): HeaderCheck {
  const names = allowed ?? (boundHost !== undefined && isLoopback(boundHost) ? [...LOOPBACK_NAMES, boundHost] : ['*']);
  if (names.includes('*')) return () => undefined;
  const accepted = new Set(names.map((name) => name.toLowerCase()));
  return ({ host = '' }) => {
    const asked = host.length > HOST_MAX_LENGTH ? '' : host.toLowerCase();
    if (accepted.has(asked) || accepted.has(asked.replace(/:\d+$/, ''))) return undefined;
    return (
      `Host ${shown(host) || '(none)'} is not one of this relay's names (${names.join(', ')}). ` +
      'Add it with --allow-host (RELAY_ALLOW_HOST).'
    );
  };
}

/** Without TLS the page may all the same have come over https: a proxy may stand in between. */
function isSameOrigin(origin: string, host: string, isEncrypted: boolean): boolean {
  if (origin.length > ORIGIN_MAX_LENGTH || !URL.canParse(origin)) return false; // such as "null", of sandboxed pages and files
  const { host: originHost, protocol } = new URL(origin);
  if (isEncrypted && protocol !== 'https:') return false;
  const defaultPort = DEFAULT_PORTS[protocol];
  const asked = host.toLowerCase();
  return originHost !== '' && (asked === originHost || asked === `${originHost}:${defaultPort}`);
}

function shown(value: string): string {
  return value.length <= SHOWN_MAX ? value : `${value.slice(0, SHOWN_MAX)}…`;
}
