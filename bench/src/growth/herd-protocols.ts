/** How the clients of a herd return with a position, by protocol, and how a publisher gets its confirmation. */
import type { ProtocolName } from '../generator/load.js';
import { PROTOCOLS } from '../generator/protocols.js';
import type { Protocol } from '../generator/protocols.js';

/** The answer to a subscription with a position. */
export interface HerdVerdict {
  readonly position: string;
  /** `true`, the reason why not, or empty if the client had no position. */
  readonly recovered: string;
}

/** All on the topic 0. */
export interface HerdProtocol extends Protocol {
  /** A subscription from a position, or from `now`. */
  readonly subscribe: (since: string) => Buffer;
  /** Reads the answer to a subscription; undefined for other messages. */
  readonly readVerdict: (message: Buffer) => HerdVerdict | undefined;
  /** Like `publish`, and the server confirms it and all before it. */
  readonly publishLast: (body: Buffer) => Buffer;
  readonly isConfirmation: (message: Buffer) => boolean;
}

const stomp: HerdProtocol = {
  ...PROTOCOLS.stomp,
  subscribe: (since) =>
    Buffer.from(`SUBSCRIBE\nid:sub-0\ndestination:/topic/b0\nrelay-since:${since}\nreceipt:r0\n\n\0`, 'latin1'),
  readVerdict: (message) => {
    const frame = message.toString('latin1');
    if (!frame.startsWith('RECEIPT\n')) return undefined;
    const header = (name: string): string => new RegExp(`^${name}:(.*)$`, 'm').exec(frame)?.[1] ?? '';
    const recovered = header('relay-recovered');
    return {
      position: header('relay-position'),
      recovered: recovered === 'false' ? header('relay-reason') : recovered,
    };
  },
  publishLast: (body) => {
    const head = `SEND\ndestination:/topic/b0\nreceipt:r0\ncontent-length:${body.length}\n\n`;
    return Buffer.concat([Buffer.from(head), body, Buffer.from('\0')]);
  },
  isConfirmation: (message) => message.toString('latin1', 0, 7) === 'RECEIPT',
};

const HEAD_BYTES = 100;
const SUBSCRIBED = '{"id":2,"subscribe":';

/** A position is an offset and an epoch: `17@pUcUzbpP`. The answer to a subscription contains the missed messages. */
const centrifugo: HerdProtocol = {
  ...PROTOCOLS.centrifugo,
  subscribe: (since) => {
    const [offset, epoch] = since.split('@');
    const from = epoch === undefined ? {} : { recover: true, offset: Number(offset), epoch };
    return Buffer.from(JSON.stringify({ id: 2, subscribe: { channel: 'b0', recoverable: true, ...from } }));
  },
  readVerdict: (message) => {
    if (message.toString('latin1', 0, SUBSCRIBED.length) !== SUBSCRIBED) return undefined;
    const end = message.indexOf('\n');
    const reply = message.subarray(0, end < 0 ? message.length : end);
    // without parsing the missed messages, which stand between the epoch and the verdict
    const head = reply.toString('latin1', 0, HEAD_BYTES);
    const tail = reply.toString('latin1', reply.lastIndexOf(']') + 1);
    const epoch = /"epoch":"([^"]*)"/.exec(head)?.[1];
    // of the last message, or of the channel if none is missing; 0 is left out
    const offsetAt = reply.lastIndexOf('"offset":');
    const offset = offsetAt < 0 ? '0' : /\d+/.exec(reply.toString('latin1', offsetAt))?.[0];
    const hadPosition = tail.includes('"was_recovering":true');
    const recovered = tail.includes('"recovered":true') ? 'true' : hadPosition ? 'not recovered' : '';
    return { position: epoch === undefined ? '' : `${offset}@${epoch}`, recovered };
  },
  publishLast: (body) =>
    Buffer.concat([Buffer.from('{"id":4,"publish":{"channel":"b0","data":"'), body, Buffer.from('"}}')]),
  isConfirmation: (message) => message.includes('{"id":4,"publish":') && !message.includes('"error"'),
};

export function herdProtocol(name: ProtocolName): HerdProtocol {
  if (name === 'stomp') return stomp;
  if (name === 'centrifugo') return centrifugo;
  throw new Error(`clients of ${name} cannot return with a position`);
}
