/** Configuration files of relays that keep a history. They are removed after the tests of the file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll } from '@jest/globals';

export interface HistoryFlags {
  readonly flags: string[];
  /** The file of the embedded broker's history. */
  readonly historyFile: string;
}

/** Call it once per file, outside of its tests. The flags are for a relay that keeps the messages of `match`. */
export function historyFlags(match: string): HistoryFlags {
  const folder = mkdtempSync(path.join(tmpdir(), 'relay-history-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'relay.yaml');
  const historyFile = path.join(folder, 'history');
  writeFileSync(file, JSON.stringify({ history: { rules: [{ name: 'test', match }] }, memory: { historyFile } }));
  return { flags: ['--config', file], historyFile };
}
