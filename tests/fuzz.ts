/** `npm run fuzz -- --seconds 600 [--seed N]`: fuzzes the parser for a given time. */
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
// A run without a counterexample ends by the time limit
console.log(
  result.counterexample === null
    ? `${result.numRuns} streams without a counterexample`
    : fc.defaultReportMessage(result),
);
process.exitCode = result.counterexample === null ? 0 : 1;
