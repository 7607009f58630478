/** socket.io with its Redis adapter. Arguments: port, port of Redis. */
import { createServer } from 'node:http';
import { createAdapter } from '@socket.io/redis-adapter';
import { createClient } from 'redis';
import { Server } from 'socket.io';

const publisher = createClient({ url: `redis://127.0.0.1:${process.argv[3]}` });
const subscriber = publisher.duplicate();
await Promise.all([publisher.connect(), subscriber.connect()]);

const http = createServer();
const io = new Server(http, { transports: ['websocket'], adapter: createAdapter(publisher, subscriber) });
io.on('connection', (socket) => {
  socket.on('sub', (room, ack) => {
    void socket.join(room);
    ack();
  });
  socket.on('pub', (room, body) => io.to(room).emit('m', body));
});
http.listen(Number(process.argv[2]), '127.0.0.1');
