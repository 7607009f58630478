/** Plain English, held by a test: comments, texts in the code, and documents (`support/prose-rules.ts`). */
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { PROSE_RULES } from './support/prose-rules.js';
import { percentOf, readProse, sentencesOf } from './support/prose.js';

describe('the prose of the repository', () => {
  const reading = readProse(path.resolve(import.meta.dirname, '..'));

  test('is read', () => {
    expect(reading.sentences).toBeGreaterThan(5_000);
  });

  test.each(PROSE_RULES)('keeps the share of: $name', (rule) => {
    const worst = reading.offences.filter((each) => each.rule === rule).slice(0, 20);
    const isKept = percentOf(reading, rule) <= rule.percentMax;
    expect(isKept ? [] : worst.map(({ file, line, sentence }) => `${file}:${line}: ${sentence}`)).toEqual([]);
  });
});

test.each([
  ['Who subscribes is told.', ['free relative', 'a thing that says, tells, hears or speaks']],
  ['Where is the queue?', []],
  ['The session closes. What waits is lost.', ['free relative']],
  ['There is room for nobody here.', ['somebody or nobody']],
  ['The client gets an ERROR that names the limit.', []],
])('a sentence is judged: %s', (text, expected) => {
  const broken = sentencesOf(text).flatMap((sentence) =>
    PROSE_RULES.filter(({ pattern }) => pattern.test(sentence)).map(({ name }) => name),
  );
  expect(broken).toEqual(expected);
});
