/**
 * The kinds of options that the sections are made of. Each has a default and a rule, and every way to get it wrong has the
 * same sentence, which says the rule.
 */
import { z } from 'zod';

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const DAY_MS = 86_400_000;
/** Longer than this, setTimeout fires at once. */
export const TIMER_MAX_MS = 2 ** 31 - 1;

/** A whole number with a default and a range; every way to get it wrong has the same sentence. */
export function whole(value: number, min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error }).default(value);
}

export function number(value: number, min: number, max: number) {
  const error = `must be a number from ${min} to ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error }).default(value);
}

/** A section whose options all have defaults, and which has no others. */
export function section<T extends z.core.$ZodShape>(shape: T) {
  return z.strictObject(shape).prefault({} as never);
}

export const flag = (value: boolean) => z.boolean({ error: 'must be true or false' }).default(value);

const FILE_RULE = 'must be the name of a file';
export const fileName = z.string({ error: FILE_RULE }).min(1, { error: FILE_RULE });

const EXCHANGE_RULE = 'must be the name of an exchange, 1 to 255 bytes';
export const exchangeName = z
  .string({ error: EXCHANGE_RULE })
  .refine((text) => text !== '' && Buffer.byteLength(text) <= 255, { error: EXCHANGE_RULE });

/** Of a key or token, as `auth/key-hash` reads it. */
export function sha256Of(what: string) {
  const error = `must be the SHA-256 of a ${what}, in hexadecimal or base64, as stomp-relay api-key prints it`;
  return z.string({ error }).regex(/^([\da-f]{64}|[A-Za-z\d+/]{43}=)$/i, { error });
}
