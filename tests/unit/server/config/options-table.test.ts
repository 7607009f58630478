import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { optionsTables } from '../../../../server/src/config/options-table.js';
import { optionsOf } from '../../../../server/src/config/schema-options.js';
import { schema } from '../../../../server/src/config.js';

describe('the tables of options', () => {
  test('every option has a description on one line', () => {
    const options = optionsOf(schema);
    expect(options.length).toBeGreaterThan(80);
    const lacking = options.filter(({ schema: { description = '' } }) => description === '' || /\n/.test(description));
    expect(lacking.map(({ path }) => path)).toEqual([]);
  });

  test('are up to date in docs/configuration.md (npm run docs:limits)', () => {
    const document = readFileSync(join(import.meta.dirname, '../../../../docs/configuration.md'), 'utf8');
    expect(document).toContain(`\n${optionsTables(schema)}\n\n`);
  });

  test('show default, range with unit, and meaning', () => {
    const lines = optionsTables(schema).split('\n');
    const headings = lines.filter((line) => line.startsWith('| option'));
    expect(new Set(headings)).toEqual(new Set(['| option | default | values | meaning |']));
    expect(lines).toContain(
      '| `sessionsMax` | `50000` | 1 to 1,000,000 | Maximum number of concurrent sessions, on all transports. |',
    );
    expect(lines.find((line) => line.startsWith('| `session.inboxMaxBytes`'))).toContain(
      '| `1048576` (1 MiB) | 16 KiB to 256 MiB |',
    );
    expect(lines.find((line) => line.startsWith('| `tcp.keepAliveMs`'))).toContain('| 1,000 to 86,400,000 ms |');
    expect(lines.find((line) => line.startsWith('| `log.level`'))).toContain('| `info` | `trace`, `debug`, `info`');
  });

  test('include the options of lists, kinds of sections and named sections', () => {
    const kinds = z.strictObject({
      entrances: z
        .array(
          z.discriminatedUnion('kind', [
            z.strictObject({ kind: z.literal('jwt'), issuer: z.string().describe('Issuer.') }),
            z.strictObject({ kind: z.literal('none'), isOpen: z.boolean().default(true).describe('Open.') }),
          ]),
        )
        .describe('Entrances.'),
      users: z.record(z.string(), z.strictObject({ hash: z.string().describe('Hash.') })).describe('Users by name.'),
      single: z.strictObject({ file: z.string().optional().describe('File.') }).optional(),
    });
    expect(
      optionsTables(kinds)
        .split('\n')
        .filter((line) => line.startsWith('| `')),
    ).toEqual([
      '| `entrances` | must be given | list of `jwt`, `none` | Entrances. |',
      '| `entrances[jwt].issuer` | must be given | text | Issuer. |',
      '| `entrances[none].isOpen` | `true` | `true`, `false` | Open. |',
      '| `users` | must be given | section | Users by name. |',
      '| `users.NAME.hash` | must be given | text | Hash. |',
      '| `single.file` |  | text | File. |',
    ]);
  });

  test('an option without a description is an error that names the option', () => {
    expect(() => optionsTables(z.strictObject({ silent: z.boolean() }))).toThrow('silent needs a description');
  });
});
