/**
 * The kinds of options that the sections consist of. Each has one rule, and the same error text for every violation.
 */
import { z } from 'zod';

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const DAY_MS = 86_400_000;
/** With a longer delay setTimeout fires at once. */
export const TIMER_MAX_MS = 2 ** 31 - 1;

export function whole(value: number, min: number, max: number) {
  const error = `must be a whole number from ${min} to ${max}`;
  return z.int({ error }).min(min, { error }).max(max, { error }).default(value);
}

export function number(value: number, min: number, max: number) {
  const error = `must be a number from ${min} to ${max}`;
  return z.number({ error }).min(min, { error }).max(max, { error }).default(value);
}

/** A section in which every option has a default, and unknown options are refused. */
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

/** `secret` is `key` or `token`. `auth/key-hash` reads the value. */
export function sha256Of(secret: string) {
  const error = `must be the SHA-256 of a ${secret}, in hexadecimal or base64, as stomp-relay api-key prints it`;
  return z.string({ error }).regex(/^([\da-f]{64}|[A-Za-z\d+/]{43}=)$/i, { error });
}
