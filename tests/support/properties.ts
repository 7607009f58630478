/**
 * fast-check for all property tests. A failure prints its seed and the smallest failing example. `PROPERTY_SEED=<seed>
 * npx jest <file>` repeats it.
 */
import fc from 'fast-check';

const { PROPERTY_SEED } = process.env;
if (PROPERTY_SEED !== undefined) fc.configureGlobal({ seed: Number(PROPERTY_SEED) });

export { fc };
