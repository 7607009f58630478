/** What an authenticator knows of a principal, as rules of the policy look at it. */
import type { Principal } from '../auth.js';

type Claims = Principal['claims'];

/** `name` as it stands, else as a path: `realm_access.roles` is `roles` in `realm_access`. */
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

/** Undefined for what has no text that everybody would write alike. */
export function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

/** Whether the claim, or one of its members where it is a list, is one of `wanted`. */
export function hasClaim(claims: Claims, name: string, wanted: ReadonlySet<string>): boolean {
  const value = claimAt(claims, name);
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values.some((each) => {
    const text = textOf(each);
    return text !== undefined && wanted.has(text);
  });
}
