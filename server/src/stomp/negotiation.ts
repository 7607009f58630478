/**
 * What CONNECT and CONNECTED agree on: the version, the heart-beats, the relay's extensions, and the WebSocket
 * sub-protocol, which names a version too but binds neither side to it. All of it is arithmetic on header values.
 */
import { StompError } from './errors.js';
import { VERSIONS } from './frame.js';
import type { Version } from './frame.js';

/**
 * The highest version that both sides speak, undefined where there is none; versions that we do not know do not
 * matter, nor do spaces. STOMP 1.2, "Protocol Negotiation".
 */
export function negotiateVersion(
  acceptVersion: string | undefined,
  allowed: readonly Version[] = VERSIONS,
): Version | undefined {
  // STOMP 1.2, "Protocol Negotiation": a missing accept-version means that the client only supports 1.0.
  const accepted = (acceptVersion ?? '1.0').split(',').map((version) => version.trim());
  return VERSIONS.findLast((version) => allowed.includes(version) && accepted.includes(version));
}

/** One party's heart-beat header: what it can send and what it would like to get, in ms; 0 means none. */
export interface HeartBeat {
  readonly canSendMs: number;
  readonly wantsMs: number;
}

const HEART_BEAT = /^ *(\d{1,10}) *, *(\d{1,10}) *$/;
/** The longest time that Node's timers count. */
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

/** What the server must do: send at least every `sendEveryMs`, expect data every `expectEveryMs`; 0 means none. */
export interface AgreedHeartBeat {
  readonly sendEveryMs: number;
  readonly expectEveryMs: number;
}

/** STOMP 1.2, "Heart-beating": none if either says 0, otherwise every MAX(can, wants) milliseconds. */
export function negotiateHeartBeat(client: HeartBeat, server: HeartBeat): AgreedHeartBeat {
  return {
    sendEveryMs: agreedMs(server.canSendMs, client.wantsMs),
    expectEveryMs: agreedMs(client.canSendMs, server.wantsMs),
  };
}

const agreedMs = (canSendMs: number, wantsMs: number): number =>
  canSendMs === 0 || wantsMs === 0 ? 0 : Math.max(canSendMs, wantsMs);

/** What goes beyond STOMP, for clients that ask for it in CONNECT (docs/extensions.md). */
export const EXTENSIONS = ['soft-errors', 'drain', 'token-renewal'] as const;
export type Extension = (typeof EXTENSIONS)[number];
export type Extensions = ReadonlySet<Extension>;
export const NO_EXTENSIONS: Extensions = new Set();

/** The header in which CONNECT asks for extensions and CONNECTED grants them. */
export const EXTENSIONS_HEADER = 'relay-extensions';

/** Those that were asked for and that we have; undefined where there are none. Others are not granted, nor an error. */
export function grantExtensions(asked: string | undefined): Extensions | undefined {
  if (asked === undefined) return undefined;
  const names = asked.split(',').map((name) => name.trim());
  const granted = EXTENSIONS.filter((extension) => names.includes(extension));
  return granted.length > 0 ? new Set(granted) : undefined;
}

/** The WebSocket sub-protocols registered with IANA, and the version that each stands for. */
export const SUB_PROTOCOLS: ReadonlyMap<string, Version> = new Map([
  ['v10.stomp', '1.0'],
  ['v11.stomp', '1.1'],
  ['v12.stomp', '1.2'],
]);

/** The highest of the offered sub-protocols that we speak. */
export function chooseSubProtocol(offered: Iterable<string>): string | undefined {
  const names = new Set(offered);
  return [...SUB_PROTOCOLS.keys()].findLast((name) => names.has(name));
}
