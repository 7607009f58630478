/**
 * The policy that rules make: they are looked at in order, the first that applies decides, and where none does the answer is
 * no. A rule that allows applies where it covers all that the request can reach, one that denies as soon as it overlaps it
 * (`rule-place.ts`): a subscription to `/topic/#` is no way around either.
 *
 * Nothing is remembered about a principal or a destination: the rules are taken apart once, and an answer costs a few
 * comparisons for each rule before it.
 */
import type { Destination } from '../../destinations/destination.js';
import type { Action, Policy, Principal } from '../auth.js';
import { hasClaim } from './claims.js';
import { meets, parsePlace, type Reach, reachOf, type RulePlace, unfilled } from './rule-place.js';

type OneOrMore<T> = T | readonly T[];
type ClaimValue = string | number | boolean;

/** Has either `allow` or `deny`. */
export interface PolicyRule {
  readonly allow?: OneOrMore<Action> | undefined;
  readonly deny?: OneOrMore<Action> | undefined;
  /**
   * As in a frame, with `*` for one word and `#` for any number of them, and with the templates `{user}` and
   * `{claims.NAME}`, each for a whole word. `/#` is everything.
   */
  readonly destination: OneOrMore<string>;
  /** Not given: `authenticated` for a rule that allows, `everyone` for one that denies. */
  readonly users?: 'authenticated' | 'anonymous' | 'everyone' | undefined;
  /** The principal must have each of these claims, with one of these values. */
  readonly claims?: Readonly<Record<string, OneOrMore<ClaimValue>>> | undefined;
}

export interface PolicyOptions {
  /** The exchange behind `/topic`; `amq.topic` where not given. */
  readonly topicExchange?: string;
}

/** Of all rules together: with each of them each word of a subscription may have to be compared. */
const WORDS_MAX = 10_000;

/** `problems`: a sentence for each rule that cannot be used. */
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
    for (const action of ACTIONS)
      if (places[action].length > 0) compiled[action].push(compile(rule, label, places[action]));
    for (const text of listOf(rule.destination)) words += text.split(/[./]/).length;
  }
  if (words > WORDS_MAX) problems.push(`policy.rules have ${words} words together: at most ${WORDS_MAX} are possible`);
  if (problems.length > 0) throw new PolicyError(problems);
  return new RulePolicy(compiled, topicExchange);
}

/** What a rule says about one action. */
interface Rule {
  /** `policy.rules.0` is the first. */
  readonly label: string;
  readonly allows: boolean;
  readonly users: NonNullable<PolicyRule['users']>;
  readonly claims: readonly (readonly [string, ReadonlySet<string>])[];
  readonly places: readonly RulePlace[];
}

class RulePolicy implements Policy {
  constructor(
    private readonly rules: Readonly<Record<Action, readonly Rule[]>>,
    private readonly topicExchange: string,
  ) {}

  allows(principal: Principal, action: Action, destination: Destination): boolean {
    const reach = reachOf(action, destination, this.topicExchange);
    return reach === undefined || (this.deciding(principal, action, reach)?.allows ?? false);
  }

  private deciding(principal: Principal, action: Action, reach: Reach): Rule | undefined {
    for (const rule of this.rules[action]) {
      if (placeIn(rule, principal, reach, rule.allows ? 'covers' : 'overlaps')) return rule;
    }
    return undefined;
  }

  explain(principal: Principal, action: Action, destination: Destination): string {
    const reach = reachOf(action, destination, this.topicExchange)!;
    const deciding = this.deciding(principal, action, reach);
    const near = deciding ?? this.rules[action].find((rule) => placeIn(rule, principal, reach, 'overlaps'));
    if (!near) return 'no rule of the policy allows it';
    const missing = unfilled(placeIn(near, principal, reach, 'overlaps')!, principal).join(' and ');
    const why = missing === '' ? '' : `, since ${missing} is not known of this user as one word (without . * # /)`;
    if (deciding) return `${near.label} denies it${why}`;
    if (why !== '') return `${near.label} does not allow it${why}`;
    return `${near.label} allows only a part, or another spelling, of what it reaches`;
  }
}

/** The first place by which the rule applies to what this principal asks for. */
function placeIn(
  { users, places, claims }: Rule,
  principal: Principal,
  reach: Reach,
  how: 'covers' | 'overlaps',
): RulePlace | undefined {
  if (users !== 'everyone' && (users === 'anonymous') !== principal.anonymous) return undefined;
  for (const place of places) {
    if (!meets(place, reach, principal, how)) continue;
    return claims.every(([name, wanted]) => hasClaim(principal.claims, name, wanted)) ? place : undefined;
  }
  return undefined;
}

// Reading rules -------------------------------------------------------------------------------------------------------

const ACTIONS = ['send', 'subscribe'] as const;

function compile({ allow, users, claims = {} }: PolicyRule, label: string, places: readonly RulePlace[]): Rule {
  const wanted = Object.entries(claims).map(
    ([name, values]) => [name, new Set(listOf(values).map((value) => String(value)))] as const,
  );
  const allows = allow !== undefined;
  return { label, allows, users: users ?? (allows ? 'authenticated' : 'everyone'), claims: wanted, places };
}

/** Those that can be sent to or subscribed to, but not both. */
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
