import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { descriptorLimit } from '../../../../server/src/process/descriptor-limit.js';

const folder = mkdtempSync(path.join(tmpdir(), 'limits-'));
afterAll(() => rmSync(folder, { recursive: true }));

function file(soft: string): string {
  const name = path.join(folder, soft);
  const head = 'Limit                     Soft Limit           Hard Limit           Units     \n';
  writeFileSync(name, `${head}Max open files            ${soft.padEnd(20)} 4096                 files     \n`);
  return name;
}

test('the soft limit of open files, which may be unlimited or unknown', () => {
  expect(descriptorLimit(file('1024'))).toBe(1_024);
  expect(descriptorLimit(file('unlimited'))).toBeUndefined();
  expect(descriptorLimit(path.join(folder, 'missing'))).toBeUndefined();
});

test('of this process, on Linux', () => {
  const limit = descriptorLimit();
  if (process.platform === 'linux') expect(limit).toBeGreaterThan(0);
  else expect(limit).toBeUndefined();
});
