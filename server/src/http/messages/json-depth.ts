/** A parser with recursion fails for a text that is nested deeply, at a depth that depends on the engine. */
export const JSON_DEPTH_MAX = 1_000;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** Whether `text`, which must be valid JSON, has more than JSON_DEPTH_MAX arrays and objects within each other. */
export function isTooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at);
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > JSON_DEPTH_MAX) return true;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return false;
}

/** The place of the closing quote. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at;
    if (code === BACKSLASH) at++;
  }
  return text.length;
}
