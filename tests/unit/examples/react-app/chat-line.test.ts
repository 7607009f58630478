import { expect, test } from '@jest/globals';
import { mergeLines, parseInput, privateLine, roomLine } from '../../../../examples/react-app/src/chat/chat-line.js';
import { NAME_PATTERN, suggestName } from '../../../../examples/react-app/src/chat/names.js';

const received = (headers: Record<string, string>, body: string) => ({
  destination: '/topic/chat',
  headers,
  body,
  bytes: new Uint8Array(),
  data: body,
  ack: () => {},
  nack: () => {},
});

test.each([
  ['hello', { text: 'hello' }],
  ['  hello  ', { text: 'hello' }],
  ['@anna psst', { to: 'anna', text: 'psst' }],
  [' @anna  two\nlines', { to: 'anna', text: 'two\nlines' }],
  ['@anna', { text: '@anna' }],
  ['mail me @ home', { text: 'mail me @ home' }],
])('%j is parsed into recipient and text', (input, parsed) => {
  expect(parseInput(input)).toEqual(parsed);
});

test('the sender comes from the header, not from the body', () => {
  const message = received({ user: 'mallory', 'message-id': 'm1' }, '{"user":"anna"}');
  expect(roomLine('', message)).toMatchObject({ id: 'm1', from: 'mallory', text: '{"user":"anna"}' });
  expect(privateLine('', message)).toMatchObject({ from: 'mallory', to: 'you' });
});

test('lines of this tab appear once, and all lines are in order of time', () => {
  const line = (id: string, at: number) => ({ id, at, from: 'x', text: id });
  const own = { ...line('b', 2), sending: 'sending' as const };
  const lines = mergeLines([own], [line('a', 1), line('b', 3)], [line('c', 2.5)]);
  expect(lines).toEqual([line('a', 1), own, line('c', 2.5)]);
});

test('a suggested name is valid', () => {
  for (let count = 0; count < 100; count++) expect(suggestName()).toMatch(new RegExp(`^(${NAME_PATTERN})$`, 'v'));
});
