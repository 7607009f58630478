/** The HTTP API: who has a key for it, and what requests and streams may take up. */
import { z } from 'zod';
import { userName } from '../auth/logins/user-list.js';
import { DAY_MS, KIB, MIB, section, sha256Of, whole } from './option-kinds.js';

const apiKey = z.strictObject({
  name: userName.describe('the user that the key stands for; several keys may have the same'),
  keyHash: sha256Of('key').describe('SHA-256 of the key, in hexadecimal or base64; `stomp-relay api-key` makes both'),
  claims: z.record(z.string(), z.unknown()).optional().describe('what the policy may ask for, such as roles'),
});

export const http = section({
  apiKeys: z.array(apiKey).max(1_000).default([]).describe('keys for the HTTP API, in the header `X-API-Key`'),
  bodyMaxBytes: whole(MIB, KIB, 512 * MIB).describe(
    'the body of a request; JSON of several MiB takes more time than one turn of the event loop should',
  ),
  bodiesMaxBytes: whole(256 * MIB, 64 * KIB, 64 * 1024 * MIB).describe('the bodies of all requests under way'),
  messagesMax: whole(1_000, 1, 100_000).describe('messages in one request'),
  publishTimeoutMs: whole(60_000, 100, 10 * 60_000).describe(
    'how long the messages of a request may take to be handed to the broker, all together',
  ),
  idempotencyMs: whole(10 * 60_000, 1_000, DAY_MS).describe('how long the answer for an `Idempotency-Key` is kept'),
  idempotencyMaxCount: whole(10_000, 1, 1_000_000).describe('answers kept for idempotency keys'),
  idempotencyMaxBytes: whole(16 * MIB, 64 * KIB, 4096 * MIB).describe('what these answers take up'),
  streamsMax: whole(5_000, 0, 1_000_000).describe(
    'streams of events at a time; at most half of `listen.httpConnectionsMax`; 0: none',
  ),
  streamMaxBytes: whole(MIB, KIB, 1024 * MIB).describe('what may wait for one stream when its next event comes'),
  streamKeepAliveMs: whole(15_000, 100, DAY_MS).describe('the interval of comments that keep a stream alive'),
});
