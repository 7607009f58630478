/** `npm run fuzz -- --seconds 600 [--seed N]`: the fuzz of the parser for as long as one likes. */
import { parseArgs } from 'node:util';
import { fc } from './support/properties.js';
import { parserProperty } from './unit/server/stomp/parser-fuzz.js';

const { values } = parseArgs({ options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' } } });
const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);
console.log(`fuzzing the parser for ${values.seconds} s with seed ${seed}`);
const result = fc.check(parserProperty, {
  seed,
  numRuns: Number.MAX_SAFE_INTEGER,
  interruptAfterTimeLimit: Number(values.seconds) * 1_000,
});
// Being interrupted is how it ends well
console.log(
  result.counterexample === null ? `${result.numRuns} streams, all as they should be` : fc.defaultReportMessage(result),
);
process.exitCode = result.counterexample === null ? 0 : 1;
