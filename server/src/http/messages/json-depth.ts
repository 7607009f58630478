/** A parser with recursion fails for a text that is nested deeply, at a depth that depends on the engine. */
import { endOfString, QUOTE } from './json-text.js';

export const JSON_DEPTH_MAX = 1_000;

/** Whether `text`, which must be valid JSON, has more than JSON_DEPTH_MAX arrays and objects within each other. */
export function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at + 1) - 1;
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > JSON_DEPTH_MAX) return true;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return false;
}
