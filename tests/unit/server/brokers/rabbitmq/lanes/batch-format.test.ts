import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  BATCH_VERSION,
  BatchError,
  BatchPacker,
  packAlone,
  packedMaxBytes,
  unpackBatch,
} from '../../../../../../server/src/brokers/rabbitmq/lanes/batch-format.js';
import type { LaneMessage } from '../../../../../../server/src/brokers/rabbitmq/lanes/batch-format.js';
import { batchOf } from '../../../../../support/lane-batches.js';

const message = (key: string, headers: Record<string, string> = {}, body = 'x', toSession?: string): LaneMessage => ({
  isToUser: false,
  key,
  headers: new Map(Object.entries(headers)),
  body: Buffer.from(body),
  toSession,
});

function pack(...messages: LaneMessage[]): Buffer {
  const packer = new BatchPacker();
  for (const each of messages) {
    expect(packer.hasRoomFor(packedMaxBytes(each))).toBe(true);
    packer.add(each);
  }
  return packer.take();
}

function kindOf(batch: Buffer): string {
  try {
    return `${unpackBatch(batch).length} messages`;
  } catch (error) {
    if (error instanceof BatchError) return error.kind;
    throw error;
  }
}

test('messages come out as they went in, in order', () => {
  // Texts with NUL, characters of one to four bytes, and halves of pairs
  const text = fc.string({ unit: 'binary', maxLength: 30 });
  const messages = fc.array(
    fc.record({
      isToUser: fc.boolean(),
      key: text,
      headers: fc.array(fc.tuple(text, text), { maxLength: 5 }).map((pairs) => new Map(pairs)),
      body: fc.uint8Array({ maxLength: 50 }).map((bytes) => Buffer.from(bytes)),
      toSession: fc.option(text, { nil: undefined }),
    }),
    { minLength: 1, maxLength: 20 },
  );
  fc.assert(fc.property(messages, (given) => void expect(unpackBatch(pack(...given))).toEqual(given)));
});

test('a body does not keep its batch in memory', () => {
  const batch = pack(message('a', {}, 'x'.repeat(20_000)), message('b', {}, 'small'));
  const [, small] = unpackBatch(batch);
  expect(small!.body.buffer).not.toBe(batch.buffer);
  expect(small!.body.toString()).toBe('small');
});

test('a batch of one message has room for any', () => {
  const large = message('a', { name: 'ü'.repeat(30_000) }, 'x'.repeat(100_000), 's');
  expect(unpackBatch(packAlone(large))).toEqual([large]);
});

test('a packer has room for 64 KiB, and begins again after each batch', () => {
  const packer = new BatchPacker();
  packer.add(message('a', {}, 'x'.repeat(60_000)));
  expect([packer.hasRoomFor(5_000), packer.hasRoomFor(6_000)]).toEqual([true, false]);
  const first = packer.take();
  packer.add(message('b'));
  expect([unpackBatch(first), unpackBatch(packer.take())]).toMatchObject([[{ key: 'a' }], [{ key: 'b' }]]);
});

test('an empty session is not the same as none', () => {
  expect(unpackBatch(pack(message('a', {}, '', ''), message('b')))).toMatchObject([
    { toSession: '' },
    { toSession: undefined },
  ]);
});

describe('a batch that cannot be read', () => {
  test('is reported as newer if its version is higher', () => {
    const batch = pack(message('a'));
    batch[0] = BATCH_VERSION + 1;
    expect(kindOf(batch)).toBe('newer');
    batch[0] = 0;
    expect(kindOf(batch)).toBe('malformed');
  });

  test('gives none of its messages if it was cut', () => {
    const batch = pack(message('a', { name: 'value' }, 'body', 's'), message('b', { other: 'value' }, 'body'));
    const first = pack(message('a', { name: 'value' }, 'body', 's')).length;
    for (let length = 0; length < batch.length; length++) {
      const expected = length === 1 ? '0 messages' : length === first ? '1 messages' : 'malformed';
      expect([length, kindOf(batch.subarray(0, length))]).toEqual([length, expected]);
    }
  });

  test.each([
    ['513 messages', Array.from({ length: 513 }, () => message(''))],
    ['two messages with more than 64 KiB', [message('a', {}, 'x'.repeat(65_000)), message('b', {}, 'x'.repeat(1_000))]],
  ])('is larger than those of relays: %s', (_, messages) => {
    expect(kindOf(batchOf(messages))).toBe('malformed');
    expect(kindOf(batchOf(messages.slice(1)))).toMatch(/messages$/);
  });

  test('never throws anything else, whatever its bytes are', () => {
    const batch = pack(message('a', { name: 'value' }, 'body', 's'), message('b', { other: 'value' }, 'body'));
    const change = fc.record({ at: fc.nat(batch.length - 1), byte: fc.nat(255) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 4 }), (changes) => {
        const changed = Buffer.from(batch);
        for (const { at, byte } of changes) changed[at] = byte;
        expect(kindOf(changed)).toMatch(/messages$|^newer$|^malformed$/);
      }),
    );
  });
});
