import { expect, test } from '@jest/globals';
import { readLimits } from '../../../../../server/src/brokers/memory/queue-limits.js';

const DEFAULTS = { queueMaxBytes: 1, unusedQueueExpiresMs: 5_000 };

test('missing arguments have defaults', () => {
  expect(readLimits('q', {}, false, { queueMaxBytes: 1_000, unusedQueueExpiresMs: 0 })).toEqual({
    messageTtlMs: undefined,
    expiresMs: undefined,
    maxLength: Infinity,
    maxBytes: 1_000,
    overflow: 'drop-head',
    deadLetterExchange: undefined,
    deadLetterKey: undefined,
    maxPriority: 0,
    deliveryLimit: Infinity,
    singleActiveConsumer: false,
  });
});

test('an unused queue expires after its x-expires, or else after the default', () => {
  expect(readLimits('q', {}, false, DEFAULTS).expiresMs).toBe(5_000);
  expect(readLimits('q', { 'x-expires': 7 }, false, DEFAULTS).expiresMs).toBe(7);
});

test('a delivery limit only applies to quorum queues', () => {
  expect(readLimits('q', { 'x-delivery-limit': 3 }, false, DEFAULTS).deliveryLimit).toBe(Infinity);
  expect(readLimits('q', { 'x-delivery-limit': 3, 'x-queue-type': 'quorum' }, false, DEFAULTS).deliveryLimit).toBe(3);
});

test.each([
  [{ 'x-queue-type': 'stream' }, false, 'invalid-header', /needs RabbitMQ/],
  [{ 'x-dead-letter-routing-key': 'k' }, false, 'queue-conflict', /without x-dead-letter-exchange/],
  [{ 'x-queue-type': 'quorum' }, true, 'queue-conflict', /auto-delete/],
  [{ 'x-queue-type': 'quorum', 'x-max-priority': 3 }, false, 'queue-conflict', /x-max-priority/],
  [{ 'x-queue-type': 'quorum', 'x-overflow': 'reject-publish-dlx' }, false, 'queue-conflict', /use reject-publish/],
])('%j with auto-delete %s is refused', (given, autoDelete, code, message) => {
  const refusal = expect.objectContaining({ code, message: expect.stringMatching(message) });
  expect(() => readLimits('q', given, autoDelete, DEFAULTS)).toThrow(refusal);
});
