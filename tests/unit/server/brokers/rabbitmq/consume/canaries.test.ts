import { expect, test } from '@jest/globals';
import type { ConsumeMessage } from 'amqplib';
import { canaryOf } from '../../../../../../server/src/brokers/rabbitmq/consume/canaries.js';

const delivered = (headers: Record<string, unknown> | undefined, body = ''): ConsumeMessage =>
  ({ content: Buffer.from(body), properties: { headers } }) as unknown as ConsumeMessage;

test('a canary is empty and has a token', () => {
  expect(canaryOf(delivered({ 'relay-canary': 'abc' }))).toBe('abc');
  expect(canaryOf(delivered({ 'relay-canary': 'abc' }, 'x'))).toBeUndefined();
  expect(canaryOf(delivered({ other: 'abc' }))).toBeUndefined();
  expect(canaryOf(delivered(undefined))).toBeUndefined();
});
