/** Finds the sentences of the repository and holds them to the rules of plain English. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { PROSE_RULES } from './prose-rules.js';
import type { ProseRule } from './prose-rules.js';

export interface Offence {
  readonly file: string;
  readonly line: number;
  readonly rule: ProseRule;
  readonly sentence: string;
}

export interface Reading {
  readonly sentences: number;
  readonly offences: readonly Offence[];
}

interface Passage {
  readonly position: number;
  readonly text: string;
}

const READ = /\.(?:tsx?|m?js|css|md|ya?ml)$/;
const LISTED = ['ls-files', '--cached', '--others', '--exclude-standard'];
const NOT_OURS = /package-lock/;
/** A label or a name is no sentence. */
const WORDS_MIN = 3;
const TEXT_WORDS_MIN = 4;

/** Reads the files below `paths` (all where none is given), except those that Git ignores. */
export function readProse(root: string, paths: readonly string[] = []): Reading {
  const listed = execFileSync('git', ['-C', root, ...LISTED, ...paths], { encoding: 'utf8' }).split('\n');
  const files = listed.filter((file) => READ.test(file) && !NOT_OURS.test(file) && existsSync(path.join(root, file)));
  let sentences = 0;
  const offences: Offence[] = [];
  for (const file of files) {
    const source = readFileSync(path.join(root, file), 'utf8');
    for (const { position, text } of passagesOf(file, source)) {
      for (const sentence of sentencesOf(text)) {
        sentences++;
        for (const rule of PROSE_RULES) {
          if (!rule.pattern.test(sentence)) continue;
          offences.push({ file, line: source.slice(0, position).split('\n').length, rule, sentence });
        }
      }
    }
  }
  return { sentences, offences };
}

/** The share of sentences that break a rule, in percent. */
export function percentOf({ sentences, offences }: Reading, rule: ProseRule): number {
  return (100 * offences.filter((each) => each.rule === rule).length) / sentences;
}

export function sentencesOf(text: string): string[] {
  return text
    .replace(/`[^`]*`/g, 'CODE')
    .replace(/https?:\S+/g, 'URL')
    .replace(/\b(?:e\.g|i\.e|etc|vs|cf)\./g, (short) => short.replaceAll('.', ''))
    .split(/(?<=[.:;!?])\s+(?=["“'(A-Za-z])|\n{2,}/)
    .map((sentence) => sentence.replace(/\s+/g, ' ').trim())
    .filter((sentence) => sentence.split(' ').length >= WORDS_MIN);
}

function passagesOf(file: string, source: string): Passage[] {
  if (file.endsWith('.md')) return markdownPassages(source);
  if (file.endsWith('.css')) return matches(source, /\/\*([^]*?)\*\//g);
  if (/\.ya?ml$/.test(file)) return matches(source, /#\s(.*)/g);
  return codePassages(file, source);
}

function matches(source: string, pattern: RegExp): Passage[] {
  return [...source.matchAll(pattern)].map((match) => ({ position: match.index, text: match[1] ?? '' }));
}

/** Paragraphs, points of lists, and cells of tables. */
function markdownPassages(source: string): Passage[] {
  const passages: Passage[] = [];
  const prose = source.replace(/```[^]*?```/g, (block) => block.replace(/[^\n]/g, ' '));
  let isTable = false;
  for (const { index, 0: line } of prose.matchAll(/[^\n]*\n?/g)) {
    const text = line.replace(/\*\*|__/g, '').replace(/^\s*(?:[-*#>]+|\d+\.)\s+/, '');
    const starts = text.trim() === '' || /^\s*(?:[-*#>|]|\d+\.\s)/.test(line) || isTable;
    isTable = /^\s*\|/.test(line);
    if (isTable) for (const cell of text.split('|')) passages.push({ position: index, text: cell });
    else if (starts || passages.length === 0) passages.push({ position: index, text });
    else passages.push(joined(passages.pop()!, text));
  }
  return passages;
}

function joined({ position, text }: Passage, more: string): Passage {
  return { position, text: `${text}${more}` };
}

/** Comments, and texts of several words. */
function codePassages(file: string, source: string): Passage[] {
  const kind = /x$/.test(file) ? ts.ScriptKind.TSX : undefined;
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true, kind);
  const comments = new Map<number, ts.CommentRange>();
  const passages: Passage[] = [];
  const visit = (node: ts.Node): void => {
    const around = [
      ...(ts.getLeadingCommentRanges(source, node.getFullStart()) ?? []),
      ...(ts.getTrailingCommentRanges(source, node.end) ?? []),
    ];
    for (const range of around) comments.set(range.pos, range);
    const text = textOf(node);
    if (text.trim().split(/\s+/).length >= TEXT_WORDS_MIN) passages.push({ position: node.getStart(tree), text });
    for (const child of node.getChildren(tree)) visit(child);
  };
  visit(tree);
  return [...passages, ...commentPassages(source, [...comments.values()])];
}

function textOf(node: ts.Node): string {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) {
    return /^[./@]/.test(node.text) ? '' : node.text;
  }
  if (ts.isTemplateExpression(node)) {
    return node.head.text + node.templateSpans.map(({ literal }) => `X${literal.text}`).join('');
  }
  return ts.isJsxText(node) ? node.text : '';
}

/** Lines of `//` that follow each other are one passage. */
function commentPassages(source: string, ranges: readonly ts.CommentRange[]): Passage[] {
  const passages: Passage[] = [];
  let lineEnd = -1;
  for (const { pos, end, kind } of ranges.toSorted((one, other) => one.pos - other.pos)) {
    const text = source.slice(pos, end);
    if (kind === ts.SyntaxKind.MultiLineCommentTrivia) {
      passages.push({ position: pos, text: blockText(text) });
      continue;
    }
    const line = text.slice(2);
    const follows = lineEnd >= 0 && source.slice(lineEnd, pos).trim() === '';
    passages.push(follows ? joined(passages.pop()!, line) : { position: pos, text: line });
    lineEnd = end;
  }
  return passages;
}

/** Without stars; indented lines (drawings, tables, code) end a passage. */
function blockText(comment: string): string {
  return comment
    .replace(/^\/\*+|\*+\/$/g, '')
    .replace(/^\s*\* {2,}.*$/gm, '\n\n')
    .replace(/^\s*\* ?/gm, '');
}
