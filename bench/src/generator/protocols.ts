/**
 * The messages of each protocol for log-in, subscription and publishing, as text or prepared bytes. The connection adds
 * the WebSocket frames.
 */
import type { ProtocolName } from './load.js';

export interface Subscriber {
  readonly index: number;
  readonly topic: number;
  readonly isPublisher: boolean;
}

export type Answer =
  { readonly send: Buffer; readonly isReady?: boolean } | 'ready' | 'wait' | { readonly failed: string };

export interface Protocol {
  readonly subprotocol: string;
  /** Bytes of a message after its body; a first guess at the place of the mark. */
  readonly tailBytes: number;
  /** WebSocket: whether messages are sent as binary. */
  readonly isBinary: boolean;
  /** WebSocket: whether messages may span frames. */
  readonly isStream?: boolean;
  /** The first message, if the client sends it. */
  readonly hello: (role: Subscriber) => Buffer | undefined;
  /** Answers a message of the server before the session is ready. `step` is the number of messages sent so far. */
  readonly setUp: (message: Buffer, role: Subscriber, step: number) => Answer;
  /** A message that contains the body unchanged. */
  readonly publish: (topic: number, body: Buffer) => Buffer;
  /** Handles anything but a delivery on a ready session: returns the answer as a buffer, or a problem as a string. */
  readonly other: (message: Buffer) => Buffer | string | undefined;
  /** If a delivery may share its message with anything else: reads the message too, and returns the answer. */
  readonly beside?: (message: Buffer) => Buffer | undefined;
  /** Sent every ten seconds. */
  readonly heartBeat?: Buffer;
}

const text = (value: string): Buffer => Buffer.from(value, 'latin1');
const begins = (message: Buffer, start: string): boolean => message.toString('latin1', 0, start.length) === start;
const excerpt = (message: Buffer): string => JSON.stringify(message.toString('latin1', 0, 120));

const stomp: Protocol = {
  subprotocol: 'v12.stomp',
  tailBytes: 1,
  isBinary: false,
  hello: () => text('CONNECT\naccept-version:1.2\nhost:/\nlogin:guest\npasscode:guest\nheart-beat:10000,10000\n\n\0'),
  setUp: (message, { isPublisher, topic }, step) => {
    if (message.length === 0 || message[0] === 10) return 'wait';
    if (begins(message, 'ERROR')) return { failed: excerpt(message) };
    if (step > 1) return begins(message, 'RECEIPT') ? 'ready' : 'wait';
    if (!begins(message, 'CONNECTED')) return { failed: `no CONNECTED but ${excerpt(message)}` };
    if (isPublisher) return 'ready';
    return { send: text(`SUBSCRIBE\nid:sub-0\ndestination:/topic/b${topic}\nack:auto\nreceipt:r0\n\n\0`) };
  },
  publish: (topic, body) =>
    Buffer.concat([text(`SEND\ndestination:/topic/b${topic}\ncontent-length:${body.length}\n\n`), body, text('\0')]),
  other: (message) => (message.length === 0 || message[0] === 10 ? undefined : excerpt(message)),
  heartBeat: text('\n'),
};

/** For servers that do not confirm subscriptions: a subscription counts as soon as it is sent. */
const unconfirmed: Protocol = {
  ...stomp,
  setUp: (message, role, step) => {
    const answer = stomp.setUp(message, role, step);
    return typeof answer === 'object' && 'send' in answer ? { ...answer, isReady: true } : answer;
  },
};

/** The bare servers: they answer `SUB <topic>` with OK, and a message is only a body. */
const raw: Protocol = {
  subprotocol: '',
  tailBytes: 0,
  isBinary: true,
  hello: ({ topic, isPublisher }) => text(isPublisher ? 'PUB' : `SUB ${topic}`),
  setUp: (message) => (begins(message, 'OK') ? 'ready' : { failed: excerpt(message) }),
  publish: (_topic, body) => body,
  other: excerpt,
};

/**
 * socket.io 5 on engine.io 4, over WebSocket only; the events `sub`, `pub` and `m` are those of servers/socket-io.js.
 */
const socketio: Protocol = {
  subprotocol: '',
  tailBytes: 2,
  isBinary: false,
  hello: () => undefined,
  setUp: (message, { isPublisher, topic }) => {
    if (begins(message, '0')) return { send: text('40') };
    if (begins(message, '40')) return isPublisher ? 'ready' : { send: text(`420["sub","b${topic}"]`) };
    return begins(message, '430') ? 'ready' : { failed: excerpt(message) };
  },
  publish: (topic, body) => Buffer.concat([text(`42["pub","b${topic}","`), body, text('"]')]),
  other: (message) => (message.toString('latin1') === '2' ? text('3') : excerpt(message)),
};

/** MQTT 3.1.1, QoS 0. */
const mqtt: Protocol = {
  subprotocol: 'mqtt',
  tailBytes: 0,
  isBinary: true,
  hello: ({ index, isPublisher }) => {
    const id = text(`${isPublisher ? 'p' : 's'}${process.pid}-${index}`);
    return packet(0x10, text('\0\x04MQTT\x04\x02\0\0'), lengthed(id));
  },
  setUp: (message, { isPublisher, topic }) => {
    if (message[0] === 0x20 && message[3] === 0)
      return isPublisher ? 'ready' : { send: packet(0x82, text('\0\x01'), lengthed(text(`b/${topic}`)), text('\0')) };
    return message[0] === 0x90 ? 'ready' : { failed: message.toString('hex', 0, 20) };
  },
  publish: (topic, body) => packet(0x30, lengthed(text(`b/${topic}`)), body),
  other: (message) => message.toString('hex', 0, 20),
};

const nats: Protocol = {
  isStream: true,
  subprotocol: '',
  tailBytes: 2,
  isBinary: true,
  hello: () => undefined,
  setUp: (message, { isPublisher, topic }, step) => {
    if (begins(message, '-ERR')) return { failed: excerpt(message) };
    if (begins(message, 'INFO'))
      return { send: text('CONNECT {"verbose":false,"pedantic":false,"lang":"bench"}\r\nPING\r\n') };
    if (begins(message, 'PING')) return { send: text('PONG\r\n') };
    if (!message.includes('PONG')) return 'wait';
    return isPublisher || step > 1 ? 'ready' : { send: text(`SUB b.${topic} 1\r\nPING\r\n`) };
  },
  publish: (topic, body) => Buffer.concat([text(`PUB b.${topic} ${body.length}\r\n`), body, text('\r\n')]),
  other: (message) => (begins(message, 'PING') ? text('PONG\r\n') : excerpt(message)),
};

const PING = text('{}');
const PING_LINE = text('\n{}\n');
const PUBLISHER_ID_BYTES = 36;

/** Of Centrifugo, as JSON. A frame has one line for each message; the line `{}` is a ping, and also its answer. */
const centrifugo: Protocol = {
  subprotocol: '',
  tailBytes: '","info":{"user":"","client":"'.length + PUBLISHER_ID_BYTES + '"}}}}'.length,
  isBinary: false,
  hello: () => text('{"id":1,"connect":{}}'),
  setUp: (message, { isPublisher, topic }) => {
    if (begins(message, '{}')) return { send: PING };
    if (begins(message, '{"id":1,"connect":'))
      return isPublisher ? 'ready' : { send: text(`{"id":2,"subscribe":{"channel":"b${topic}"}}`) };
    return begins(message, '{"id":2,"subscribe":') ? 'ready' : { failed: excerpt(message) };
  },
  publish: (topic, body) =>
    Buffer.concat([text(`{"id":3,"publish":{"channel":"b${topic}","data":"`), body, text('"}}')]),
  other: (message) => {
    const isKnown = begins(message, '{"id":3,"publish":') || begins(message, '{}');
    return isKnown && !message.includes('"error"') ? centrifugo.beside?.(message) : excerpt(message);
  },
  beside: (message) => (hasPing(message) ? PING : undefined),
};

export const PROTOCOLS: Readonly<Record<ProtocolName, Protocol>> = {
  stomp,
  'stomp-unconfirmed': unconfirmed,
  raw,
  socketio,
  mqtt,
  nats,
  centrifugo,
};

/** The first and the last line are checked first: a frame with one delivery has no others. */
function hasPing(lines: Buffer): boolean {
  return lines[1] === 0x7d || lines[lines.length - 2] === 0x7b || lines.includes(PING_LINE);
}

function packet(type: number, ...parts: Buffer[]): Buffer {
  const rest = Buffer.concat(parts);
  const head = [type];
  for (let left = rest.length; ; left >>= 7) {
    head.push((left & 127) | (left > 127 ? 128 : 0));
    if (left <= 127) break;
  }
  return Buffer.concat([Buffer.from(head), rest]);
}

function lengthed(value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([value.length >> 8, value.length & 255]), value]);
}
