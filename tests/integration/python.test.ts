/** Checks stomp.py, which other tests use, against another server: RabbitMQ's own STOMP plugins. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { pythonWithStomp, runPython } from '../support/python.js';
import { createVhost, rabbitmq } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';

const PROGRAM = `
import queue, sys, stomp
kind, host, port, vhost = sys.argv[1:]
got = queue.Queue()
class Listener(stomp.ConnectionListener):
    def on_message(self, frame): got.put(frame.body)
    def on_error(self, frame): got.put('ERROR ' + frame.body)
if kind == 'websocket':
    connection = stomp.WSStompConnection([(host, int(port))], vhost=vhost, ws_path='/ws')
else:
    connection = stomp.Connection12([(host, int(port))], vhost=vhost)
connection.set_listener('', Listener())
connection.connect('guest', 'guest', wait=True)
connection.subscribe('/queue/python', id='1')
connection.send('/queue/python', 'hello from ' + kind)
print(got.get(timeout=10))
connection.disconnect()
`;

let vhost: Vhost;
beforeAll(async () => {
  vhost = await createVhost();
  await pythonWithStomp();
}, 600_000);
afterAll(() => vhost.delete());

test.each(['websocket', 'tcp'])(
  'stomp.py sends and receives over %s',
  async (kind) => {
    const { hostname } = new URL(rabbitmq().amqpUrl);
    const port = kind === 'tcp' ? String(rabbitmq().stompPort) : new URL(rabbitmq().webStompUrl).port;
    expect(await runPython(PROGRAM, [kind, hostname, port, vhost.name])).toBe(`hello from ${kind}\n`);
  },
  60_000,
);
