/** @stomp/stompjs as documented for Node, with WebSocket as a global, and promises around its callbacks. */
import { randomUUID } from 'node:crypto';
import { Client } from '@stomp/stompjs';
import type { IFrame, IMessage, StompConfig, StompHeaders } from '@stomp/stompjs';
import { WebSocket } from 'ws';
import { Inbox } from '../../../server/src/contract/test-inbox.js';
import { withDeadline } from '../../support/deadline.js';

Object.assign(global, { WebSocket });

const WAIT_MS = 10_000;

export interface TestClient {
  readonly client: Client;
  /** The CONNECTED frame of each connection. */
  readonly connections: Inbox<IFrame>;
  readonly errors: Inbox<IFrame>;
  readonly closes: Inbox<{ readonly code: number }>;
  /** Frames without a registered callback. */
  readonly unhandled: Inbox<IFrame>;
  /** Its debug output. */
  readonly debug: string[];
  /** Subscribes, and resolves when the subscription is live. */
  readonly subscribe: (destination: string, headers?: StompHeaders) => Promise<Inbox<IMessage>>;
  /** Calls `send` with a receipt id and resolves with its RECEIPT. */
  readonly receipt: (send: (receipt: string) => void) => Promise<IFrame>;
}

/** Connects a client; `config` overrides its defaults. */
export async function startClient(brokerURL: string, config: StompConfig = {}): Promise<TestClient> {
  const connections = new Inbox<IFrame>('CONNECTED');
  const errors = new Inbox<IFrame>('ERROR');
  const closes = new Inbox<{ code: number }>('close');
  const unhandled = new Inbox<IFrame>('unhandled frame');
  const debug: string[] = [];
  const client = new Client({
    brokerURL,
    reconnectDelay: 0,
    debug: (line) => void debug.push(line),
    onConnect: connections.add,
    onStompError: errors.add,
    onWebSocketClose: (event: { code: number }) => closes.add({ code: event.code }),
    onUnhandledMessage: unhandled.add,
    onUnhandledReceipt: unhandled.add,
    onUnhandledFrame: unhandled.add,
    ...config,
  });
  client.activate();
  await connections.next();

  const receipt = (send: (receipt: string) => void): Promise<IFrame> => {
    const id = randomUUID();
    const answer = new Promise<IFrame>((resolve) => client.watchForReceipt(id, resolve));
    send(id);
    return withDeadline(answer, WAIT_MS, () => `no RECEIPT; errors: ${errors.all.map((frame) => frame.body).join()}`);
  };
  return {
    client,
    connections,
    errors,
    closes,
    unhandled,
    debug,
    receipt,
    async subscribe(destination, headers = {}) {
      const messages = new Inbox<IMessage>(destination);
      await receipt((id) => client.subscribe(destination, messages.add, { ...headers, receipt: id }));
      return messages;
    },
  };
}
