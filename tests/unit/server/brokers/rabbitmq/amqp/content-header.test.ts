import { describe, expect, test } from '@jest/globals';
import type { ChannelModel } from 'amqplib';
import {
  faultOf,
  readContentHeaders,
  readProperties,
} from '../../../../../../server/src/brokers/rabbitmq/amqp/content-header.js';
import { fc } from '../../../../../support/properties.js';
import { contentHeaderFrame } from './amqplib-codec.js';

const ALL = {
  contentType: 'text/plain',
  contentEncoding: 'gzip',
  headers: { a: 'b' },
  deliveryMode: 2,
  priority: 255,
  correlationId: 'c',
  replyTo: 'r',
  expiration: '60000',
  messageId: 'm',
  timestamp: 1_700_000_000,
  type: 't',
  userId: 'u',
  appId: 'app',
  clusterId: 'cluster',
};
/** Frame header, class, weight and size of the body. */
const BEFORE_FLAGS = 19;

const read = (properties: object) => {
  const frame = contentHeaderFrame(1, 0, properties);
  return readProperties(frame.subarray(0, -1), BEFORE_FLAGS);
};
const given = (properties: object) =>
  Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined));

describe('readProperties', () => {
  test('reads all properties, none, and each of them alone', () => {
    expect(given(read(ALL))).toEqual(ALL);
    expect(given(read({}))).toEqual({});
    for (const [name, value] of Object.entries(ALL)) expect(given(read({ [name]: value }))).toEqual({ [name]: value });
  });

  test('keeps the digits of a timestamp', () => {
    const frame = contentHeaderFrame(1, 0, { timestamp: 5 });
    frame.writeBigUInt64BE(2n ** 64n - 1n, BEFORE_FLAGS + 2);
    expect(readProperties(frame, BEFORE_FLAGS).timestamp).toBe(2n ** 64n - 1n);
  });

  test('malformed properties have a fault, and nothing else', () => {
    const frame = contentHeaderFrame(1, 0, ALL).subarray(0, -1);
    for (let length = BEFORE_FLAGS; length < frame.length; length++) {
      const properties = readProperties(frame.subarray(0, length), BEFORE_FLAGS);
      expect(given(properties)).toEqual({ fault: expect.stringMatching(/^end before the end of a/) });
      expect(faultOf({ properties: properties })).toBe(properties.fault);
    }
  });

  test('changed bytes never throw', () => {
    const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(edits, (changes) => {
        const bytes = Buffer.from(contentHeaderFrame(1, 0, { ...ALL, headers: { a: { b: [1, 'c', null] } } }));
        for (const [place, byte] of changes) {
          bytes[BEFORE_FLAGS + (place % (bytes.length - BEFORE_FLAGS))] = byte;
        }
        readProperties(bytes, BEFORE_FLAGS);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('readContentHeaders', () => {
  /** A connection of amqplib that has received these bytes. `amqplib` stands for each frame that amqplib would read. */
  function receiving(bytes: Buffer) {
    const receiver = { rest: bytes, recvFrame: (): unknown => 'amqplib' };
    readContentHeaders({ connection: receiver } as unknown as ChannelModel);
    return receiver;
  }

  test('takes one content header after the other, with channel and size', () => {
    const frames = [contentHeaderFrame(7, 5, { type: 'a' }), contentHeaderFrame(65_535, 2 ** 40, {})];
    const receiver = receiving(Buffer.concat([...frames, Buffer.from([3])]));
    expect(receiver.recvFrame()).toMatchObject({ id: 60, channel: 7, size: 5, fields: { type: 'a' } });
    expect(receiver.recvFrame()).toMatchObject({ id: 60, channel: 65_535, size: 2 ** 40 });
    expect(receiver.rest).toEqual(Buffer.from([3]));
    expect(receiver.recvFrame()).toBe('amqplib');
  });

  test('leaves incomplete and broken frames to amqplib', () => {
    const frame = contentHeaderFrame(1, 0, ALL);
    for (let length = 0; length < frame.length; length++) {
      expect(receiving(frame.subarray(0, length)).recvFrame()).toBe('amqplib');
    }
    const [withoutEnd, ofAnotherClass] = [Buffer.from(frame), Buffer.from(frame)];
    withoutEnd[frame.length - 1] = 0;
    ofAnotherClass[8] = 61;
    for (const broken of [withoutEnd, ofAnotherClass]) expect(receiving(broken).recvFrame()).toBe('amqplib');
  });

  test('a malformed table is the fault of its message', () => {
    const frame = contentHeaderFrame(1, 3, { headers: { a: 'b' } });
    frame[BEFORE_FLAGS + 8] = 0x5a;
    const receiver = receiving(frame);
    const { size, fields } = receiver.recvFrame() as { size: number; fields: { fault?: string } };
    expect([size, fields.fault]).toEqual([3, 'have a value of the unknown type "Z"']);
    expect(receiver.rest).toHaveLength(0);
  });
});
