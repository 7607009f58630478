/** A relay in this process, on free loopback ports, for tests that connect over WebSocket and TCP. */
import { createRelay } from '../../server/src/index.js';
import type { ConfigInput, Relay, RelayHooks } from '../../server/src/index.js';
import { createVhost } from './rabbitmq.js';

export interface TestRelay {
  readonly webSocketUrl: string;
  readonly tcpUrl: string;
  /** The address of the demo page. */
  readonly pageUrl: string;
  /** The address of `/livez`, `/readyz` and `/metrics`. */
  readonly adminUrl: string;
  /** The relay as the library returns it. */
  readonly library: Relay;
  stop(): Promise<void>;
}

/** For `describe.each`: the brokers, and the two transports. */
export const BROKERS = ['memory', 'rabbitmq'] as const;
export const TRANSPORTS = ['webSocketUrl', 'tcpUrl'] as const;

/** A private broker: the embedded one of each relay, or a vhost that several relays can share. */
export interface TestBroker {
  readonly url: string;
  delete(): Promise<void>;
}

export async function createBroker(kind: (typeof BROKERS)[number]): Promise<TestBroker> {
  if (kind === 'memory') return { url: 'memory:', delete: () => Promise.resolve() };
  const vhost = await createVhost();
  return { url: vhost.amqpUrl, delete: () => vhost.delete() };
}

/** `options` override those of a test relay: free ports, both transports, no log. */
export async function startRelay(
  brokerUrl = 'memory:',
  options: ConfigInput = {},
  hooks: RelayHooks = {},
): Promise<TestRelay> {
  const relay = createRelay(
    {
      log: { level: 'silent' },
      ...options,
      broker: brokerUrl,
      listen: { host: '127.0.0.1', port: 0, tcpPort: 0, adminPort: 0, ...options.listen },
    },
    hooks,
  );
  const listening = await relay.start();
  const urlOf = (kind: (typeof listening)[number]['kind']) => listening.find((each) => each.kind === kind)?.url ?? '';
  return {
    webSocketUrl: urlOf('websocket'),
    tcpUrl: urlOf('tcp'),
    pageUrl: urlOf('page'),
    adminUrl: urlOf('admin'),
    library: relay,
    stop: () => relay.stop(),
  };
}
