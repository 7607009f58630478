/** docs/upgrading.md: the options that restore an old default exist and take the value. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { valueAt } from '../../../server/src/config/config-sources.js';
import { createConfig } from '../../../server/src/config.js';

const PAGE = readFileSync(path.resolve(import.meta.dirname, '../../../docs/upgrading.md'), 'utf8');
const settings = [...PAGE.matchAll(/`([a-z]\w*(?:\.\w+)*): ([^`\s]+)`/g)].map(([, option, value]) => ({
  option: option!,
  value: /^\d+$/.test(value!) ? Number(value) : value === 'true' || value!,
}));

test('there are options to try', () => {
  expect(settings.length).toBeGreaterThan(15);
});

test.each(settings)('$option: $value is allowed, and not the default', ({ option, value }) => {
  const names = option.split('.');
  const given = names.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object;
  expect(valueAt(createConfig(given), names)).toBe(value);
  expect(valueAt(createConfig(), names)).not.toBe(value);
});
