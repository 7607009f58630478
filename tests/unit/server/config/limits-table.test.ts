import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { EFFECTS, limitsOf, limitsTable } from '../../../../server/src/config/limits-table.js';
import { schema } from '../../../../server/src/config.js';
import { ERRORS } from '../../../../server/src/stomp/errors.js';

describe('the table of limits', () => {
  test('has every limit of the configuration', () => {
    expect(
      limitsOf(schema)
        .map(({ path }) => path)
        .sort(),
    ).toEqual(Object.keys(EFFECTS).sort());
  });

  test('is up to date in docs/limits.md (npm run docs:limits)', () => {
    const document = readFileSync(join(import.meta.dirname, '../../../../docs/limits.md'), 'utf8');
    expect(document).toContain(`\n${limitsTable(schema)}\n\n`);
  });

  test('names only existing error codes', () => {
    const codes = Object.values(EFFECTS).flatMap((effect) => [...effect.matchAll(/ERROR `([\w-]+)`/g)]);
    expect(codes.length).toBeGreaterThan(15);
    expect(codes.map(([, code]) => code).filter((code) => !Object.hasOwn(ERRORS, code!))).toEqual([]);
  });

  test('has the defaults and ranges of the schema', () => {
    const table = limitsTable(schema);
    expect(table).toContain(
      '| `session.subscriptionsMax` | 1,000 |  | 1 to 100,000 | ERROR `too-many-subscriptions` |',
    );
    expect(table).toContain(
      '| `limits.afterLogin.bodyMaxBytes` | 4 MiB | bytes | 0 to 128 MiB | ERROR `body-too-large` |',
    );
  });
});
