/**
 * The tables of docs/configuration.md, one for each section. Defaults and allowed values come from the rules in the
 * schema, meanings from `describe`.
 */
import type { z } from 'zod';
import { KIB, MIB } from './option-kinds.js';
import { alternatives, isSchema, optionsOf, sections, tagOf } from './schema-options.js';
import type { JsonSchema, SchemaOption } from './schema-options.js';

const UNITS: readonly (readonly [RegExp, string])[] = [
  [/Bytes$/, 'bytes'],
  [/Ms$/, 'ms'],
  [/Seconds$/, 's'],
  [/PerSecond/, 'a second'],
];

/** The unit in an option's name; empty for a plain number. */
export function unitOf(path: string): string {
  return UNITS.find(([ending]) => ending.test(path))?.[1] ?? '';
}

/** With separators of thousands; round numbers of bytes in KiB or MiB. */
export function shownNumber(value: number, unit: string): string {
  if (unit === 'bytes' && value >= MIB && value % MIB === 0) return `${value / MIB} MiB`;
  if (unit === 'bytes' && value >= KIB && value % KIB === 0) return `${value / KIB} KiB`;
  return value.toLocaleString('en-US');
}

/** In Markdown. Options at the top level come first, then the sections in the order of the schema. */
export function optionsTables(schema: z.ZodType): string {
  const options = optionsOf(schema);
  const deep = new Set(options.flatMap(({ path }) => /^\w+(?=[.[])/.exec(path) ?? []));
  const sectionOf = ({ path }: SchemaOption): string => {
    const [first = ''] = path.split(/[.[]/, 1);
    return deep.has(first) ? first : '';
  };
  const names = [...new Set(['', ...options.map(sectionOf)])];
  const tables = names.map((name) => {
    const rows = options.filter((option) => sectionOf(option) === name).map(row);
    const heading = name === '' ? '## At the top' : `## ${name}`;
    return [heading, '', '| option | default | values | meaning |', '|---|---|---|---|', ...rows].join('\n');
  });
  return tables.join('\n\n');
}

function row({ path, schema, isRequired }: SchemaOption): string {
  if (schema.description === undefined) throw new Error(`${path} needs a description: .describe('...') in config/`);
  const unit = unitOf(path);
  const cells = [`\`${path}\``, isRequired ? 'must be given' : preset(schema, unit), kinds(schema, unit)];
  return `| ${[...cells, schema.description].map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

/** The default in the notation of the file. */
function preset({ default: value }: JsonSchema, unit: string): string {
  if (value === undefined || (Array.isArray(value) && value.length === 0)) return '';
  const shown = typeof value === 'number' ? shownNumber(value, unit) : '';
  return `\`${JSON.stringify(value).replaceAll('"', '')}\`${/i?B$/.test(shown) ? ` (${shown})` : ''}`;
}

function kinds(schema: JsonSchema, unit: string): string {
  const all = [schema, ...alternatives(schema)].map((each) => kind(each, unit));
  return [...new Set(all)].filter((each) => each !== '').join(' or ');
}

function kind(
  { type, enum: words, const: only, minimum, maximum, items, prefixItems }: JsonSchema,
  unit: string,
): string {
  if (only !== undefined) return `\`${String(only)}\``;
  if (words !== undefined) return words.map((word) => `\`${String(word)}\``).join(', ');
  if (minimum !== undefined && maximum !== undefined) {
    const counted = unit === 'bytes' ? '' : ` ${unit}`; // the name of the option ends in Bytes
    return `${shownNumber(minimum, unit)} to ${shownNumber(maximum, unit)}${counted}`.trimEnd();
  }
  if (type === 'boolean') return '`true`, `false`';
  if (prefixItems !== undefined) return ''; // another alternative describes the same list
  if (type === 'array') return isSchema(items) ? listOf(items) : 'list';
  if (type === 'object') return 'section';
  return type === 'string' ? 'text' : '';
}

function listOf(items: JsonSchema): string {
  const tags = sections(items).map(tagOf);
  if (tags.some((tag) => tag !== '')) return `list of ${tags.map((tag) => `\`${tag}\``).join(', ')}`;
  return items.type === 'string' ? 'list of texts' : 'list';
}
