/**
 * Compares the place of a rule (`RulePlace`) with the reach of a request (`Reach`). Both name an exchange, a queue or a
 * user, and words. `/topic/K` and `/exchange/<topic exchange>/K` are equal here. The spellings of a queue are equal
 * too, except that an allow rule covers only the spelling that it names.
 *
 * An allow rule applies if its place covers everything that the request can reach, a deny rule if its place overlaps
 * that. Unknown values count against the client: a template without a value covers nothing, and overlaps everything
 * that any value would overlap.
 */
import { parseDestination } from '../../destinations/destination.js';
import type { Destination } from '../../destinations/destination.js';
import { coversWords, overlapsWords, wordsOf } from '../../destinations/topic-pattern.js';
import type { Action, Principal } from '../auth.js';
import { claimAt, textOf } from './claims.js';

/** `{user}`, or `{claims.NAME}`. */
export interface Template {
  readonly text: string;
  readonly claim: string | undefined;
}

/** A word or name of a rule. The texts `*` and `#` are wildcards. */
type Slot = string | Template;

export interface RulePlace {
  readonly kind: 'everything' | 'exchange' | 'queue' | 'user';
  /** For a queue: the spelling that the rule uses. */
  readonly spelling?: Destination['kind'];
  /** Name of the exchange or user; absent for a user's own destinations. */
  readonly name?: Slot;
  readonly words: readonly Slot[];
  readonly hasTemplates: boolean;
  /** Common prefix of all matching keys; may be empty. */
  readonly prefix: string;
  /** Only the prefix itself matches. */
  readonly isLiteral: boolean;
}

/** Everything that a request can reach. */
export class Reach {
  private split: readonly string[] | undefined;

  constructor(
    readonly kind: RulePlace['kind'],
    readonly spelling: Destination['kind'],
    readonly name: string | undefined,
    readonly key: string,
    /** If false, `*` and `#` in `key` are literal characters. */
    readonly isPattern: boolean,
  ) {}

  get words(): readonly string[] {
    return (this.split ??= wordsOf(this.key));
  }
}

/** Standard exchanges of RabbitMQ that ignore keys, so a request with any key reaches everything. */
const KEYLESS: ReadonlySet<string> = new Set(['amq.fanout', 'amq.headers', 'amq.match']);

const WILDCARDS = /[*#]/;

/** Undefined for a temporary queue, which belongs to the session and needs no rule. */
export function reachOf(action: Action, destination: Destination, topicExchange: string): Reach | undefined {
  const { kind } = destination;
  switch (kind) {
    case 'topic':
      return reachOfExchange(kind, topicExchange, destination.key, action);
    case 'exchange': {
      const { exchange, key, anyKey } = destination;
      // The default exchange routes each message to the queue named by its key
      if (exchange === '') return new Reach('queue', kind, undefined, key, anyKey === true);
      if (anyKey || KEYLESS.has(exchange)) return new Reach('exchange', kind, exchange, '#', true);
      return reachOfExchange(kind, exchange, key, action);
    }
    case 'queue':
    case 'amq-queue':
    case 'reply-queue':
      return new Reach('queue', kind, undefined, destination.queue, false);
    case 'user':
      return new Reach('user', kind, destination.user, dotted(destination.name), false);
    case 'temp-queue':
      return undefined;
  }
}

function reachOfExchange(kind: 'topic' | 'exchange', exchange: string, key: string, action: Action): Reach {
  return new Reach('exchange', kind, exchange, key, action === 'subscribe' && WILDCARDS.test(key));
}

/** The slashes in the name of a user's destination, such as `a/b`, separate words. */
function dotted(name: string): string {
  return name.includes('/') ? name.replaceAll('/', '.') : name;
}

export function meets(place: RulePlace, reach: Reach, principal: Principal, how: 'covers' | 'overlaps'): boolean {
  if (place.kind === 'everything') return true;
  if (place.kind !== reach.kind) return false;
  if (how === 'covers' && place.kind === 'queue' && place.spelling !== reach.spelling) return false;
  if (place.name !== undefined && !meetsName(place.name, reach.name, principal, how)) return false;
  if (!reach.isPattern) {
    if (place.isLiteral) return place.prefix === reach.key;
    if (!reach.key.startsWith(place.prefix)) return false;
  }
  const words = place.hasTemplates ? filledIn(place.words, principal, how) : (place.words as readonly string[]);
  if (words === undefined) return false;
  if (how === 'overlaps' && reach.isPattern) return overlapsWords(words, reach.words);
  return coversWords(words, reach.words, reach.isPattern ? 'pattern' : 'key');
}

function meetsName(slot: Slot, name: string | undefined, principal: Principal, how: 'covers' | 'overlaps'): boolean {
  if (typeof slot === 'string') return slot === '*' || slot === name;
  const value = valueOf(slot, principal);
  return value === undefined ? how === 'overlaps' : value === name;
}

function filledIn(
  slots: readonly Slot[],
  principal: Principal,
  how: 'covers' | 'overlaps',
): readonly string[] | undefined {
  const words: string[] = [];
  for (const slot of slots) {
    const word = typeof slot === 'string' ? slot : wordOf(slot, principal);
    if (word === undefined && how === 'covers') return undefined;
    words.push(word ?? '#');
  }
  return words;
}

/** The templates without a value for this principal, in the rule's spelling. */
export function unfilled(place: RulePlace, principal: Principal): string[] {
  const { name, words } = place;
  const isMissing = (slot: Slot | undefined, value: typeof valueOf): slot is Template =>
    typeof slot === 'object' && value(slot, principal) === undefined;
  const missing = words.filter((word) => isMissing(word, wordOf));
  if (isMissing(name, valueOf)) missing.push(name);
  return missing.map(({ text }) => text);
}

function valueOf({ claim }: Template, { anonymous, name, claims }: Principal): string | undefined {
  // All anonymous clients share one name
  if (claim === undefined) return anonymous ? undefined : name;
  return textOf(claimAt(claims, claim));
}

/** The value of a template between dots; undefined unless it is a single word without wildcards. */
function wordOf(template: Template, principal: Principal): string | undefined {
  const value = valueOf(template, principal);
  return value === undefined || value === '' || /[.*#/]/.test(value) ? undefined : value;
}

// Reading a rule ------------------------------------------------------------------------------------------------------

const EVERYTHING: RulePlace = { kind: 'everything', words: [], hasTemplates: false, prefix: '', isLiteral: false };
const ANY = '/#';
/**
 * Half of a surrogate pair: replaces a template while a destination is parsed. Neither rules nor escapes can contain
 * one.
 */
const STAND_IN = 0xd800;

/** Throws an Error that explains the problem of `text`, including a destination that does not support `action`. */
export function parsePlace(text: string, action: Action, topicExchange: string): RulePlace {
  if (text === ANY) return EVERYTHING;
  if (/\p{Cs}/u.test(text)) throw new Error('it holds half of a surrogate pair');
  const templates: Template[] = [];
  const plain = text.replace(/\{([^{}]*)\}/g, (whole, name: string) => {
    const index = templates.push(templateOf(whole, name)) - 1;
    return String.fromCharCode(STAND_IN + index);
  });
  if (/[{}]/.test(plain)) throw new Error('a brace outside of a template must be written as %7B or %7D');
  const slotOf = (word: string): Slot => {
    const template = word.length === 1 ? templates[word.charCodeAt(0) - STAND_IN] : undefined;
    if (template) return template;
    if (/\p{Cs}/u.test(word))
      throw new Error('a template stands for a whole word: /topic/a.{user}, not /topic/a-{user}');
    if (word.length > 1 && WILDCARDS.test(word))
      throw new Error('"*" and "#" stand for whole words: /topic/a.*, not /topic/a*');
    return word;
  };
  return placeOf(parseDestination(plain, action), topicExchange, slotOf);
}

function templateOf(text: string, name: string): Template {
  if (name === 'user') return { text, claim: undefined };
  if (/^claims\../.test(name)) return { text, claim: name.slice('claims.'.length) };
  throw new Error(`${text} is not a template: use {user} or {claims.NAME}`);
}

function placeOf(destination: Destination, topicExchange: string, slotOf: (word: string) => Slot): RulePlace {
  const nameOf = (text: string): Slot => {
    if (text === '#') throw new Error('"*" stands for any exchange or user; "#" cannot');
    return slotOf(text);
  };
  switch (destination.kind) {
    case 'topic':
      return { kind: 'exchange', name: topicExchange, ...wordsAs(destination.key, slotOf) };
    case 'exchange':
      if (destination.key === '') throw new Error('it has no key: /exchange/NAME/# is all of an exchange');
      return { kind: 'exchange', name: nameOf(destination.exchange), ...wordsAs(destination.key, slotOf) };
    case 'queue':
    case 'amq-queue':
    case 'reply-queue':
      return { kind: 'queue', spelling: destination.kind, ...wordsAs(destination.queue, slotOf) };
    case 'user': {
      const { user, name } = destination;
      return { kind: 'user', ...(user !== undefined && { name: nameOf(user) }), ...wordsAs(dotted(name), slotOf) };
    }
    case 'temp-queue':
      throw new Error('temporary queues need no rule');
  }
}

function wordsAs(key: string, slotOf: (word: string) => Slot): Omit<RulePlace, 'kind' | 'spelling' | 'name'> {
  const words = wordsOf(key).map(slotOf);
  const fixed: string[] = [];
  for (const word of words) {
    if (typeof word === 'object' || word === '*' || word === '#') break;
    fixed.push(word);
  }
  return {
    words,
    hasTemplates: words.some((word) => typeof word === 'object'),
    prefix: fixed.join('.'),
    isLiteral: fixed.length === words.length,
  };
}
