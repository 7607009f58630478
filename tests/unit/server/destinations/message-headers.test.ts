import { describe, expect, test } from '@jest/globals';
import { messageHeaders } from '../../../../server/src/destinations/message-headers.js';

const kept = (sent: Record<string, string>, replyTo?: string) =>
  Object.fromEntries(messageHeaders(new Map(Object.entries(sent)), replyTo));

describe('messageHeaders', () => {
  test("passes a user's headers through, in their order", () => {
    const sent = { 'content-type': 'text/plain', z: '1', a: '2', persistent: 'true', priority: '3' };
    expect(kept(sent)).toEqual(sent);
    expect(Object.keys(kept(sent))).toEqual(Object.keys(sent));
  });

  test.each([
    'destination',
    'subscription',
    'message-id',
    'ack',
    'redelivered',
    'content-length',
    'receipt',
    'transaction',
    'id',
    'mandatory',
    'relay-resent',
    'relay-id',
    'relay-anything',
  ])('keeps back %s', (name) => {
    expect(kept({ [name]: 'x', other: 'y' })).toEqual({ other: 'y' });
  });

  test('puts the address of a temporary queue in the place of its name', () => {
    expect(kept({ 'reply-to': '/temp-queue/a' }, '/reply-queue/xyz')).toEqual({ 'reply-to': '/reply-queue/xyz' });
    expect(kept({ 'reply-to': '/queue/a' }, '/queue/a')).toEqual({ 'reply-to': '/queue/a' });
  });
});
