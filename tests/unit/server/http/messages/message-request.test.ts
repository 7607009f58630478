import { describe, expect, test } from '@jest/globals';
import { MessageRequests } from '../../../../../server/src/http/messages/message-request.js';
import { BatchTurns } from '../../../../../server/src/timing/batch-turns.js';

const requests = new MessageRequests(1_000, { headerMaxCount: 100, headerLineMaxBytes: 1_000 });
const parse = (given: unknown) => requests.parse(given, new BatchTurns().begin('ann'));
const errorsOf = async (given: unknown) => {
  const problem: unknown = await parse(given).catch((error: unknown) => error);
  return (problem as { details: { errors: { pointer: string; detail: string }[] } }).details.errors;
};
const message = { destination: '/topic/a' };

test('accepts one message, or many in their order', async () => {
  const one = await parse({ ...message, body: 'x' });
  expect(one).toMatchObject({ isBatch: false, messages: [{ destination: '/topic/a', body: Buffer.from('x') }] });
  const texts = Array.from({ length: 1_000 }, (_, index) => `/topic/${index}`);
  const many = await parse({ messages: texts.map((destination) => ({ destination })) });
  expect(many.isBatch).toBe(true);
  expect(many.messages.map(({ destination }) => destination)).toEqual(texts);
});

test('names the place of each problem', async () => {
  expect(await errorsOf({ messages: [message, { destination: 1 }, { ...message, headers: { a: {} } }] })).toMatchObject(
    [
      { pointer: '/messages/1/destination' },
      { pointer: '/messages/2/headers/a', detail: 'must be a string, number or boolean' },
    ],
  );
  expect(await errorsOf({ messages: [] })).toMatchObject([{ pointer: '/messages' }]);
  expect(await errorsOf({ messages: [message], more: 1 })).toHaveLength(1);
});

describe('reads no further', () => {
  const unread = {
    get destination(): string {
      throw new Error('was read');
    },
  };

  test('after ten problems', async () => {
    const headers = Object.fromEntries(Array.from({ length: 6 }, (_, index) => [`:${index}`, 'x']));
    const bad = { ...message, headers };
    expect(await errorsOf({ messages: [bad, bad, unread] })).toHaveLength(10);
  });

  test('in a text that is too long', async () => {
    const long = '\ud800'.repeat(2_001);
    const destination = await errorsOf({ destination: long });
    expect(destination.map(({ detail }) => detail)).toEqual([expect.stringMatching(/2000/)]);
    const [header] = await errorsOf({ ...message, headers: { a: long } });
    expect(header?.detail).toMatch(/headerLineMaxBytes/);
  });
});
