/** What is wrong with a configuration, said so that it can be put right: option, value, who gave it, the rule. */
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
      ? issue.keys.map((key) => unknownOption([...issue.path, key], optionsAt(schema, issue.path), layered))
      : [wrongValue(issue, layered)],
  );
  return [...new Set(sentences)]; // of a text that was split, each part may break the same rule
}

function wrongValue(issue: z.core.$ZodIssue, layered: Layered): string {
  const path = [...issue.path]; // may lead into what a text was split into
  while (path.length > 1 && valueAt(layered.values, path) === undefined) path.pop();
  const value = withoutCredentials(JSON.stringify(valueAt(layered.values, path)));
  return `${path.join('.')} is ${value} (${layered.originOf(path)}): ${issue.message}`;
}

function unknownOption(path: readonly PropertyKey[], known: readonly string[], layered: Layered): string {
  const name = String(path.at(-1));
  const nearest = known
    .map((option) => ({ option, distance: editDistance(name.toLowerCase(), option.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance)[0];
  const isNear = nearest !== undefined && nearest.distance <= Math.max(2, name.length / 3);
  const advice = isNear ? `did you mean ${nearest.option}?` : `there are: ${known.join(', ')}`;
  return `${path.join('.')} (${layered.originOf(path)}) is not an option; ${advice}`;
}

/** The password of a broker's address belongs in no log. */
function withoutCredentials(text: string): string {
  return text.replace(/\/\/[^,"]*@/g, '//***@');
}

interface Definition {
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly innerType?: z.ZodType;
}

/** The names of a section's options, through its default. */
function optionsAt(schema: z.ZodType, path: readonly PropertyKey[]): string[] {
  const shape = shapeOf(schema);
  const [key, ...rest] = path;
  if (key === undefined) return Object.keys(shape);
  const inner = shape[String(key)];
  return inner === undefined ? [] : optionsAt(inner, rest);
}

function shapeOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> {
  const { shape, innerType } = schema.def as Definition;
  return shape ?? (innerType === undefined ? {} : shapeOf(innerType));
}

/** Levenshtein's, one row at a time. */
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
