// Writes the table of docs/limits.md anew from the schema of the configuration. `npm run docs:limits` builds the server first.
import { readFileSync, writeFileSync } from 'node:fs';
import { schema } from '../server/dist/config.js';
import { limitsTable } from '../server/dist/config/limits-table.js';

const file = new URL('limits.md', import.meta.url);
const text = readFileSync(file, 'utf8');
writeFileSync(
  file,
  text.replace(/^\| option [^]*?(?=\n\n)/m, () => limitsTable(schema)),
);
