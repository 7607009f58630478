/** Positions in a text that is valid JSON. */
export const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** The position behind the string whose opening quote is right before `at`. */
export function endOfString(text: string, at: number): number {
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    if (code === BACKSLASH) at++;
  }
  return at;
}
