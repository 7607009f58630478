/** V8 must still apply the flag at run time; no other test would fail if a version of Node ignored it. */
import { execFileSync } from 'node:child_process';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from '@jest/globals';

const MODULE = pathToFileURL(path.resolve(import.meta.dirname, '../../server/dist/process/young-generation.js')).href;

/** The size of the young generation before and after allocating 100 MiB of surviving objects. */
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

test('the young generation stays small with the module, and grows without it', () => {
  const [before, after] = sizes(MODULE);
  expect(after).toBeLessThanOrEqual(2 * before); // its second half is allocated on first use
  const [small, grown] = sizes();
  expect(grown).toBeGreaterThan(2 * small);
});
