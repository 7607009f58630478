/** Access to the admin API, and the size of its answers. */
import { section, sha256Of, whole } from './option-kinds.js';

export const admin = section({
  tokenHash: sha256Of('token')
    .optional()
    .describe('SHA-256 of the token for the admin API. Without it, the admin API is served on loopback only.'),
  pageMax: whole(1_000, 1, 10_000).describe('Maximum number of items on one page of the admin API.'),
  answerTimeoutMs: whole(5_000, 100, 60_000).describe('Time in ms that a worker has to answer an admin request.'),
});
