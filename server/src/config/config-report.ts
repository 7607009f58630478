/** The report of a wrong configuration. For each wrong option it has the value, its source, and the broken rule. */
import type { z } from 'zod';
import { valueAt } from './config-sources.js';
import type { Layered } from './config-sources.js';

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** One sentence for each wrong option. */
  constructor(readonly problems: readonly string[]) {
    super(problems.join('; '));
  }
}

export function describeIssues(error: z.ZodError, schema: z.ZodType, layered: Layered): string[] {
  const sentences = error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys'
      ? issue.keys.map((key) =>
          unknownOption([...issue.path, key], optionsAt(schema, issue.path, layered.values), layered),
        )
      : [wrongValue(issue, layered)],
  );
  return [...new Set(sentences)]; // the parts of a split text can all break the same rule
}

const KINDS = { string: 'a text', array: 'a list', object: 'a section', record: 'a section' };

/** The rule for options that do not bring their own error text. */
export function plainRule(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') return `must be ${KINDS[issue.expected as keyof typeof KINDS] ?? issue.expected}`;
  if (issue.code === 'invalid_value') return `must be one of: ${issue.values.join(', ')}`;
  return issue.code === 'too_small' ? `must have ${issue.minimum} or more` : undefined;
}

function wrongValue(issue: z.core.$ZodIssue, layered: Layered): string {
  const path = [...issue.path];
  const isText = (): boolean => valueAt(layered.values, path) === undefined && !isMissing(path, layered.values);
  while (path.length > 1 && isText()) path.pop(); // the path leads into the parts of a split text
  return describeValue(path, issue.message, layered);
}

export function describeValue(path: readonly PropertyKey[], rule: string, layered: Layered): string {
  const name = path.join('.');
  if (isMissing(path, layered.values)) {
    // A section whose other options come from flags and variables has no source of its own.
    const origin = layered.originOf(path.slice(0, -1));
    return `${name} is missing${origin === 'default' ? '' : ` (${origin})`}: ${rule}`;
  }
  return `${name} is ${displayValue(path, layered.values)} (${layered.originOf(path)}): ${rule}`;
}

function isMissing(path: readonly PropertyKey[], values: unknown): boolean {
  const outer = valueAt(values, path.slice(0, -1));
  return typeof outer === 'object' && outer !== null && !Array.isArray(outer) && valueAt(values, path) === undefined;
}

function unknownOption(path: readonly PropertyKey[], known: readonly string[], layered: Layered): string {
  const name = String(path.at(-1));
  const nearest = known
    .map((option) => ({ option, distance: editDistance(name.toLowerCase(), option.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const isNear = nearest !== undefined && nearest.distance <= Math.max(2, name.length / 3);
  const advice = isNear ? `did you mean ${nearest.option}?` : `the options here are: ${known.join(', ')}`;
  return `${path.join('.')} (${layered.originOf(path)}) is not an option; ${advice}`;
}

/** Options whose values must not be logged. */
const SECRET = /(secret|password|passcode|hash|hashes|apikeys?|headers|authorization|cookies?)$/i;
const DISPLAY_MAX = 300;

function displayValue(path: readonly PropertyKey[], values: unknown): string {
  if (path.some((key) => SECRET.test(String(key)))) return '***';
  const text = JSON.stringify(valueAt(values, path), (key, value: unknown) => (SECRET.test(key) ? '***' : value));
  const open = text.replace(/[^,"]+/g, withoutPassword);
  return open.length <= DISPLAY_MAX ? open : `${open.slice(0, DISPLAY_MAX)}...`;
}

/** Masks the part of an address between `//` and the last `@`. */
function withoutPassword(address: string): string {
  const start = address.indexOf('//');
  const end = address.lastIndexOf('@');
  return start === -1 || end < start ? address : `${address.slice(0, start)}//***${address.slice(end)}`;
}

/** The parts of a schema's definition that lead to the names of its options. */
interface Definition {
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly discriminator?: string;
}

/** The option names of the section at `path`. Follows defaults and lists, and the kind that `value` selects. */
function optionsAt(schema: z.ZodType, path: readonly PropertyKey[], value: unknown): string[] {
  const { shape, innerType, element, options, discriminator } = schema.def as Definition;
  if (innerType) return optionsAt(innerType, path, value);
  const [key, ...rest] = path;
  if (options && discriminator !== undefined) {
    const kind = valueAt(value, [discriminator]);
    const chosen = options.find((option) => kindOf(option, discriminator) === kind);
    return chosen === undefined ? [] : optionsAt(chosen, path, value);
  }
  if (key === undefined) return Object.keys(shape ?? {});
  const inner = element ?? shape?.[String(key)];
  return inner === undefined ? [] : optionsAt(inner, rest, valueAt(value, [key]));
}

function kindOf(option: z.ZodType, discriminator: string): unknown {
  const literal = (option.def as Definition).shape?.[discriminator];
  return (literal?.def as { values?: readonly unknown[] } | undefined)?.values?.[0];
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** Reports a failure of something that an option names, such as a file, as an error of that option. */
export function usable<T>(option: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new ConfigError([`${option} cannot be used: ${(error as Error).message}`]);
  }
}
