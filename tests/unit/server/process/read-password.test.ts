import { PassThrough } from 'node:stream';
import { describe, expect, test } from '@jest/globals';
import { readPassword } from '../../../../server/src/process/read-password.js';

function given(text: string, isTTY = false) {
  const screen = new PassThrough();
  const input = Object.assign(new PassThrough(), { isTTY, setRawMode: () => undefined });
  input.end(text);
  return { password: readPassword(input, screen), shown: () => String(screen.read() ?? '') };
}

describe('from elsewhere', () => {
  test.each(['correct horse\n', 'correct horse\r\n', 'correct horse'])('%j is a line', async (text) => {
    const { password, shown } = given(text);
    expect(await password).toBe('correct horse');
    expect(shown()).toBe('');
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
  test('it is typed twice, can be corrected, and is not shown', async () => {
    const { password, shown } = given('correct house\x7f\x7f\x7frse\rcorrect horse\r', true);
    expect(await password).toBe('correct horse');
    expect(shown()).toBe('Password: \nOnce more: \n');
  });

  test('two that differ, and an end (Ctrl-C, Ctrl-D), give none', async () => {
    await expect(given('one\rtwo\r', true).password).rejects.toThrow(/not the same/);
    await expect(given('one\x03', true).password).rejects.toThrow(/no password/);
    await expect(given('\x04', true).password).rejects.toThrow(/no password/);
    await expect(given('one\rone\x03', true).password).rejects.toThrow(/not the same/);
  });
});
