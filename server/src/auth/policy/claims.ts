/** Reads the claims of a principal for the rules of the policy. */
import type { Principal } from '../auth.js';

type Claims = Principal['claims'];

/**
 * Looks for a claim called `name`, then follows `name` as a path: `realm_access.roles` is `roles` in `realm_access`.
 */
export function claimAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  if (!name.includes('.')) return undefined;
  let value: unknown = claims;
  for (const step of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    value = (value as Claims)[step];
  }
  return value;
}

/** The text of a string, number or boolean; undefined for other values, which have no unambiguous text. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** True if the claim is one of `accepted`, or a list with such a member. */
export function hasClaim(claims: Claims, name: string, accepted: ReadonlySet<string>): boolean {
  const value = claimAt(claims, name);
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.some((each) => {
    const text = textOf(each);
    return text !== undefined && accepted.has(text);
  });
}
