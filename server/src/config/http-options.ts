/** The HTTP API: its keys, and the limits of requests and streams. */
import { z } from 'zod';
import { userName } from '../auth/logins/user-list.js';
import { DAY_MS, flag, KIB, MIB, section, sha256Of, whole } from './option-kinds.js';

const apiKey = z.strictObject({
  name: userName.describe('Name of the user that the key stands for. Several keys may have the same name.'),
  keyHash: sha256Of('key').describe(
    'SHA-256 of the key in hexadecimal or base64. `stomp-relay api-key` creates a key and its hash.',
  ),
  claims: z.record(z.string(), z.unknown()).optional().describe('Claims of the user for the policy, such as roles.'),
});

export const http = section({
  page: flag(true).describe('Serve the demo page at `/`. Without it `/` is answered with 404.'),
  apiKeys: z
    .array(apiKey)
    .max(1_000)
    .default([])
    .describe('Keys for the HTTP API. Clients send them in the header `X-API-Key`.'),
  bodyMaxBytes: whole(MIB, KIB, 512 * MIB).describe(
    'Maximum size in bytes of the body of a request. Parsing JSON of several MiB blocks the event loop for too long.',
  ),
  bodiesMaxBytes: whole(256 * MIB, 64 * KIB, 64 * 1024 * MIB).describe(
    'Maximum size in bytes of the bodies of all requests in progress.',
  ),
  messagesMax: whole(1_000, 1, 100_000).describe('Maximum number of messages in one request.'),
  publishTimeoutMs: whole(60_000, 100, 10 * 60_000).describe(
    'Time limit in ms for handing all messages of one request to the broker.',
  ),
  idempotencyMs: whole(10 * 60_000, 1_000, DAY_MS).describe(
    'Time in ms that the response to a request with an `Idempotency-Key` is kept.',
  ),
  idempotencyMaxCount: whole(10_000, 1, 1_000_000).describe(
    'Maximum number of responses that are kept for idempotency keys.',
  ),
  idempotencyMaxBytes: whole(16 * MIB, 64 * KIB, 4096 * MIB).describe(
    'Maximum size in bytes of the responses that are kept for idempotency keys.',
  ),
  streamsMax: whole(5_000, 0, 1_000_000).describe(
    'Maximum number of concurrent event streams; 0 disables streams. Half of `listen.httpConnectionsMax` is the upper bound.',
  ),
  streamMaxBytes: whole(MIB, KIB, 1024 * MIB).describe(
    'Maximum size in bytes of the output that waits for one stream. It is checked when the next event arrives.',
  ),
  streamKeepAliveMs: whole(15_000, 100, DAY_MS).describe('Interval in ms of the comments that keep a stream alive.'),
});
