/** amqplib's own encoder and decoder of tables, which its package does not export. */
import { createRequire } from 'node:module';
import path from 'node:path';

interface Codec {
  encodeTable(buffer: Buffer, table: object, offset: number): number;
  decodeFields(fields: Buffer): Record<string, unknown>;
}

interface Definitions {
  encodeProperties(classId: number, channel: number, bodySize: number, properties: object): Buffer;
}

const amqplib = path.dirname(createRequire(__filename).resolve('amqplib'));
/* eslint-disable @typescript-eslint/no-require-imports */
export const codec = require(path.join(amqplib, 'lib/codec.js')) as Codec;
const definitions = require(path.join(amqplib, 'lib/defs.js')) as Definitions;
/* eslint-enable @typescript-eslint/no-require-imports */

export function encodedTable(table: object): Buffer {
  const buffer = Buffer.alloc(200_000);
  return Buffer.from(buffer.subarray(0, codec.encodeTable(buffer, table, 0)));
}

/** A whole frame of class basic. */
export function contentHeaderFrame(channel: number, bodySize: number, properties: object): Buffer {
  return definitions.encodeProperties(60, channel, bodySize, properties);
}
