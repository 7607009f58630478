/**
 * A RabbitMQ cluster on this machine, from the `rabbitmq-server` on the PATH. Its nodes are private nodes
 * (rabbitmq-node.ts) that share a cookie and an epmd. Each can be killed, frozen and started again by itself.
 */
import { randomBytes } from 'node:crypto';
import { freePorts } from './free-ports.js';
import { callManagement } from './rabbitmq-api.js';
import { findServer, startPrivateNode } from './rabbitmq-node.js';
import type { PrivateNode } from './rabbitmq-node.js';

export interface Cluster {
  readonly nodes: readonly PrivateNode[];
  /** The addresses of all nodes, for `--broker`. */
  readonly amqpUrls: readonly string[];
  readonly version: string;
  /** Deletes a vhost on all nodes, with its queues and connections, after the test that made it. */
  createVhost(): Promise<ClusterVhost>;
  /** Ends all nodes and removes their files. */
  stop(): Promise<void>;
}

export interface ClusterVhost {
  /** The address of this vhost at each node. */
  readonly amqpUrls: readonly string[];
  /** The API of any node that is up: `api(node, 'GET', 'queues')`. */
  api(node: PrivateNode, method: string, path: string, body?: unknown): Promise<unknown>;
}

/** Starts `count` nodes and joins them. It takes about half a minute. `run` is the prefix of their ids. */
export async function startCluster(run: string, count: number, report: (line: string) => void): Promise<Cluster> {
  const server = findServer();
  if (server === undefined) throw new Error('A cluster needs a rabbitmq-server on the PATH.');
  const [epmd] = (await freePorts(1)) as [number];
  const cluster = { epmd, cookie: randomBytes(16).toString('hex') };
  const started = await Promise.allSettled(
    Array.from({ length: count }, () => startPrivateNode(server, run, report, { cluster })),
  );
  const nodes = started.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
  const stop = async (): Promise<void> => void (await Promise.all(nodes.map((node) => node.stop())));
  try {
    const failed = started.find(({ status }) => status === 'rejected');
    if (failed) throw (failed as PromiseRejectedResult).reason;
    const [first, ...others] = nodes as [PrivateNode, ...PrivateNode[]];
    for (const node of others) await join(node, first);
    const amqpUrls = nodes.map(({ amqpUrl }) => amqpUrl);
    return { nodes, amqpUrls, version: first.version, createVhost: () => createVhost(nodes), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function join(node: PrivateNode, first: PrivateNode): Promise<void> {
  await node.ctl('stop_app');
  await node.ctl('reset');
  await node.ctl('join_cluster', first.nodeName);
  await node.ctl('start_app');
}

async function createVhost(nodes: readonly PrivateNode[]): Promise<ClusterVhost> {
  const name = `v-${randomBytes(4).toString('hex')}`;
  const [first] = nodes as [PrivateNode];
  await callManagement(first, 'PUT', `/vhosts/${name}`);
  await callManagement(first, 'PUT', `/permissions/${name}/guest`, { configure: '.*', write: '.*', read: '.*' });
  return {
    amqpUrls: nodes.map(({ amqpUrl }) => `${amqpUrl}/${name}`),
    api: (node, method, path, body) => {
      const [folder = '', ...rest] = path.split('/');
      return callManagement(node, method, ['', folder, name, ...rest].join('/'), body);
    },
  };
}
