/**
 * Hashes of API keys and of the admin API's token: the relay stores only their SHA-256. A key has 256 random bits and
 * cannot be guessed, so a slow password hash would add no protection.
 */
import { createHash } from 'node:crypto';

/** `text` is hexadecimal or base64. */
export function readKeyHash(text: string): Buffer {
  return Buffer.from(text, text.length === 64 ? 'hex' : 'base64');
}

export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}
