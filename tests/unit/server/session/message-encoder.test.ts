import { beforeEach, describe, expect, test } from '@jest/globals';
import type { RoutedMessage } from '../../../../server/src/brokers/broker.js';
import { messageHead, MessageEncoder, tellDropped } from '../../../../server/src/session/message-encoder.js';

let encoder: MessageEncoder;
beforeEach(() => {
  encoder = new MessageEncoder('r1', 'amq.topic');
});

function routed(body: string | Buffer, headers: Record<string, string> = {}, resent = false): RoutedMessage {
  const bytes = Buffer.from(body);
  return { headers: new Map(Object.entries(headers)), body: bytes, exchange: 'amq.topic', routingKey: 'a', resent };
}

describe('MessageEncoder', () => {
  test('makes a whole MESSAGE frame, what differs between subscriptions first', () => {
    const head = messageHead('sub-0', '/topic/a', '1.2');
    const frame = encoder.encodeShared(head, routed('hi', { colour: 'a:b' }), '1.2');
    expect(frame.toString()).toBe(
      'MESSAGE\nsubscription:sub-0\ndestination:/topic/a\nmessage-id:r1-1\nredelivered:false\n' +
        'colour:a\\cb\ncontent-length:2\n\nhi\0',
    );
  });

  test('leaves content-length out where there is no body', () => {
    const frame = encoder.encodeShared(messageHead('s', '/topic/a', '1.2'), routed(''), '1.2');
    expect(frame.toString()).toMatch(/\nredelivered:false\n\n\0$/);
  });

  test('counts octets of the body, NULs included', () => {
    const frame = encoder.encodeShared(messageHead('s', '/topic/a', '1.2'), routed('ä\0b'), '1.2');
    expect(frame.toString()).toContain('content-length:4\n\nä\0b\0');
  });

  test('says where a message may have come before', () => {
    const frame = encoder.encodeShared(messageHead('s', '/topic/a', '1.2'), routed('', {}, true), '1.2');
    expect(frame.toString()).toContain('\nrelay-resent:true\n');
  });

  test('escapes for the version: 1.0 not at all', () => {
    const message = routed('', { colour: 'a:b' });
    expect(encoder.encodeShared(messageHead('s', '/topic/a', '1.0'), message, '1.0').toString()).toContain(
      'colour:a:b\n',
    );
    expect(encoder.encodeShared(messageHead('s', '/topic/a', '1.1'), message, '1.1').toString()).toContain(
      'colour:a\\cb\n',
    );
  });

  test('gives one message one id for all groups, and the next another', () => {
    const [first, second] = [routed('1'), routed('2')];
    const idOf = (message: RoutedMessage, subscription: string) =>
      /message-id:(.*)/.exec(
        encoder.encodeShared(messageHead(subscription, '/topic/a', '1.2'), message, '1.2').toString(),
      )?.[1];
    expect(idOf(first, 's')).toBe(idOf(first, 't'));
    expect(idOf(second, 's')).not.toBe(idOf(first, 't'));
  });

  test('has an ack header in 1.2 where an ack is owed, with the value of message-id', () => {
    const message = routed('x');
    const encode = (version: '1.1' | '1.2', needsAck: boolean) =>
      encoder
        .encodeOwn(messageHead('s', '/queue/a', version), message, version, { id: 'r1-z', redelivered: true, needsAck })
        .toString();
    expect(encode('1.2', true)).toContain('\nmessage-id:r1-z\nredelivered:true\nack:r1-z\n');
    expect(encode('1.2', false)).not.toContain('\nack:');
    expect(encode('1.1', true)).not.toContain('\nack:');
  });

  test('knows text from binary by the body alone', () => {
    expect(encoder.isText(routed('grün'))).toBe(true);
    expect(encoder.isText(routed(Buffer.from([0xff, 0xfe])))).toBe(false);
    expect(encoder.isText(routed(''))).toBe(true);
  });

  test('names no subscription where a 1.0 client has given none', () => {
    expect(messageHead(undefined, '/topic/a', '1.0')).toBe('MESSAGE\ndestination:/topic/a\n');
  });

  test('can be told what was left out before a message, in a header of its own', () => {
    const frame = encoder.encodeShared(messageHead('s', '/topic/a', '1.2'), routed('x'), '1.2');
    const [command, header, ...rest] = tellDropped(frame, 7).toString().split('\n');
    expect([command, header]).toEqual(['MESSAGE', 'relay-dropped:7']);
    expect(['MESSAGE', ...rest].join('\n')).toBe(frame.toString());
  });
});
