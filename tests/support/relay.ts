/** A relay in this process, on free ports of loopback, for tests that come from outside over WebSocket and TCP. */
import { createRelay, type ConfigInput, type Relay, type RelayHooks } from '../../server/src/index.js';
import { createVhost } from './rabbitmq.js';

export interface TestRelay {
  readonly webSocketUrl: string;
  readonly tcpUrl: string;
  /** Where the demo page is. */
  readonly pageUrl: string;
  /** Where `/livez`, `/readyz` and `/metrics` are. */
  readonly adminUrl: string;
  /** As a program has it. */
  readonly library: Relay;
  stop(): Promise<void>;
}

/** For `describe.each`: what a relay can have behind it, and the two ways in. */
export const BROKERS = ['memory', 'rabbitmq'] as const;
export const TRANSPORTS = ['webSocketUrl', 'tcpUrl'] as const;

/** A broker of one's own: the embedded one of each relay, or a vhost that several relays can share. */
export interface TestBroker {
  readonly url: string;
  delete(): Promise<void>;
}

export async function createBroker(kind: (typeof BROKERS)[number]): Promise<TestBroker> {
  if (kind === 'memory') return { url: 'memory:', delete: () => Promise.resolve() };
  const vhost = await createVhost();
  return { url: vhost.amqpUrl, delete: () => vhost.delete() };
}

/** `options` go over those of a test relay: free ports, both transports, no log. */
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
