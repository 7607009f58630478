/** RabbitMQ for tests: the shared node, a private vhost on it, or a private node that a test may break. */
import { randomUUID } from 'node:crypto';
import { callManagement } from './rabbitmq-api.js';
import type { RabbitUrls } from './rabbitmq-api.js';
import { runCtl } from './rabbitmq-node.js';
import type { NodeOptions, RabbitNode } from './rabbitmq-node.js';
import { provideNode } from './rabbitmq-provider.js';
import type { Provided } from './rabbitmq-provider.js';

export type { RabbitNode } from './rabbitmq-node.js';

export interface Rabbit extends RabbitUrls {
  readonly version: string;
  /** The management API: `api('GET', '/queues/%2F')`. Throws unless the answer is 2xx. */
  api(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Runs rabbitmqctl on the shared node, which other test files use too. Fails if the node comes from RABBITMQ_URL. */
  ctl(...args: string[]): Promise<string>;
}

export interface Vhost {
  readonly name: string;
  /** For AMQP clients and relays. Includes user, password, host, port and this vhost. */
  readonly amqpUrl: string;
  /** The management API below this vhost: `api('GET', 'queues')`, `api('GET', 'bindings')`. */
  api(method: string, path: string, body?: unknown): Promise<unknown>;
  /** Closes all its connections and deletes its contents. */
  delete(): Promise<void>;
}

/** The environment variables in which global-setup.ts passes its results to the test processes. */
export const VARIABLES = {
  amqpUrl: 'RELAY_TEST_AMQP_URL',
  managementUrl: 'RELAY_TEST_MANAGEMENT_URL',
  webStompUrl: 'RELAY_TEST_WEB_STOMP_URL',
  stompPort: 'RELAY_TEST_STOMP_PORT',
  version: 'RELAY_TEST_RABBITMQ_VERSION',
  way: 'RELAY_TEST_RABBITMQ_WAY',
  handle: 'RELAY_TEST_RABBITMQ_HANDLE',
} as const satisfies Partial<Record<keyof Provided, string>>;

export function rabbitmq(): Rabbit {
  const urls: RabbitUrls = {
    amqpUrl: read(VARIABLES.amqpUrl),
    managementUrl: read(VARIABLES.managementUrl),
    webStompUrl: read(VARIABLES.webStompUrl),
    stompPort: Number(read(VARIABLES.stompPort)),
  };
  return {
    ...urls,
    version: read(VARIABLES.version),
    api: (method, path, body) => callManagement(urls, method, path, body),
    ctl: async (...args) => {
      const handle = read(VARIABLES.handle);
      if (read(VARIABLES.way) === 'server') return runCtl(handle, args);
      if (read(VARIABLES.way) === 'docker')
        return (await import('./rabbitmq-container.js')).runCtlInContainer(handle, args);
      throw new Error('rabbitmqctl cannot be run on the node of RABBITMQ_URL: use privateNode()');
    },
  };
}

/**
 * A private vhost for one test file. Delete it in `afterAll`. `queueType` is the type of queues that are declared
 * without one.
 */
export async function createVhost(on: RabbitUrls = rabbitmq(), queueType?: string): Promise<Vhost> {
  const name = `${read('RELAY_TEST_RUN')}-${randomUUID().slice(0, 8)}`;
  const user = decodeURIComponent(new URL(on.amqpUrl).username || 'guest');
  // RabbitMQ 3.10 spells the option in one word
  const settings = queueType === undefined ? undefined : { default_queue_type: queueType, defaultqueuetype: queueType };
  await callManagement(on, 'PUT', `/vhosts/${name}`, settings);
  const all = { configure: '.*', write: '.*', read: '.*' };
  await callManagement(on, 'PUT', `/permissions/${name}/${encodeURIComponent(user)}`, all);
  const url = new URL(on.amqpUrl);
  url.pathname = `/${name}`;
  return {
    name,
    amqpUrl: url.href,
    api: (method, path, body) => {
      const [folder = '', ...rest] = path.split('/');
      return callManagement(on, method, ['', folder, name, ...rest].join('/'), body);
    },
    delete: async () => void (await callManagement(on, 'DELETE', `/vhosts/${name}`)),
  };
}

/** A second node, for tests that kill or restart it. Takes about ten seconds; `stop()` it in `afterAll`. */
export function privateNode(options: NodeOptions = {}): Promise<RabbitNode> {
  return provideNode(read('RELAY_TEST_RUN'), options);
}

function read(variable: string): string {
  const value = process.env[variable];
  if (value === undefined) {
    throw new Error(
      `${variable} is not set: run this test in the contract or integration project, whose set-up starts RabbitMQ`,
    );
  }
  return value;
}
