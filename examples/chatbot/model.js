/** Replaces a language model: the same words for the same question, one at a time, with a pause before each. */
import { setTimeout as pause } from 'node:timers/promises';

/** Yields the words of the answer. Throws when `signal` is aborted. */
export async function* answerTo(question, { pauseMs, signal }) {
  const words = question.split(/\s+/);
  const answer = `You have asked me ${words.length} words, and backwards they are: ${words.toReversed().join(' ')}`;
  for (const word of answer.split(' ')) {
    await pause(pauseMs, undefined, { signal });
    yield word;
  }
}
