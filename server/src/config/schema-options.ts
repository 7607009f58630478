/**
 * All options of the schema as a flat list, for the documentation and its tests. A path has `[]` for the members of a
 * list, or the kind of member in brackets: `auth.authenticators[jwt].issuer`.
 */
import { z } from 'zod';

export type JsonSchema = z.core.JSONSchema.BaseSchema;

export interface SchemaOption {
  /** Such as `session.heartBeat.sendMs`. */
  readonly path: string;
  readonly schema: JsonSchema;
  /** The option must be given if its section is. */
  readonly isRequired: boolean;
}

/** Every option with a value. A list is an option, and so is each option of its members. */
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

/** The schema and its alternatives, as far as they have options of their own. */
export function sections(schema: JsonSchema): JsonSchema[] {
  return [schema, ...alternatives(schema)].filter(({ properties }) => properties !== undefined);
}

export function alternatives({ anyOf = [], oneOf = [] }: JsonSchema): JsonSchema[] {
  return [...anyOf, ...oneOf].filter(isSchema).flatMap((each) => [each, ...alternatives(each)]);
}

/** An option with only one possible value identifies the kind of its section. */
function isTag({ const: only }: JsonSchema): boolean {
  return only !== undefined;
}

/** The kind of a section in a list; empty if the list has only one kind. */
export function tagOf({ properties = {} }: JsonSchema): string {
  const tag = Object.values(properties).find((each) => typeof each !== 'boolean' && isTag(each));
  return typeof tag === 'object' ? String(tag.const) : '';
}

export function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
