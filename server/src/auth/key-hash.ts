/**
 * Keys that services present (`X-API-Key`, the admin API's token) are known by their SHA-256 alone. A key has 256 random bits,
 * so nobody can try them out, and a slow hash would only be slow.
 */
import { createHash } from 'node:crypto';

/** In hexadecimal or base64, as a configuration has it. */
export function readKeyHash(text: string): Buffer {
  return Buffer.from(text, text.length === 64 ? 'hex' : 'base64');
}

export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
