/** Equality as React defines it, and one level deeper: `select` often returns a new object with equal contents. */

/** Object.is, or two plain objects or arrays whose parts are Object.is. */
export function isSame(a: unknown, b: unknown): boolean {
  if (!isPlain(a) || !isPlain(b) || a.constructor !== b.constructor) return Object.is(a, b);
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => name in b && Object.is(a[name], b[name]));
}

export function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((each, index) => Object.is(each, b[index]));
}

function isPlain(value: unknown): value is Record<string, unknown> {
  const kind = (value as object | null | undefined)?.constructor;
  return kind === Object || kind === Array;
}
