/** Configuration files of relays that keep a history. They are removed after the tests of the file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll } from '@jest/globals';

/**
 * Call it once per file, outside of its tests. Returns the flags for a relay that keeps the messages of `match`.
 * `historyFile`: the embedded broker keeps them over a restart.
 */
export function historyFlags(match: string, historyFile?: string): string[] {
  const folder = mkdtempSync(path.join(tmpdir(), 'relay-history-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'relay.yaml');
  const memory = historyFile === undefined ? {} : { historyFile: path.join(folder, historyFile) };
  writeFileSync(file, JSON.stringify({ history: { rules: [{ name: 'test', match }] }, memory }));
  return ['--config', file];
}
