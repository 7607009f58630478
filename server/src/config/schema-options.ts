/**
 * All options of the configuration, one by one, as its schema says them: for the documentation and its tests. What stands in
 * a list is named with `[]`, or with what tells its kinds apart: `auth.authenticators[jwt].issuer`.
 */
import { z } from 'zod';

export type JsonSchema = z.core.JSONSchema.BaseSchema;

export interface SchemaOption {
  /** Such as `session.heartBeat.sendMs`. */
  readonly path: string;
  readonly schema: JsonSchema;
  /** Must be given where its section is. */
  readonly isRequired: boolean;
}

/** Every option that has a value of its own; a list, and what stands in it, are options both. */
export function optionsOf(schema: z.ZodType): SchemaOption[] {
  return within('', z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }));
}

function within(path: string, section: JsonSchema): SchemaOption[] {
  return Object.entries(section.properties ?? {}).flatMap(([name, inner]) =>
    typeof inner === 'boolean' || isTag(inner)
      ? []
      : optionsAt(path === '' ? name : `${path}.${name}`, inner, section.required?.includes(name) ?? false),
  );
}

function optionsAt(path: string, schema: JsonSchema, isRequired: boolean): SchemaOption[] {
  if (schema.properties !== undefined) return within(path, schema);
  const { items, additionalProperties: named } = schema;
  const parts: SchemaOption[] = [
    ...sections(schema).flatMap((section) => within(path, section)),
    ...(isSchema(items) ? sections(items).flatMap((section) => within(`${path}[${tagOf(section)}]`, section)) : []),
    ...(isSchema(named) ? sections(named).flatMap((section) => within(`${path}.NAME`, section)) : []),
  ];
  return [{ path, schema, isRequired }, ...parts];
}

/** The schema, or those of its alternatives, that have options of their own. */
export function sections(schema: JsonSchema): JsonSchema[] {
  return [schema, ...alternatives(schema)].filter(({ properties }) => properties !== undefined);
}

export function alternatives({ anyOf = [], oneOf = [] }: JsonSchema): JsonSchema[] {
  return [...anyOf, ...oneOf].filter(isSchema).flatMap((each) => [each, ...alternatives(each)]);
}

/** What can have one value only says which kind of section it stands in. */
function isTag({ const: only }: JsonSchema): boolean {
  return only !== undefined;
}

/** What tells a section of a list from those of other kinds; empty where all are alike. */
export function tagOf({ properties = {} }: JsonSchema): string {
  const tag = Object.values(properties).find((each) => typeof each !== 'boolean' && isTag(each));
  return typeof tag === 'object' ? String(tag.const) : '';
}

export function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
