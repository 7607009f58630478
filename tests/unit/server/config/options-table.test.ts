import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { schema } from '../../../../server/src/config.js';
import { optionsTables } from '../../../../server/src/config/options-table.js';
import { optionsOf } from '../../../../server/src/config/schema-options.js';

describe('the tables of options', () => {
  test('every option has a description, .describe(...) where it is declared', () => {
    const options = optionsOf(schema);
    expect(options.length).toBeGreaterThan(80);
    const lacking = options.filter(({ schema: { description = '' } }) => description === '' || /\n/.test(description));
    expect(lacking.map(({ path }) => path)).toEqual([]);
  });

  test('are in docs/configuration.md as they should be (npm run docs:limits)', () => {
    const document = readFileSync(join(import.meta.dirname, '../../../../docs/configuration.md'), 'utf8');
    expect(document).toContain(`\n${optionsTables(schema)}\n\n`);
  });

  test('show default, range with unit, and meaning', () => {
    const lines = optionsTables(schema).split('\n');
    expect(lines).toContain('| `sessionsMax` | `50000` | 1 to 1,000,000 | sessions at a time, on all transports |');
    expect(lines.find((line) => line.startsWith('| `session.inboxMaxBytes`'))).toContain(
      '| `1048576` (1 MiB) | 16 KiB to 256 MiB |',
    );
    expect(lines.find((line) => line.startsWith('| `tcp.keepAliveMs`'))).toContain('| 1,000 to 86,400,000 ms |');
    expect(lines.find((line) => line.startsWith('| `log.level`'))).toContain('| `info` | `trace`, `debug`, `info`');
  });

  test('go into lists, kinds of sections and names', () => {
    const kinds = z.strictObject({
      doors: z
        .array(
          z.discriminatedUnion('kind', [
            z.strictObject({ kind: z.literal('jwt'), issuer: z.string().describe('who signs') }),
            z.strictObject({ kind: z.literal('none'), isOpen: z.boolean().default(true).describe('for all') }),
          ]),
        )
        .describe('ways in'),
      users: z.record(z.string(), z.strictObject({ hash: z.string().describe('of the password') })).describe('by name'),
      single: z.strictObject({ file: z.string().optional().describe('its file') }).optional(),
    });
    expect(
      optionsTables(kinds)
        .split('\n')
        .filter((line) => line.startsWith('| `')),
    ).toEqual([
      '| `doors` | must be given | list of `jwt`, `none` | ways in |',
      '| `doors[jwt].issuer` | must be given | text | who signs |',
      '| `doors[none].isOpen` | `true` | `true`, `false` | for all |',
      '| `users` | must be given | section | by name |',
      '| `users.NAME.hash` | must be given | text | of the password |',
      '| `single.file` |  | text | its file |',
    ]);
  });

  test('an option without a description is named', () => {
    expect(() => optionsTables(z.strictObject({ mute: z.boolean() }))).toThrow('mute needs a description');
  });
});
