/** The fenced code of a page: ```` ```ts before ```` is a block in `ts` with the mark `before`. */
import { readFileSync } from 'node:fs';

export interface CodeBlock {
  readonly language: string;
  readonly marks: readonly string[];
  readonly code: string;
  /** The line of the page where the code starts, counted from 1. */
  readonly line: number;
  /** The heading above it. */
  readonly section: string;
}

export function codeBlocks(file: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  const lines = readFileSync(file, 'utf8').split('\n');
  let section = '';
  for (let start = 0; start < lines.length; start++) {
    section = /^#+ (.+)/.exec(lines[start]!)?.[1] ?? section;
    const info = /^```(\S+)\s*(.*)$/.exec(lines[start]!);
    if (info === null) continue;
    const end = lines.indexOf('```', start + 1);
    if (end < 0) throw new Error(`${file}:${start + 1}: the code does not end`);
    const code = lines.slice(start + 1, end).join('\n');
    blocks.push({ language: info[1]!, marks: info[2]!.split(' ').filter(Boolean), code, line: start + 2, section });
    start = end;
  }
  return blocks;
}
