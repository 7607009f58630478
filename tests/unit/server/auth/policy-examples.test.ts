/** What docs/policy.md shows, tried. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import type { Action, Principal } from '../../../../server/src/auth/auth.js';
import { createConfig } from '../../../../server/src/config.js';
import { parseDestination } from '../../../../server/src/destinations/destination.js';
import { type ConfigInput, createPolicy } from '../../../../server/src/index.js';

const text = readFileSync(join(import.meta.dirname, '../../../../docs/policy.md'), 'utf8');
const { policy } = createConfig(parse(/```yaml\n(.*?)```/s.exec(text)![1]!) as ConfigInput);
const rows = [...text.matchAll(/^\| (ann|bob|somebody) \| `(send|subscribe) (.*)` \| (yes|no) \|$/gm)].map(
  ([, who, action, destination, answer]) => [who!, action as Action, destination!, answer!] as const,
);
const PRINCIPALS: Readonly<Record<string, Principal>> = {
  ann: { name: 'ann', anonymous: false, claims: { org: 'acme', role: ['staff'] } },
  bob: { name: 'bob', anonymous: false, claims: {} },
  somebody: { name: 'anonymous', anonymous: true, claims: {} },
};

test('there are examples', () => {
  expect(rows.length).toBeGreaterThan(15);
});

test.each(rows)('%s: %s %s: %s', (who, action, destination, answer) => {
  const rules = createPolicy(policy!.rules);
  expect(rules.allows(PRINCIPALS[who]!, action, parseDestination(destination, action))).toBe(answer === 'yes');
});
