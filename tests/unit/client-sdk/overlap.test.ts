import { describe, expect, test } from '@jest/globals';
import type { LinkMessage } from '../../../client-sdk/src/core/message.js';
import { Overlap } from '../../../client-sdk/src/core/overlap.js';
import { fc } from '../../support/properties.js';

const OLD = { isUp: true };
const NEXT = { isUp: true };

function message(body: string, headers: Record<string, string> = {}): LinkMessage {
  return { headers: { destination: '/topic/a', ...headers }, body, binaryBody: new Uint8Array(), ack() {}, nack() {} };
}

/** Each of the two streams keeps its order; `turns` selects the stream of the next message. */
function interleave(bodies: readonly string[], turns: readonly boolean[]): { body: string; link: typeof OLD }[] {
  const rest = { old: [...bodies], next: [...bodies] };
  const all = turns.flatMap((isOld) => {
    const body = (isOld ? rest.old : rest.next).shift();
    return body === undefined ? [] : [{ body, link: isOld ? OLD : NEXT }];
  });
  return [...all, ...rest.old.map((body) => ({ body, link: OLD })), ...rest.next.map((body) => ({ body, link: NEXT }))];
}

describe('two links with the same messages', () => {
  test('each message is delivered once, in order, for any interleaving and any number of equal messages', () => {
    const bodies = fc.array(fc.constantFrom('tick', 'tock', 'x'), { maxLength: 40 });
    fc.assert(
      fc.property(bodies, fc.array(fc.boolean(), { maxLength: 80 }), (sent, turns) => {
        const overlap = new Overlap();
        const delivered = interleave(sent, turns).filter(({ body, link }) => !overlap.isRepeated(message(body), link));
        expect(delivered.map(({ body }) => body)).toEqual(sent);
      }),
    );
  });

  test('messages that one link brought before the other was up are delivered once too', () => {
    const bodies = fc.array(fc.constantFrom('tick', 'tock'), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(bodies, bodies, fc.array(fc.boolean(), { maxLength: 40 }), (before, sent, turns) => {
        const overlap = new Overlap();
        const all = [...before.map((body) => ({ body, link: OLD })), ...interleave(sent, turns)];
        const delivered = all.filter(({ body, link }) => !overlap.isRepeated(message(body), link));
        expect(delivered.map(({ body }) => body).sort()).toEqual([...before, ...sent].sort());
      }),
    );
  });

  test('equal bodies of different destinations, or with different ids, are different messages', () => {
    const overlap = new Overlap();
    expect(overlap.isRepeated(message('x', { destination: '/topic/a' }), OLD)).toBe(false);
    expect(overlap.isRepeated(message('x', { destination: '/topic/b' }), NEXT)).toBe(false);
    expect(overlap.isRepeated(message('x', { 'idempotency-key': '2' }), NEXT)).toBe(false);
    expect(overlap.isRepeated(message('x', { 'idempotency-key': '1' }), OLD)).toBe(false);
    expect(overlap.isRepeated(message('x', { 'idempotency-key': '2' }), OLD)).toBe(true);
  });

  test('the newest 1,000 messages are remembered', () => {
    const overlap = new Overlap();
    for (let n = 0; n <= 1_000; n++) overlap.isRepeated(message(String(n)), OLD);
    expect(overlap.isRepeated(message('1'), NEXT)).toBe(true);
    expect(overlap.isRepeated(message('0'), NEXT)).toBe(false);
  });
});
