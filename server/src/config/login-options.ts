/** Authenticators that check a login and a passcode: against a list of users, at a service, or at RabbitMQ. */
import { z } from 'zod';
import { userList } from '../auth/logins/user-list.js';
import { isLoopback } from '../net/ip-address.js';
import { DAY_MS, fileName, flag, KIB, MIB, whole } from './option-kinds.js';

/** Options of the queue in `auth/bounded-line.ts`. */
function bounds(checksMax: z.ZodDefault<z.ZodInt>) {
  return {
    checksMax: checksMax.describe('Maximum number of logins that are checked at a time.'),
    waitingMax: whole(1_000, 0, 100_000).describe(
      'Maximum number of logins that wait to be checked; 0: none may wait.',
    ),
    checkTimeoutMs: whole(5_000, 100, 60_000).describe(
      'Time limit in ms for the check of one login, waiting included.',
    ),
  };
}

const cacheMs = (value: number) =>
  whole(value, 0, DAY_MS).describe(
    'Time in ms that a successful login is accepted again without another check; 0: every login is checked.',
  );

export const users = z
  .strictObject({
    kind: z.literal('users'),
    users: userList.optional().describe('List of users. Give either `users` or `file`.'),
    file: fileName.optional().describe('YAML or JSON file with the list of users. It is read again when it changes.'),
    // More would let scrypt occupy all four threads of Node, which also read files and resolve names.
    ...bounds(whole(2, 1, 64)),
    cacheMs: cacheMs(60_000),
  })
  .refine((options) => (options.users === undefined) !== (options.file === undefined), {
    error: 'must have either users or file',
  });

const URL_RULE =
  'must be an https address without user and password (http is allowed on loopback, or with allowHttp: true)';
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
    url: z.string({ error: URL_RULE }).describe('Address of the service. The relay sends it a POST for each login.'),
    allowHttp: flag(false).describe(
      'Allow http for a service on another machine. Passcodes then cross the network unencrypted.',
    ),
    headers: headers.describe('Headers that the relay sends with each request, such as an API key.'),
    forward: z
      .array(z.enum(['authorization', 'cookie']))
      .default([])
      .describe('Headers of the client that the relay passes on to the service.'),
    ...bounds(whole(20, 1, 1_000)),
    answerMaxBytes: whole(16 * KIB, 256, MIB).describe("Maximum size in bytes of the service's answer."),
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
  allowGuest: flag(false).describe(
    'Accept RabbitMQ’s user `guest`, whose default password is public. RabbitMQ accepts it from its own machine, so also from a relay there.',
  ),
  ...bounds(whole(4, 1, 100)),
  cacheMs: cacheMs(10_000),
});
