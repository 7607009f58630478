/** The admin API: who may use it, and how much it answers at a time. */
import { section, sha256Of, whole } from './option-kinds.js';

export const admin = section({
  tokenHash: sha256Of('token')
    .optional()
    .describe('SHA-256 of the token for the admin API; not given: it is served on loopback only'),
  pageMax: whole(1_000, 1, 10_000).describe('items in one answer of the admin API'),
  answerTimeoutMs: whole(5_000, 100, 60_000).describe('how long a worker may take to answer'),
});
