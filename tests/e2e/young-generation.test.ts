/** That V8 still looks at the flag while it runs: nothing else would tell when a version of Node no longer does. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from '@jest/globals';

const MODULE = pathToFileURL(path.resolve(import.meta.dirname, '../../server/dist/process/young-generation.js')).href;

/** The size of the young generation before and after 100 MiB have been allocated that all survive. */
function sizes(...imports: string[]): [before: number, after: number] {
  const script = `
    import { getHeapSpaceStatistics } from 'node:v8';
    const size = () => getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space').space_size;
    const sizes = [size()];
    const kept = [];
    while (kept.length < 1_000_000) kept.push(new Array(10).fill(kept.length));
    console.log(JSON.stringify([...sizes, size()]));`;
  const program = imports.map((url) => `import ${JSON.stringify(url)};`).join('') + script;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
  return JSON.parse(output) as [number, number];
}

test('the young generation stays as small as it was, and would grow otherwise', () => {
  const [before, after] = sizes(MODULE);
  expect(after).toBeLessThanOrEqual(2 * before); // the second of its two halves is made when it is first needed
  const [small, grown] = sizes();
  expect(grown).toBeGreaterThan(2 * small);
});
