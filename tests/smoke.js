// A short look at the built relay, under the Node that runs this: `npm run test:node` calls it for each supported version.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';

const CLI = path.resolve(import.meta.dirname, '../server/dist/cli.js');
const DEADLINE_MS = 30_000;

const deadline = setTimeout(() => {
  console.error(`no end after ${DEADLINE_MS} ms`);
  relay.kill('SIGKILL');
  process.exit(1);
}, DEADLINE_MS);

const relay = spawn(process.execPath, [CLI, '--port', '0', '--admin-port', '0'], {
  stdio: ['ignore', 'pipe', 'inherit'],
  env: { ...process.env, RELAY_LOG_LEVEL: 'warn' },
});

/** The addresses that the relay prints, by kind. */
async function listeners() {
  let printed = '';
  for await (const chunk of relay.stdout) {
    printed += chunk;
    const found = [...printed.matchAll(/^listening +(\w+) +(\S+)$/gm)].map(([, kind, url]) => [kind, url]);
    const urls = Object.fromEntries(found);
    if (urls.page && urls.websocket && urls.admin) return urls;
  }
  throw new Error(`the relay ended: ${printed}`);
}

const { page, websocket, admin } = await listeners();
assert.match(await (await fetch(page)).text(), /<!doctype html>/i);
assert.equal((await fetch(`${admin}readyz`)).status, 200);

const client = new Client({ webSocketFactory: () => new WebSocket(websocket), reconnectDelay: 0 });
const connected = new Promise((resolve) => (client.onConnect = resolve));
client.activate();
await connected;
const received = [];
let onMessage = () => undefined;
const subscribed = new Promise((resolve) => client.watchForReceipt('s', resolve));
client.subscribe('/topic/smoke', ({ body }) => onMessage(received.push(body)), { id: 's', receipt: 's' });
await subscribed;

const both = new Promise((resolve) => (onMessage = (count) => count === 2 && resolve()));
client.publish({ destination: '/topic/smoke', body: 'over STOMP, Zoë' });
const response = await fetch(new URL('/api/messages', page), {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ destination: '/topic/smoke', body: 'over HTTP' }),
});
assert.equal(response.status, 200);
await both;
assert.deepEqual(received.sort(), ['over HTTP', 'over STOMP, Zoë']);

await client.deactivate();
relay.kill('SIGTERM');
const [status] = await once(relay, 'exit');
assert.equal(status, 0);
clearTimeout(deadline);
