/** The admin API: who may use it, and how much it answers at a time. */
import { z } from 'zod';
import { section, whole } from './option-kinds.js';

const HASH_RULE = 'must be the SHA-256 of a token, in hexadecimal or base64, as stomp-relay api-key prints it';

export const admin = section({
  tokenHash: z
    .string({ error: HASH_RULE })
    .regex(/^([\da-f]{64}|[A-Za-z\d+/]{43}=)$/i, { error: HASH_RULE })
    .optional()
    .describe('SHA-256 of the token for the admin API; not given: it is served on loopback only'),
  pageMax: whole(1_000, 1, 10_000).describe('items in one answer of the admin API'),
  answerTimeoutMs: whole(5_000, 100, 60_000).describe('how long a worker may take to answer'),
});
