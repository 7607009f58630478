/**
 * Password hashes: scrypt (RFC 7914) in the PHC format `$scrypt$ln=15,r=8,p=3$SALT$HASH` (log2 of the cost, block size,
 * parallelism; base64 without padding), which other tools support too. Node computes them in its thread pool. A check
 * deliberately takes about a quarter of a second and 32 MiB.
 */
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

export interface PasswordHash {
  /** scrypt's N, r and p. */
  readonly cost: number;
  readonly blockSize: number;
  readonly parallelization: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

/** Parameters that OWASP recommends. */
const NEW = { logCost: 15, blockSize: 8, parallelization: 3, saltBytes: 16, hashBytes: 32 } as const;
/** Cheaper hashes are too easy to crack; the upper bound protects this process. */
const WORK = { min: 2 ** 14 * 8, max: 2 ** 17 * 8 * 2 } as const;
const MEMORY_MAX_BYTES = 128 * 1024 * 1024;
const SALT_BYTES = { min: 16, max: 64 } as const;
const HASH_BYTES = { min: 32, max: 64 } as const;

const FORMAT = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]{2,100})\$([A-Za-z0-9+/]{2,100})$/;

/** Throws an Error that explains the problem without quoting the hash. */
export function parsePasswordHash(text: string): PasswordHash {
  const [, logCost = '', r = '', p = '', salt64 = '', hash64 = ''] = FORMAT.exec(text) ?? [];
  if (hash64 === '')
    throw new Error('must be a line that `stomp-relay hash-password` prints: $scrypt$ln=..,r=..,p=..$..$..');
  const cost = 2 ** Number(logCost);
  const blockSize = Number(r);
  const parallelization = Number(p);
  const work = cost * blockSize * parallelization;
  if (work < WORK.min) throw new Error('is too weak: at least ln=14,r=8,p=1 is required');
  if (work > WORK.max || memoryBytes(cost, blockSize) > MEMORY_MAX_BYTES) {
    throw new Error('costs too much to check: at most ln=17,r=8,p=2 is allowed');
  }
  const salt = Buffer.from(salt64, 'base64');
  const hash = Buffer.from(hash64, 'base64');
  if (!isWithin(salt, SALT_BYTES) || !isWithin(hash, HASH_BYTES)) {
    throw new Error('must have a salt of 16 to 64 bytes and a hash of 32 to 64 bytes');
  }
  return { cost, blockSize, parallelization, salt, hash };
}

/** Resolves with the PHC string. */
export async function hashPassword(password: string): Promise<string> {
  const { logCost, blockSize, parallelization, saltBytes, hashBytes } = NEW;
  const salt = randomBytes(saltBytes);
  const hash = await derive(password, { cost: 2 ** logCost, blockSize, parallelization, salt }, hashBytes);
  return `$scrypt$ln=${logCost},r=${blockSize},p=${parallelization}$${unpadded(salt)}$${unpadded(hash)}`;
}

export async function isPassword(password: string, stored: PasswordHash): Promise<boolean> {
  return timingSafeEqual(await derive(password, stored, stored.hash.length), stored.hash);
}

function derive(
  password: string,
  { cost, blockSize, parallelization, salt }: Omit<PasswordHash, 'hash'>,
  bytes: number,
): Promise<Buffer> {
  const options = { cost, blockSize, parallelization, maxmem: 2 * memoryBytes(cost, blockSize) };
  return new Promise((resolve, reject) => {
    scrypt(password, salt, bytes, options, (error, key) => (error ? reject(error) : resolve(key)));
  });
}

/** Memory of scrypt (RFC 7914, section 2), without the small part for each of `p`. */
function memoryBytes(cost: number, blockSize: number): number {
  return 128 * cost * blockSize;
}

function isWithin({ length }: Buffer, { min, max }: { min: number; max: number }): boolean {
  return length >= min && length <= max;
}

function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replace(/={1,2}$/, '');
}
