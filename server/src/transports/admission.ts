/**
 * Checks of web pages that connect to the relay. Browsers send the WebSocket handshake of any page to any server,
 * cookies included, so the server has to check Origin (RFC 6455, section 10.2). A page can also resolve its own name to
 * the relay's address (DNS rebinding). A relay on loopback has no other protection than being unreachable, so it also
 * checks Host. Each check returns the sentence of the refusal, or undefined.
 */
import { isLoopback } from '../net/ip-address.js';

/** `isEncrypted`: the request arrived over TLS that the relay terminates. */
export type HeaderCheck = (headers: CheckedHeaders, isEncrypted?: boolean) => string | undefined;

export interface CheckedHeaders {
  readonly host?: string | undefined;
  readonly origin?: string | undefined;
  readonly 'sec-fetch-site'?: string | string[] | undefined;
}

const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '[::1]'];
const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'http:': '80', 'https:': '443' };
const QUOTED_MAX = 200;
/**
 * Room for a scheme, the longest host name, and a port. A longer text is not an origin, and parsing it would cost time.
 */
const ORIGIN_MAX_LENGTH = 512;
const HOST_MAX_LENGTH = 512;

/** The refusal of clients from other machines while no authenticator is configured. */
export const LOOPBACK_ONLY =
  'No authenticator is configured, so only clients on this machine are served: configure one, or set auth.allowAnonymous.';

/** `same`: the page has the host of the handshake. `*`: any page. A list: exact origins, and possibly `same`. */
export type AllowedOrigins = 'same' | '*' | readonly string[];

export function createOriginCheck(allowed: AllowedOrigins): HeaderCheck {
  if (allowed === '*') return () => undefined;
  const list = allowed === 'same' ? ['same'] : allowed;
  const isAllowed = (origin: string, host: string, isEncrypted: boolean): boolean =>
    list.some((each) => (each === 'same' ? isSameOrigin(origin, host, isEncrypted) : each === origin.toLowerCase()));
  return ({ origin, host = '' }, isEncrypted = false) => {
    if (origin === undefined || isAllowed(origin, host, isEncrypted)) return undefined; // no Origin: not a browser
    const rule =
      allowed === 'same' ? `only pages from this host (${shortened(host)}) may` : 'it is not in the list of origins';
    return `Origin ${shortened(origin)} may not connect: ${rule}. Allow it with --allow-origin (RELAY_ALLOW_ORIGIN).`;
  };
}

/**
 * True if a request comes from a page that may connect, so that its cookies may be used. A request without a sign of
 * its page does not qualify. Browsers send no Origin with some requests of a page to its own host, but send
 * Sec-Fetch-Site.
 */
export function createPageCheck(allowed: AllowedOrigins): (headers: CheckedHeaders) => boolean {
  const checkOrigin = createOriginCheck(allowed);
  return (headers) => {
    if (headers.origin !== undefined) return checkOrigin(headers) === undefined;
    return headers['sec-fetch-site'] === 'same-origin';
  };
}

/**
 * `allowed` names hosts, with a port (only that port) or without (any port). Without a list, a relay on loopback
 * accepts the names of loopback, and any other relay accepts all names. `boundHost` is undefined for a server of the
 * application.
 */
export function createHostCheck(allowed: readonly string[] | undefined, boundHost: string | undefined): HeaderCheck {
  const names = allowed ?? (boundHost !== undefined && isLoopback(boundHost) ? [...LOOPBACK_NAMES, boundHost] : ['*']);
  if (names.includes('*')) return () => undefined;
  const accepted = new Set(names.map((name) => name.toLowerCase()));
  return ({ host = '' }) => {
    const requested = host.length > HOST_MAX_LENGTH ? '' : host.toLowerCase();
    if (accepted.has(requested) || accepted.has(requested.replace(/:\d+$/, ''))) return undefined;
    return (
      `Host ${shortened(host) || '(none)'} is not one of this relay's names (${names.join(', ')}). ` +
      'Add it with --allow-host (RELAY_ALLOW_HOST).'
    );
  };
}

/** Without TLS at the relay, https is accepted too, because a proxy may terminate TLS. */
function isSameOrigin(origin: string, host: string, isEncrypted: boolean): boolean {
  if (origin.length > ORIGIN_MAX_LENGTH || !URL.canParse(origin)) return false; // such as "null" of sandboxed pages
  const { host: originHost, protocol } = new URL(origin);
  if (isEncrypted && protocol !== 'https:') return false;
  const defaultPort = DEFAULT_PORTS[protocol];
  const requested = host.toLowerCase();
  return originHost !== '' && (requested === originHost || requested === `${originHost}:${defaultPort}`);
}

function shortened(value: string): string {
  return value.length <= QUOTED_MAX ? value : `${value.slice(0, QUOTED_MAX)}…`;
}
