/**
 * Parses the body of `POST /api/messages`: one message, or `{ "messages": [...] }`. The whole request must be
 * well-formed before any of its messages is published. Destinations and permissions are checked later, for each
 * message.
 */
import { z } from 'zod';
import { DESTINATION_MAX_LENGTH } from '../../destinations/destination.js';
import type { Batch } from '../../timing/batch-turns.js';
import { refusal } from '../problem-codes.js';
import type { Problem } from '../problem.js';
import { ExactJson } from './exact-json.js';
import { isTooDeep, JSON_DEPTH_MAX } from './json-depth.js';

export interface HeaderLimits {
  readonly headerMaxCount: number;
  /** Limit of a header's name and value together. */
  readonly headerLineMaxBytes: number;
}

/** A message from the client. */
export interface GivenMessage {
  readonly destination: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  readonly mandatory: boolean;
}

export interface MessageRequest {
  readonly messages: readonly GivenMessage[];
  /** The request was `{ "messages": [...] }`. */
  readonly isBatch: boolean;
}

/** A problem at one place of a request; `pointer` is a JSON Pointer (RFC 6901). */
interface FieldProblem {
  readonly pointer: string;
  readonly detail: string;
}

const FLAWS_MAX = 10;
const FLAW_MAX_LENGTH = 300;
/** Half of a surrogate pair has no UTF-8 encoding. */
const LONE_SURROGATE = /\p{Cs}/u;
const BODY_KEYS = ['body', 'json', 'bodyBase64'] as const;

export class MessageRequests {
  private readonly message: ReturnType<typeof messageSchema>;

  constructor(
    private readonly messagesMax: number,
    limits: HeaderLimits,
  ) {
    this.message = messageSchema(limits);
  }

  /** `given` is parsed JSON. Rejects with a Problem. */
  async parse(given: unknown, batch: Batch): Promise<MessageRequest> {
    if (typeof given !== 'object' || given === null || Array.isArray(given)) {
      throw refusal('invalid-request', 'The body of the request must be a message, or { "messages": [...] }.');
    }
    const flaws: FieldProblem[] = [];
    if (!Object.hasOwn(given, 'messages')) {
      const message = read(this.message, given, [], flaws);
      if (message === undefined) throw refused(flaws);
      return { messages: [message], isBatch: false };
    }
    const { messagesMax } = this;
    const { messages } = given as { messages: unknown };
    if (Array.isArray(messages) && messages.length > messagesMax) {
      const sentence = `The request has ${messages.length} messages: at most http.messagesMax (${messagesMax}) are allowed.`;
      throw refusal('request-too-large', sentence);
    }
    const list = read(BATCH, given, [], flaws)?.messages ?? [];
    const parsed: GivenMessage[] = [];
    for (const [index, each] of list.entries()) {
      if (index > 0) await batch.pause();
      const message = read(this.message, each, ['messages', index], flaws);
      if (message !== undefined) parsed.push(message);
      if (flaws.length >= FLAWS_MAX) break;
    }
    if (flaws.length > 0) throw refused(flaws);
    return { messages: parsed, isBatch: true };
  }
}

const BATCH = z.strictObject({ messages: z.array(z.unknown()).min(1) });

/** Returns undefined for invalid input, and adds its problems to `flaws`. */
function read<T>(
  schema: z.ZodType<T>,
  given: unknown,
  place: readonly PropertyKey[],
  flaws: FieldProblem[],
): T | undefined {
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  for (const { path, message } of result.error.issues.slice(0, FLAWS_MAX - flaws.length)) {
    flaws.push(toFlaw([...place, ...path], message));
  }
  return undefined;
}

function refused(flaws: readonly FieldProblem[]): Problem {
  const [{ pointer, detail } = { pointer: '', detail: '' }] = flaws;
  return refusal('invalid-request', `Nothing was published. ${pointer || 'The request'}: ${detail}`, { errors: flaws });
}

function messageSchema(limits: HeaderLimits) {
  return z
    .strictObject({
      destination: z
        .string()
        .max(DESTINATION_MAX_LENGTH, { abort: true })
        .refine((text) => !LONE_SURROGATE.test(text), { error: 'must be valid Unicode' }),
      headers: z.unknown().transform((given, context) => headersOf(given, limits, context)),
      body: z
        .string()
        .refine((text) => !LONE_SURROGATE.test(text), {
          error: 'must be valid Unicode: use bodyBase64 for anything else',
        })
        .nullish(),
      json: z.unknown(),
      bodyBase64: z.base64({ error: 'must be base64 (RFC 4648, section 4)' }).optional(),
      mandatory: z.boolean().optional(),
    })
    .partial({ headers: true, json: true })
    .refine((given) => BODY_KEYS.filter((key) => given[key] !== undefined).length <= 1, {
      error: 'must have only one of body, json and bodyBase64',
    })
    .transform(toMessage);
}

interface CheckedMessage {
  readonly destination: string;
  readonly headers?: ReadonlyMap<string, string> | undefined;
  readonly body?: string | null | undefined;
  readonly json?: unknown;
  readonly bodyBase64?: string | undefined;
  readonly mandatory?: boolean | undefined;
}

function toMessage(given: CheckedMessage, context: z.RefinementCtx): GivenMessage {
  const { destination, body, json, bodyBase64, mandatory = false } = given;
  const headers = new Map(given.headers);
  if (json === undefined) {
    const bytes = bodyBase64 === undefined ? Buffer.from(body ?? '') : Buffer.from(bodyBase64, 'base64');
    return { destination, headers, body: bytes, mandatory };
  }
  if (!headers.has('content-type')) headers.set('content-type', 'application/json');
  return { destination, headers, body: Buffer.from(textOf(json, context)), mandatory };
}

function textOf(json: unknown, context: z.RefinementCtx): string {
  const text = json instanceof ExactJson ? json.text : stringified(json);
  if (text !== undefined && !isTooDeep(text)) return text;
  const message = `is nested too deeply: at most ${JSON_DEPTH_MAX} arrays and objects within each other are possible`;
  context.addIssue({ code: 'custom', path: ['json'], message });
  return '';
}

/** JSON.parse accepts deeper nesting than JSON.stringify. */
function stringified(json: unknown): string | undefined {
  try {
    return JSON.stringify(json);
  } catch {
    return undefined;
  }
}

/**
 * Not a zod schema, because a name may be `__proto__`, and a request may have a million headers. STOMP 1.2 could encode
 * line breaks, but subscribers with older versions would not receive such a header at all.
 */
function headersOf(given: unknown, limits: HeaderLimits, context: z.RefinementCtx): ReadonlyMap<string, string> {
  const headers = new Map<string, string>();
  if (given === undefined) return headers;
  const refuse = (message: string, path: string[] = []): void => context.addIssue({ code: 'custom', message, path });
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    refuse('must be an object of names and values');
    return headers;
  }
  const entries = Object.entries(given as Record<string, unknown>);
  if (entries.length > limits.headerMaxCount) {
    refuse(
      `has ${entries.length} headers: at most limits.afterLogin.headerMaxCount (${limits.headerMaxCount}) are allowed`,
    );
    return headers;
  }
  let flaws = 0;
  for (const [name, value] of entries) {
    const flaw = flawOf(name, value, limits);
    if (flaw === undefined) headers.set(name, String(value));
    else refuse(flaw, [name]);
    if (flaw !== undefined && ++flaws === FLAWS_MAX) break;
  }
  return headers;
}

function flawOf(name: string, value: unknown, { headerLineMaxBytes }: HeaderLimits): string | undefined {
  if (!['string', 'number', 'boolean'].includes(typeof value)) return 'must be a string, number or boolean';
  if (Number.isInteger(value) && !Number.isSafeInteger(value))
    return 'must be a string: a number beyond 2^53 is rounded';
  const text = String(value);
  if (Buffer.byteLength(name) + Buffer.byteLength(text) >= headerLineMaxBytes) {
    return `must be shorter than limits.afterLogin.headerLineMaxBytes (${headerLineMaxBytes}), name and value together`;
  }
  if (name === '' || /[\p{Cc}\p{Cs}:]/u.test(name)) return 'must have a name without colons and control characters';
  if (/[\0\r\n\p{Cs}]/u.test(text)) return 'must be valid Unicode without line breaks and NUL';
  return undefined;
}

function toFlaw(path: readonly PropertyKey[], message: string): FieldProblem {
  const pointer = path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  return { pointer: pointer.slice(0, FLAW_MAX_LENGTH), detail: message.slice(0, FLAW_MAX_LENGTH) };
}
