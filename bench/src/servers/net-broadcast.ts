/**
 * A minimal Node server: no library, no checks, one prepared frame written to every socket. It implements only the part
 * of WebSocket that the generator uses. Argument: port.
 */
import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';

const topics = new Map<number, Set<Socket>>();
const OK = Buffer.from('\x82\x02OK', 'latin1');

createServer({ noDelay: true }, (socket) => {
  let joined: Set<Socket> | undefined;
  let rest = Buffer.alloc(0);
  let isOpen = false;

  socket.on('data', (data) => {
    if (!isOpen) {
      isOpen = true;
      return upgrade(socket, data.toString('latin1'));
    }
    rest = rest.length > 0 ? Buffer.concat([rest, data]) : data;
    for (let frame = first(rest); frame; frame = first(rest)) {
      rest = rest.subarray(frame.end);
      message(frame.payload);
    }
  });
  socket.on('close', () => joined?.delete(socket));
  socket.on('error', () => socket.destroy());

  function message(payload: Buffer): void {
    if (payload[0] === 0x7e) return broadcast(payload);
    const [verb, topic] = payload.toString('latin1').split(' ');
    if (verb === 'SUB') {
      joined = topics.get(Number(topic)) ?? new Set();
      topics.set(Number(topic), joined.add(socket));
    }
    socket.write(OK);
  }
}).listen(Number(process.argv[2]), '127.0.0.1');

function upgrade(socket: Socket, request: string): void {
  const key = /^sec-websocket-key: *(\S+)/im.exec(request)?.[1] ?? '';
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
}

/** Returns the first frame. The generator masks with zeros, so the payload is plain, and sends less than 64 KiB. */
function first(bytes: Buffer): { payload: Buffer; end: number } | undefined {
  if (bytes.length < 6) return undefined;
  const short = (bytes[1] ?? 0) & 127;
  const from = short < 126 ? 6 : 8;
  const end = from + (short < 126 ? short : bytes.readUInt16BE(2));
  return bytes.length < end ? undefined : { payload: bytes.subarray(from, end), end };
}

function broadcast(payload: Buffer): void {
  const head = payload.length < 126 ? [0x82, payload.length] : [0x82, 126, payload.length >> 8, payload.length & 255];
  const frame = Buffer.concat([Buffer.from(head), payload]);
  for (const member of topics.get(parseInt(payload.toString('latin1', 4, 10), 16)) ?? []) member.write(frame);
}
