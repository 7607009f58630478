/** Runs the examples of docs/policy.md. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { parse } from 'yaml';
import type { Action, Principal } from '../../../../server/src/auth/auth.js';
import { createConfig } from '../../../../server/src/config.js';
import { parseDestination } from '../../../../server/src/destinations/destination.js';
import { createPolicy } from '../../../../server/src/index.js';
import type { ConfigInput } from '../../../../server/src/index.js';

const text = readFileSync(join(import.meta.dirname, '../../../../docs/policy.md'), 'utf8');
const { policy } = createConfig(parse(/```yaml\n(.*?)```/s.exec(text)![1]!) as ConfigInput);
const rows = [...text.matchAll(/^\| (ann|bob|anonymous) \| `(send|subscribe) (.*)` \| (yes|no) \|$/gm)].map(
  ([, user, action, destination, answer]) => [user!, action as Action, destination!, answer!] as const,
);
const PRINCIPALS: Readonly<Record<string, Principal>> = {
  ann: { name: 'ann', anonymous: false, claims: { org: 'acme', role: ['staff'] } },
  bob: { name: 'bob', anonymous: false, claims: {} },
  anonymous: { name: 'anonymous', anonymous: true, claims: {} },
};

test('the page has examples', () => {
  expect(rows.length).toBeGreaterThan(15);
});

test.each(rows)('%s: %s %s: %s', (user, action, destination, answer) => {
  const rules = createPolicy(policy!.rules);
  expect(rules.allows(PRINCIPALS[user]!, action, parseDestination(destination, action))).toBe(answer === 'yes');
});
