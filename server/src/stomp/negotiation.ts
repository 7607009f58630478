/**
 * The negotiation of CONNECT and CONNECTED: version, heart-beats and extensions of the relay. Also the WebSocket
 * sub-protocol, which names a version too, but does not bind either side.
 */
import { StompError } from './errors.js';
import { VERSIONS } from './frame.js';
import type { Version } from './frame.js';

/**
 * The highest version that both sides support; undefined if there is none. Unknown versions and spaces are ignored.
 * STOMP 1.2, "Protocol Negotiation".
 */
export function negotiateVersion(
  acceptVersion: string | undefined,
  allowed: readonly Version[] = VERSIONS,
): Version | undefined {
  // STOMP 1.2, "Protocol Negotiation": a missing accept-version means that the client only supports 1.0.
  const accepted = (acceptVersion ?? '1.0').split(',').map((version) => version.trim());
  return VERSIONS.findLast((version) => allowed.includes(version) && accepted.includes(version));
}

/** The heart-beat header of one side: the intervals in ms at which it can send, and wants to receive; 0 means never. */
export interface HeartBeat {
  readonly canSendMs: number;
  readonly wantsMs: number;
}

const HEART_BEAT = /^ *(\d{1,10}) *, *(\d{1,10}) *$/;
/** The longest delay of Node's timers. */
const HEART_BEAT_MAX_MS = 2 ** 31 - 1;

/** @throws StompError `invalid-header` */
export function parseHeartBeat(value: string | undefined): HeartBeat {
  // STOMP 1.2, "Heart-beating": a missing header MUST be treated the same way as "heart-beat:0,0".
  if (value === undefined) return { canSendMs: 0, wantsMs: 0 };
  const match = HEART_BEAT.exec(value);
  const canSendMs = Number(match?.[1]);
  const wantsMs = Number(match?.[2]);
  if (canSendMs <= HEART_BEAT_MAX_MS && wantsMs <= HEART_BEAT_MAX_MS) return { canSendMs, wantsMs };
  throw new StompError(
    'invalid-header',
    `The header "heart-beat" must be two integers from 0 to ${HEART_BEAT_MAX_MS} (milliseconds) with a comma between, such as 10000,10000.`,
  );
}

/** The server must send at least every `sendEveryMs`, and receive data every `expectEveryMs`; 0 means never. */
export interface AgreedHeartBeat {
  readonly sendEveryMs: number;
  readonly expectEveryMs: number;
}

/** STOMP 1.2, "Heart-beating": none if either side has 0, otherwise every MAX(can, wants) milliseconds. */
export function negotiateHeartBeat(client: HeartBeat, server: HeartBeat): AgreedHeartBeat {
  return {
    sendEveryMs: agreedMs(server.canSendMs, client.wantsMs),
    expectEveryMs: agreedMs(client.canSendMs, server.wantsMs),
  };
}

const agreedMs = (canSendMs: number, wantsMs: number): number =>
  canSendMs === 0 || wantsMs === 0 ? 0 : Math.max(canSendMs, wantsMs);

/** Extensions of STOMP, for clients that request them in CONNECT (docs/extensions.md). */
export const EXTENSIONS = ['soft-errors', 'drain', 'token-renewal', 'blocked', 'recovery'] as const;
export type Extension = (typeof EXTENSIONS)[number];
export type Extensions = ReadonlySet<Extension>;
export const NO_EXTENSIONS: Extensions = new Set();

/** The header in which CONNECT requests extensions and CONNECTED grants them. */
export const EXTENSIONS_HEADER = 'relay-extensions';

/** The requested extensions that the relay supports; undefined if there are none. Unknown names are ignored. */
export function grantExtensions(requested: string | undefined): Extensions | undefined {
  if (requested === undefined) return undefined;
  const names = requested.split(',').map((name) => name.trim());
  const granted = EXTENSIONS.filter((extension) => names.includes(extension));
  return granted.length > 0 ? new Set(granted) : undefined;
}

/** The WebSocket sub-protocols registered with IANA, and their versions. */
export const SUB_PROTOCOLS: ReadonlyMap<string, Version> = new Map([
  ['v10.stomp', '1.0'],
  ['v11.stomp', '1.1'],
  ['v12.stomp', '1.2'],
]);

/** The highest of the offered sub-protocols that the relay supports. */
export function chooseSubProtocol(offered: Iterable<string>): string | undefined {
  const names = new Set(offered);
  return [...SUB_PROTOCOLS.keys()].findLast((name) => names.has(name));
}
