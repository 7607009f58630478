/** The export `stomp-relay/contract` of the built package, without Jest. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect, test } from '@jest/globals';

test('the broker contract runs under node --test with the package expect, and reports the tests that it leaves out', () => {
  const file = path.join(__dirname, 'contract-on-node.js');
  const args = ['--test', '--test-reporter=tap', file];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 25_000 });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(stdout).toMatch(/^# fail 0$/m);
  expect(Number(/^# pass (\d+)$/m.exec(stdout)?.[1])).toBeGreaterThan(100);
  expect(stdout).toContain('left out: capabilities > streams: ');
});
