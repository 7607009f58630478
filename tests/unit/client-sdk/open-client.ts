/** Clients on relays in memory. They are closed after each test. */
import { afterEach } from '@jest/globals';
import { createClient } from '../../../client-sdk/src/core/index.js';
import type { Client, ClientOptions, ConnectionState } from '../../../client-sdk/src/core/index.js';
import { FakeRelay } from './fake-relay.js';

const clients: Client[] = [];
const relays: FakeRelay[] = [];
afterEach(async () => {
  const closing = clients.splice(0).map((client) => client.close());
  for (const relay of relays.splice(0)) for (const socket of relay.sockets) socket.end(1006);
  await Promise.all(closing);
});

/** Reconnects 1 or 2 ms after a loss, unless the options differ. */
export function open(options: Partial<ClientOptions> = {}) {
  const relay = new FakeRelay();
  const client = createClient({
    url: 'ws://relay/ws',
    createWebSocket: relay.createWebSocket,
    reconnectMinMs: 1,
    reconnectMaxMs: 2,
    ...options,
  });
  clients.push(client);
  relays.push(relay);
  const states: ConnectionState['name'][] = [];
  client.onState(({ name }) => states.push(name));
  return { client, relay, states };
}

/** `connected`: headers of CONNECTED. */
export async function openConnected(options: Partial<ClientOptions> = {}, connected: Record<string, string> = {}) {
  const opened = open(options);
  const connecting = opened.client.connect();
  const socket = await opened.relay.socket(0);
  const connect = await socket.connect(connected);
  await connecting;
  return { ...opened, socket, connect };
}

/** Resolves with the next state of this name. */
export function nextState<N extends ConnectionState['name']>(
  client: Client,
  name: N,
): Promise<Extract<ConnectionState, { name: N }>> {
  return new Promise((resolve) => {
    const off = client.onState((state) => {
      if (state.name !== name) return;
      off();
      resolve(state as Extract<ConnectionState, { name: N }>);
    });
  });
}

/** Resolves when everything is done that needs neither timers nor the network. */
export function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(() => setImmediate(resolve)));
}
