// Writes the tables of docs/limits.md and docs/configuration.md from the schema of the configuration. `npm run
// docs:limits` builds the server first.
import { readFileSync, writeFileSync } from 'node:fs';
import { schema } from '../server/dist/config.js';
import { limitsTable } from '../server/dist/config/limits-table.js';
import { optionsTables } from '../server/dist/config/options-table.js';

const GENERATED = /(?<=<!-- written by [^\n]*\n\n)[^]*?(?=\n\n<!-- prettier-ignore-end -->)/;

for (const [name, tables] of [
  ['limits.md', limitsTable(schema)],
  ['configuration.md', optionsTables(schema)],
]) {
  const file = new URL(name, import.meta.url);
  writeFileSync(
    file,
    readFileSync(file, 'utf8').replace(GENERATED, () => tables),
  );
}
