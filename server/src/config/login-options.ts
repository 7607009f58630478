/** Authenticators that check a login and a passcode: against a list, by asking a service, or at RabbitMQ. */
import { z } from 'zod';
import { userList } from '../auth/logins/user-list.js';
import { isLoopback } from '../net/loopback.js';
import { DAY_MS, fileName, flag, KIB, MIB, whole } from './option-kinds.js';

/** How many are checked at a time: see `auth/bounded-line.ts`. */
function bounds(checksMax: z.ZodDefault<z.ZodInt>) {
  return {
    checksMax: checksMax.describe('logins that are checked at a time'),
    waitingMax: whole(1_000, 0, 100_000).describe('logins that wait for that'),
    checkTimeoutMs: whole(5_000, 100, 60_000).describe('for one login, waiting included'),
  };
}

const cacheMs = (value: number) =>
  whole(value, 0, DAY_MS).describe(
    'how long a login that was right is right without another check; 0: each is checked for itself',
  );

export const users = z
  .strictObject({
    kind: z.literal('users'),
    users: userList.optional().describe('the users; this, or `file`'),
    file: fileName.optional().describe('YAML or JSON with the same list, read again when it changes'),
    // scrypt has Node's four threads to itself otherwise, which also read files and look up names
    ...bounds(whole(2, 1, 64)),
    cacheMs: cacheMs(60_000),
  })
  .refine((options) => (options.users === undefined) !== (options.file === undefined), {
    error: 'must have either users or file',
  });

const URL_RULE =
  'must be an https address without user and password (http on loopback, or elsewhere with allowHttp: true)';
const HEADER_RULE = 'must be headers: names of letters, digits and dashes, values without line breaks';
const RESERVED = /^(content-type|content-length|accept|host|connection|transfer-encoding|expect|upgrade|te|trailer)$/i;

const headers = z
  .record(
    z.string().regex(/^[\w-]+$/, { error: HEADER_RULE }),
    z.string({ error: HEADER_RULE }).regex(/^[\t\x20-\x7e\x80-\xff]*$/, { error: HEADER_RULE }),
    { error: HEADER_RULE },
  )
  .refine((values) => !Object.keys(values).some((name) => RESERVED.test(name)), {
    error: 'must not name headers that the relay sets itself, such as content-type',
  })
  .default({});

export const http = z
  .strictObject({
    kind: z.literal('http'),
    url: z.string({ error: URL_RULE }).describe('of the service, which gets a POST for each login'),
    allowHttp: flag(false).describe('the network between relay and service is trusted with passcodes'),
    headers: headers.describe('sent with each request, such as an API key'),
    forward: z
      .array(z.enum(['authorization', 'cookie']))
      .default([])
      .describe('headers of the client that are passed on, too'),
    ...bounds(whole(20, 1, 1_000)),
    answerMaxBytes: whole(16 * KIB, 256, MIB).describe("the service's answer"),
    cacheMs: cacheMs(0),
  })
  .refine(({ url, allowHttp }) => isUsable(url, allowHttp), { path: ['url'], error: URL_RULE });

function isUsable(text: string, allowHttp: boolean): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password } = new URL(text);
  if (username !== '' || password !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && (allowHttp || isLoopback(hostname)));
}

export const brokerUsers = z.strictObject({
  kind: z.literal('rabbitmq'),
  allowGuest: flag(false).describe('take RabbitMQ’s `guest`, too: from the relay, its password is known to all'),
  ...bounds(whole(4, 1, 100)),
  cacheMs: cacheMs(10_000),
});
