import { beforeEach, describe, expect, test } from '@jest/globals';
import type { RoutedMessage } from '../../../../server/src/brokers/broker.js';
import { messageHead, MessageEncoder } from '../../../../server/src/delivery/message-encoder.js';
import { withDroppedHeader } from '../../../../server/src/delivery/single-frame.js';
import { FRAME_END } from '../../../../server/src/stomp/encoder.js';

let encoder: MessageEncoder;
beforeEach(() => {
  encoder = new MessageEncoder('r1', 1_000);
});

function routed(body: string | Buffer, headers: Record<string, string> = {}, resent = false): RoutedMessage {
  const bytes = Buffer.from(body);
  return { headers: new Map(Object.entries(headers)), body: bytes, origin: { kind: 'topic', key: 'a' }, resent };
}

/** Encodes a frame that is not too large. */
function shared(...args: Parameters<MessageEncoder['encodeShared']>): Buffer {
  const frame = encoder.encodeShared(...args);
  if (!frame) throw new Error('too large');
  return frame;
}

describe('MessageEncoder', () => {
  test('makes a whole MESSAGE frame, with the lines of the subscription first', () => {
    const head = messageHead('sub-0', '/topic/a', '1.2');
    const frame = shared(head, routed('hi', { colour: 'a:b' }), '1.2');
    expect(frame.toString()).toBe(
      'MESSAGE\nsubscription:sub-0\ndestination:/topic/a\nmessage-id:r1-1\nredelivered:false\n' +
        'colour:a\\cb\ncontent-length:2\n\nhi\0',
    );
  });

  test('omits content-length without a body', () => {
    const frame = shared(messageHead('s', '/topic/a', '1.2'), routed(''), '1.2');
    expect(frame.toString()).toMatch(/\nredelivered:false\n\n\0$/);
  });

  test('counts octets of the body, NULs included', () => {
    const frame = shared(messageHead('s', '/topic/a', '1.2'), routed('ä\0b'), '1.2');
    expect(frame.toString()).toContain('content-length:4\n\nä\0b\0');
  });

  test('marks a message that may have arrived before', () => {
    const frame = shared(messageHead('s', '/topic/a', '1.2'), routed('', {}, true), '1.2');
    expect(frame.toString()).toContain('\nrelay-resent:true\n');
  });

  test('escapes for the version: 1.0 not at all', () => {
    const message = routed('', { colour: 'a:b' });
    expect(shared(messageHead('s', '/topic/a', '1.0'), message, '1.0').toString()).toContain('colour:a:b\n');
    expect(shared(messageHead('s', '/topic/a', '1.1'), message, '1.1').toString()).toContain('colour:a\\cb\n');
  });

  test('gives a message one id for all groups, and the next message another id', () => {
    const [first, second] = [routed('1'), routed('2')];
    const idOf = (message: RoutedMessage, subscription: string) =>
      /message-id:(.*)/.exec(shared(messageHead(subscription, '/topic/a', '1.2'), message, '1.2').toString())?.[1];
    expect(idOf(first, 's')).toBe(idOf(first, 't'));
    expect(idOf(second, 's')).not.toBe(idOf(first, 't'));
  });

  test('adds an ack header in 1.2 if the client must acknowledge, with the value of message-id', () => {
    const message = routed('x');
    const encode = (version: '1.1' | '1.2', needsAck: boolean) =>
      String(
        encoder.encodeDedicated(messageHead('s', '/queue/a', version), message, version, {
          id: 'r1-z',
          redelivered: true,
          needsAck,
        }),
      );
    expect(encode('1.2', true)).toContain('\nmessage-id:r1-z\nredelivered:true\nack:r1-z\n');
    expect(encode('1.2', false)).not.toContain('\nack:');
    expect(encode('1.1', true)).not.toContain('\nack:');
  });

  test('distinguishes text from binary by the body alone', () => {
    expect(encoder.isText(routed('grün'))).toBe(true);
    expect(encoder.isText(routed(Buffer.from([0xff, 0xfe])))).toBe(false);
    expect(encoder.isText(routed(''))).toBe(true);
  });

  test('omits the subscription header for a 1.0 client without an id', () => {
    expect(messageHead(undefined, '/topic/a', '1.0')).toBe('MESSAGE\ndestination:/topic/a\n');
  });

  test('can add the number of messages that were left out before, in a separate header', () => {
    const frame = shared(messageHead('s', '/topic/a', '1.2'), routed('x'), '1.2');
    const [command, header, ...rest] = withDroppedHeader(frame, 7).toString().split('\n');
    expect([command, header]).toEqual(['MESSAGE', 'relay-dropped:7']);
    expect(['MESSAGE', ...rest].join('\n')).toBe(frame.toString());
  });

  test('makes the beginning of the same frame, for a separately written body', () => {
    const head = messageHead('s', '/topic/a', '1.2');
    const message = routed('grün', { colour: 'a:b' });
    const beginning = encoder.encodeBeginning(head, message, '1.2')!;
    expect(Buffer.concat([beginning, message.body, FRAME_END])).toEqual(shared(head, message, '1.2'));
  });

  test.each([
    ['a body alone', 'x'.repeat(1_001), {}],
    ['a body with its headers', 'x'.repeat(990), {}],
    ['headers alone', '', { colour: 'x'.repeat(1_000) }],
    ['headers of fewer characters than bytes', '', { colour: 'ü'.repeat(500) }],
  ])('makes no frame above the limit: %s', (_, body, headers) => {
    const head = messageHead('s', '/topic/a', '1.2');
    const message = routed(body, headers);
    const delivery = { id: 'r1-z', redelivered: false, needsAck: true };
    expect(encoder.encodeShared(head, message, '1.2')).toBeUndefined();
    expect(encoder.encodeBeginning(head, message, '1.2')).toBeUndefined();
    expect(encoder.encodeDedicated(head, message, '1.2', delivery)).toBeUndefined();
  });

  test('makes a frame of exactly the limit', () => {
    const head = messageHead('s', '/topic/a', '1.2');
    const empty = shared(head, routed(''), '1.2').length + 'content-length:100\n'.length;
    const [fits, larger] = [routed('x'.repeat(1_000 - empty)), routed('x'.repeat(1_001 - empty))];
    expect(shared(head, fits, '1.2')).toHaveLength(1_000);
    expect(encoder.encodeBeginning(head, fits, '1.2')).toBeDefined();
    expect(encoder.encodeShared(head, larger, '1.2')).toBeUndefined();
    expect(encoder.encodeBeginning(head, larger, '1.2')).toBeUndefined();
  });
});
