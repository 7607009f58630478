/** A cluster for a test file, and relays and clients for each test. Import it once: it registers the hooks. */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll } from '@jest/globals';
import { createClient } from 'stomp-relay-client';
import type { Client } from 'stomp-relay-client';
import { WebSocket } from 'ws';
import type { ConfigInput } from '../../server/src/index.js';
import { eventually } from '../support/deadline.js';
import { startCluster } from '../support/rabbitmq-cluster.js';
import type { Cluster, ClusterVhost } from '../support/rabbitmq-cluster.js';
import type { PrivateNode } from '../support/rabbitmq-node.js';
import { startRelay } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';

/** A node starts in 10 to 20 s on two cores. */
export const RESTART_MS = 120_000;

export interface ClusterStage {
  readonly nodes: readonly [PrivateNode, PrivateNode, PrivateNode];
  readonly vhost: ClusterVhost;
  /** A relay with the addresses of these nodes. */
  relay(nodes: readonly number[], rabbitmq?: ConfigInput['rabbitmq']): Promise<TestRelay>;
  connect(relay: TestRelay, headers?: Record<string, string>): Promise<StompClient>;
  sdk(relay: TestRelay): Client;
}

export function stageCluster(): ClusterStage {
  let cluster: Cluster;
  let vhost: ClusterVhost;
  const relays: TestRelay[] = [];
  const clients: StompClient[] = [];
  const sdks: Client[] = [];
  beforeAll(async () => {
    const run = process.env['RELAY_TEST_RUN'] ?? `relay-test-${randomBytes(4).toString('hex')}`;
    cluster = await startCluster(run, 3, (line) => void process.stderr.write(`cluster: ${line}\n`));
    vhost = await cluster.createVhost();
  }, 400_000);
  afterAll(() => cluster.stop(), 60_000);
  afterEach(async () => {
    await Promise.all(sdks.splice(0).map((client) => client.close()));
    for (const client of clients.splice(0)) client.destroy();
    await Promise.all(relays.splice(0).map((relay) => relay.stop()));
  }, 60_000);
  return {
    get nodes() {
      return cluster.nodes as unknown as ClusterStage['nodes'];
    },
    get vhost() {
      return vhost;
    },
    async relay(nodes, rabbitmq = {}) {
      const urls = nodes.map((node) => vhost.amqpUrls[node]!);
      const relay = await startRelay(urls.join(','), { rabbitmq: { connectTimeoutMs: 2_000, ...rabbitmq } });
      relays.push(relay);
      return relay;
    },
    async connect(relay, headers = {}) {
      const client = await connectStomp(relay.tcpUrl, { 'heart-beat': '0,0', ...headers });
      clients.push(client);
      return client;
    },
    sdk(relay) {
      const client = createClient({
        url: relay.webSocketUrl,
        createWebSocket: (target, protocols) => new WebSocket(target, protocols),
        onError: () => undefined,
      });
      sdks.push(client);
      return client;
    },
  };
}

/** Resolves when the client has received a frame with these headers, which it does not take. */
export function hasReceived(client: StompClient, headers: Record<string, string>, ms = RESTART_MS): Promise<true> {
  const isThere = () =>
    client.received().some((frame) => Object.entries(headers).every(([name, value]) => frame.headers[name] === value));
  return eventually(
    () => (isThere() ? true : undefined),
    ms,
    () => `no frame with ${JSON.stringify(headers)}`,
  );
}
