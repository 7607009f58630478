/**
 * The text of a position: `offset.digest.marker-offset.marker-id`, numbers in base 36. It names an entry, a digest of
 * it, and the last marker up to it. Clients send it back, and may send any other text.
 *
 * The digest is sealed with the second half of the marker's id, which only relays see. Otherwise a client could make
 * positions for the texts that a message to another user may have, and the verdict would show which of them it has.
 */
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { Position, RoutedMessage } from '../broker.js';

export interface Place {
  readonly offset: number;
  readonly digest: number;
  readonly marker: Marker;
}

/**
 * A record that a relay has written into the log. Its id is random, so no other log has it. Positions have its first
 * half.
 */
export interface Marker {
  readonly offset: number;
  readonly id: string;
}

/** Longer texts are not positions, and are not read. */
const MAX_LENGTH = 79;
const FORM = /^([\da-z]{1,11})\.([\da-z]{1,7})\.([\da-z]{1,11})\.([\da-z]{1,20})$/;
const MARKER_ID = /^[\da-z]{1,20}$/;
const RADIX = 36;
const PUBLIC_LENGTH = 10;
const DIGEST_MAX = 2 ** 32 - 1;

export function formatPosition(offset: number, digest: number, marker: Marker): Position {
  const sealed = seal(digest, offset, marker.id);
  return `${base36(offset)}.${base36(sealed)}.${base36(marker.offset)}.${publicIdOf(marker.id)}`;
}

/** Undefined for every text that `formatPosition` does not make. Never throws. */
export function parsePosition(text: string): Place | undefined {
  if (text.length > MAX_LENGTH) return undefined;
  const [, offsetText = '', digestText = '', markerText = '', id = ''] = FORM.exec(text) ?? [];
  const offset = readNumber(offsetText, Number.MAX_SAFE_INTEGER);
  const digest = readNumber(digestText, DIGEST_MAX);
  const markerOffset = readNumber(markerText, Number.MAX_SAFE_INTEGER);
  if (offset === undefined || digest === undefined || markerOffset === undefined || markerOffset > offset) {
    return undefined;
  }
  return { offset, digest, marker: { offset: markerOffset, id } };
}

/** `id` is the whole id of the marker. */
export function isDigestOf({ offset, digest }: Pick<Place, 'offset' | 'digest'>, found: number, id: string): boolean {
  return seal(found, offset, id) === digest;
}

export function publicIdOf(id: string): string {
  return id.slice(0, PUBLIC_LENGTH);
}

function seal(digest: number, offset: number, id: string): number {
  const secret = id.slice(PUBLIC_LENGTH);
  return hash('sha256', `${secret} ${offset} ${digest}`, 'buffer').readUInt32BE(0);
}

export function isMarkerId(id: string): boolean {
  return MARKER_ID.test(id);
}

/**
 * 32 bits of an entry, from what every relay reads identically from the log. Other headers are left out, because
 * versions of the relay may show them differently.
 */
export function digestOf(key: string, message: RoutedMessage | undefined, marker?: string): number {
  if (!message) return crc32(`marker\n${marker ?? ''}`);
  const { headers, body } = message;
  const ids = `${key}\n${headers.get('amqp-message-id') ?? ''}\n${headers.get('correlation-id') ?? ''}\n`;
  return crc32(body, crc32(ids));
}

function base36(value: number): string {
  return value.toString(RADIX);
}

function readNumber(text: string, max: number): number | undefined {
  const value = parseInt(text, RADIX);
  return value <= max && base36(value) === text ? value : undefined;
}
