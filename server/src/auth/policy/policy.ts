/**
 * The policy made from rules. The first rule that applies decides; if none applies, the policy refuses. An allow rule
 * applies if it covers everything that the request can reach. A deny rule applies if it overlaps that
 * (`rule-place.ts`). Therefore a subscription to `/topic/#` circumvents neither.
 *
 * The rules are parsed once. The policy caches nothing about principals or destinations, and a decision costs a few
 * comparisons for each rule.
 */
import type { Destination } from '../../destinations/destination.js';
import { QUEUE_ARGUMENTS } from '../../destinations/queue-options.js';
import type { Action, Policy, Principal } from '../auth.js';
import { hasClaim } from './claims.js';
import { meets, parsePlace, reachOf, unfilled } from './rule-place.js';
import type { Reach, RulePlace } from './rule-place.js';

type OneOrMore<T> = T | readonly T[];
type ClaimValue = string | number | boolean;

/** A rule has either `allow` or `deny`. */
export interface PolicyRule {
  readonly allow?: OneOrMore<Action> | undefined;
  readonly deny?: OneOrMore<Action> | undefined;
  /**
   * Destinations as in a frame, with `*` for one word, `#` for any number of words, and the templates `{user}` and
   * `{claims.NAME}`, each for a whole word. `/#` matches everything.
   */
  readonly destination: OneOrMore<string>;
  /** Default: `authenticated` for an allow rule, `everyone` for a deny rule. */
  readonly users?: 'authenticated' | 'anonymous' | 'everyone' | undefined;
  /** The principal must have each of these claims, with one of the given values. */
  readonly claims?: Readonly<Record<string, OneOrMore<ClaimValue>>> | undefined;
  /**
   * Names of queue arguments, such as `x-max-length`. An allow rule with a list applies only to frames that use no other
   * arguments, a deny rule only to frames that use at least one of them.
   */
  readonly queueArguments?: readonly string[] | undefined;
}

export interface PolicyOptions {
  /** The exchange behind `/topic`; default: `amq.topic`. */
  readonly topicExchange?: string;
}

/**
 * Limit for all rules together, because a decision may compare each of their words with each word of a subscription.
 */
const WORDS_MAX = 10_000;

/** `problems` has a sentence for each invalid rule. */
export class PolicyError extends Error {
  override readonly name = 'PolicyError';
  readonly code = 'invalid-policy';
  constructor(readonly problems: readonly string[]) {
    super(problems.join('; '));
  }
}

/** Throws a PolicyError. */
export function createPolicy(rules: readonly PolicyRule[], options: PolicyOptions = {}): Policy {
  const { topicExchange = 'amq.topic' } = options;
  const problems: string[] = [];
  const compiled: Record<Action, Rule[]> = { send: [], subscribe: [] };
  let words = 0;
  for (const [index, rule] of rules.entries()) {
    const label = `policy.rules.${index}`;
    if ((rule.allow === undefined) === (rule.deny === undefined))
      problems.push(`${label} must have either allow or deny`);
    const places = placesOf(rule, topicExchange, (problem) => problems.push(`${label}.${problem}`));
    problems.push(...problemsOfArguments(rule, label));
    for (const action of ACTIONS)
      if (places[action].length > 0) compiled[action].push(compile(rule, label, places[action]));
    for (const text of listOf(rule.destination)) words += text.split(/[./]/).length;
  }
  if (words > WORDS_MAX) problems.push(`policy.rules have ${words} words together: at most ${WORDS_MAX} are possible`);
  if (problems.length > 0) throw new PolicyError(problems);
  return new RulePolicy(compiled, topicExchange);
}

/** A parsed rule for one action. */
interface Rule {
  /** Such as `policy.rules.0` for the first rule. */
  readonly label: string;
  readonly allows: boolean;
  readonly users: NonNullable<PolicyRule['users']>;
  readonly claims: readonly (readonly [string, ReadonlySet<string>])[];
  readonly places: readonly RulePlace[];
  readonly queueArguments: ReadonlySet<string> | undefined;
}

const NO_ARGUMENTS: readonly string[] = [];

class RulePolicy implements Policy {
  constructor(
    private readonly rules: Readonly<Record<Action, readonly Rule[]>>,
    private readonly topicExchange: string,
  ) {}

  allows(principal: Principal, action: Action, destination: Destination, queueArguments = NO_ARGUMENTS): boolean {
    const reach = reachOf(action, destination, this.topicExchange);
    return reach === undefined || (this.deciding(principal, action, reach, queueArguments)?.allows ?? false);
  }

  private deciding(
    principal: Principal,
    action: Action,
    reach: Reach,
    queueArguments: readonly string[],
  ): Rule | undefined {
    for (const rule of this.rules[action]) {
      if (!isAbout(rule, queueArguments)) continue;
      if (placeIn(rule, principal, reach, rule.allows ? 'covers' : 'overlaps')) return rule;
    }
    return undefined;
  }

  explain(principal: Principal, action: Action, destination: Destination, queueArguments = NO_ARGUMENTS): string {
    const reach = reachOf(action, destination, this.topicExchange)!;
    const deciding = this.deciding(principal, action, reach, queueArguments);
    const without = deciding ? undefined : this.deciding(principal, action, reach, NO_ARGUMENTS);
    if (without?.allows) return `${without.label} allows it without ${queueArguments.join(', ')}`;
    const near = deciding ?? this.rules[action].find((rule) => placeIn(rule, principal, reach, 'overlaps'));
    if (!near) return 'no rule of the policy allows it';
    const missing = unfilled(placeIn(near, principal, reach, 'overlaps')!, principal).join(' and ');
    const why = missing === '' ? '' : `, since this user has no single word (without . * # /) for ${missing}`;
    if (deciding) return `${near.label} denies it${why}`;
    if (why !== '') return `${near.label} does not allow it${why}`;
    return `${near.label} allows only a part of what it reaches, or only another spelling`;
  }
}

/** Whether the queue arguments of a frame concern the rule. */
function isAbout({ allows, queueArguments }: Rule, given: readonly string[]): boolean {
  if (queueArguments === undefined) return true;
  return allows ? given.every((name) => queueArguments.has(name)) : given.some((name) => queueArguments.has(name));
}

/** Returns the first place of the rule that applies to this request. */
function placeIn(
  { users, places, claims }: Rule,
  principal: Principal,
  reach: Reach,
  how: 'covers' | 'overlaps',
): RulePlace | undefined {
  if (users !== 'everyone' && (users === 'anonymous') !== principal.anonymous) return undefined;
  for (const place of places) {
    if (!meets(place, reach, principal, how)) continue;
    return claims.every(([name, accepted]) => hasClaim(principal.claims, name, accepted)) ? place : undefined;
  }
  return undefined;
}

// Reading rules -------------------------------------------------------------------------------------------------------

const ACTIONS = ['send', 'subscribe'] as const;

function problemsOfArguments({ allow, deny, queueArguments }: PolicyRule, label: string): string[] {
  if (queueArguments === undefined) return [];
  const problems = queueArguments
    .filter((name) => !QUEUE_ARGUMENTS.has(name))
    .map(
      (name) => `${label}.queueArguments has ${JSON.stringify(name)}, which is no queue argument that clients can use`,
    );
  const isForQueues = listOf(allow ?? deny ?? []).includes('subscribe');
  if (!isForQueues)
    problems.push(`${label} has queueArguments, and so must have subscribe: a SEND with them needs it too`);
  return problems;
}

function compile(
  { allow, users, claims = {}, queueArguments }: PolicyRule,
  label: string,
  places: readonly RulePlace[],
): Rule {
  const required = Object.entries(claims).map(
    ([name, values]) => [name, new Set(listOf(values).map((value) => String(value)))] as const,
  );
  const allows = allow !== undefined;
  return {
    label,
    allows,
    users: users ?? (allows ? 'authenticated' : 'everyone'),
    claims: required,
    places,
    queueArguments: queueArguments && new Set(queueArguments),
  };
}

/** Destinations for either SEND or SUBSCRIBE, but not both. */
const ONE_SIDED = /^\/(user|reply-queue)\//;

function placesOf(
  { allow, deny, destination }: PolicyRule,
  topicExchange: string,
  onProblem: (problem: string) => void,
): Record<Action, RulePlace[]> {
  const actions = listOf(allow ?? deny ?? []);
  const places: Record<Action, RulePlace[]> = { send: [], subscribe: [] };
  for (const text of listOf(destination)) {
    const errors: Error[] = [];
    for (const action of actions) {
      try {
        places[action].push(parsePlace(text, action, topicExchange));
      } catch (error) {
        errors.push(error as Error);
      }
    }
    const tolerated = ONE_SIDED.test(text) ? actions.length - 1 : 0;
    if (errors.length > tolerated) {
      onProblem(`destination ${JSON.stringify(text)} cannot be used: ${errors[0]!.message}`);
    }
  }
  return places;
}

function listOf<T>(value: OneOrMore<T>): readonly T[] {
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}
