/**
 * A minimal server on `ws`: `SUB <topic>` subscribes; a message with a mark goes to its subscribers. Argument: port.
 */
import { WebSocketServer } from 'ws';
import type { WebSocket } from 'ws';

const topics = new Map<number, Set<WebSocket>>();
const server = new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2]), perMessageDeflate: false });

server.on('connection', (socket) => {
  let joined: Set<WebSocket> | undefined;
  socket.on('message', (data: Buffer) => {
    if (data[0] === 0x7e) {
      for (const member of topics.get(parseInt(data.toString('latin1', 4, 10), 16)) ?? [])
        member.send(data, { binary: true });
      return;
    }
    const [verb, topic] = data.toString('latin1').split(' ');
    if (verb === 'SUB') {
      joined = topics.get(Number(topic)) ?? new Set();
      topics.set(Number(topic), joined.add(socket));
    }
    socket.send('OK');
  });
  socket.on('close', () => joined?.delete(socket));
  socket.on('error', () => socket.terminate());
});
