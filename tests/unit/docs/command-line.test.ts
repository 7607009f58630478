/** docs/command-line.md lists every flag with its variable, option and default. */
import path from 'node:path';
import { expect, test } from '@jest/globals';
import { optionsOf } from '../../../server/src/config/schema-options.js';
import { schema, SETTINGS } from '../../../server/src/config.js';
import { readPage, tableUnder } from '../../support/page-tables.js';

const PAGE = path.resolve(import.meta.dirname, '../../../docs/command-line.md');

test('the flags of docs/command-line.md are those of the command line', () => {
  const options = new Map(optionsOf(schema).map((option) => [option.path, option.schema]));
  const expected = SETTINGS.map((setting) => {
    const option = setting.path.join('.');
    const preset: unknown = options.get(option)?.default;
    return [
      setting.flag,
      setting.variable,
      option,
      preset === undefined ? 'none' : JSON.stringify(preset).replaceAll('"', ''),
    ];
  });
  const rows = tableUnder(readPage(PAGE), 'Flags and variables').map((cells) =>
    cells.slice(0, 4).map((cell) => cell.replaceAll('`', '')),
  );
  expect(rows).toEqual([...expected, ['--config <file>', 'RELAY_CONFIG', '', 'none']]);
});
