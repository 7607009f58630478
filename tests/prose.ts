/** `npm run prose -- [paths]`: lists the sentences that break a rule of plain English, and the share of each rule. */
import path from 'node:path';
import { PROSE_RULES } from './support/prose-rules.js';
import { percentOf, readProse } from './support/prose.js';

const reading = readProse(path.resolve('.'), process.argv.slice(2));
for (const { file, line, rule, sentence } of reading.offences) {
  console.log(`${file}:${line}: [${rule.name}] ${sentence.slice(0, 160)}`);
}
if (reading.sentences === 0) throw new Error('these paths have no sentences');
console.log(`${reading.sentences} sentences`);
for (const rule of PROSE_RULES) {
  console.log(`${percentOf(reading, rule).toFixed(2)} % (at most ${rule.percentMax} %): ${rule.name}; ${rule.instead}`);
}
