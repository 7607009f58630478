import { PassThrough } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { readPassword } from '../../../../server/src/process/read-password.js';

/** All that was written, which may be several chunks. */
function textOf(screen: PassThrough): string {
  const read = () => screen.read() as Buffer | null;
  let text = '';
  for (let chunk = read(); chunk !== null; chunk = read()) text += chunk.toString();
  return text;
}

function given(text: string, isTTY = false) {
  const screen = new PassThrough();
  const input = Object.assign(new PassThrough(), { isTTY, setRawMode: () => undefined });
  input.end(text);
  return { password: readPassword(input, screen), screenText: () => textOf(screen) };
}

describe('from other input', () => {
  test.each(['correct horse\n', 'correct horse\r\n', 'correct horse'])('%j is one line', async (text) => {
    const { password, screenText } = given(text);
    expect(await password).toBe('correct horse');
    expect(screenText()).toBe('');
  });

  test.each([
    ['', /no password/],
    ['\n', /no password/],
    ['one\ntwo\n', /one line/],
    ['tab\there\n', /control characters/],
    [`${'x'.repeat(1_025)}\n`, /1024 bytes/],
  ])('%j is refused', async (text, reason) => {
    await expect(given(text).password).rejects.toThrow(reason);
  });
});

describe('at a terminal', () => {
  test('a password is typed twice, can be corrected, and is not echoed', async () => {
    const { password, screenText } = given('correct house\x7f\x7f\x7frse\rcorrect horse\r', true);
    expect(await password).toBe('correct horse');
    expect(screenText()).toBe('Password: \nOnce more: \n');
  });

  test('two different passwords, or an end of the input (Ctrl-C, Ctrl-D), are refused', async () => {
    await expect(given('one\rtwo\r', true).password).rejects.toThrow(/two passwords differ/);
    await expect(given('one\x03', true).password).rejects.toThrow(/no password/);
    await expect(given('\x04', true).password).rejects.toThrow(/no password/);
    await expect(given('one\rone\x03', true).password).rejects.toThrow(/two passwords differ/);
  });
});
