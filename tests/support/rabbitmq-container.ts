/**
 * A RabbitMQ node in a container, for machines with Docker and without `rabbitmq-server`. Testcontainers removes it.
 */
import { readFileSync } from 'node:fs';
import { GenericContainer, getContainerRuntimeClient } from 'testcontainers';
import type { StartedTestContainer } from 'testcontainers';
import type { CertificateFiles } from './certificates.js';
import { eventually, withDeadline } from './deadline.js';
import { freePorts } from './free-ports.js';
import { versionWhenReady } from './rabbitmq-api.js';
import type { RabbitUrls } from './rabbitmq-api.js';
import { tlsConfiguration } from './rabbitmq-node.js';
import type { NodeOptions, RabbitNode } from './rabbitmq-node.js';

export const DEFAULT_IMAGE = 'rabbitmq:4-management';
const START_DEADLINE_MS = 180_000;
const STOP_DEADLINE_MS = 60_000;

const FILES = [
  {
    target: '/etc/rabbitmq/enabled_plugins',
    content: '[rabbitmq_management,rabbitmq_stomp,rabbitmq_web_stomp].\n',
    mode: 0o644,
  },
  {
    // guest must be able to log in from the host, whose address is not the container's loopback
    target: '/etc/rabbitmq/conf.d/99-relay-test.conf',
    content: 'loopback_users = none\ncollect_statistics_interval = 1000\ndisk_free_limit.absolute = 50MB\n',
    mode: 0o644,
  },
];

/** The reason why Docker cannot be used here; undefined if it can. */
export async function dockerProblem(): Promise<string | undefined> {
  try {
    await getContainerRuntimeClient();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** The files that a node needs for TLS, inside the container. */
function tlsFiles({ certFile, keyFile }: CertificateFiles) {
  const inside = { certFile: '/etc/rabbitmq/relay-test.cert.pem', keyFile: '/etc/rabbitmq/relay-test.key.pem' };
  return [
    { target: inside.certFile, content: readFileSync(certFile, 'utf8'), mode: 0o644 },
    { target: inside.keyFile, content: readFileSync(keyFile, 'utf8'), mode: 0o644 },
    {
      target: '/etc/rabbitmq/conf.d/98-relay-test-tls.conf',
      content: `${tlsConfiguration('5671', inside).join('\n')}\n`,
      mode: 0o644,
    },
  ];
}

export async function startContainerNode(
  run: string,
  report: (line: string) => void,
  { tls }: NodeOptions = {},
): Promise<RabbitNode> {
  const image = process.env['RELAY_TEST_RABBITMQ_IMAGE'] ?? DEFAULT_IMAGE;
  report(`starting ${image} in Docker`);
  const ports = await freePorts(5);
  const inside = [5672, 15672, 61613, 15674, 5671];
  const container = await new GenericContainer(image)
    .withLabels({ 'stomp-relay.test-run': run })
    .withCopyContentToContainer([...FILES, ...(tls === undefined ? [] : tlsFiles(tls))])
    .withExposedPorts(...inside.map((port, i) => ({ container: port, host: ports[i] ?? 0 })))
    .withStartupTimeout(START_DEADLINE_MS)
    .start();
  const host = container.getHost();
  const [amqp, management, stomp, webStomp, amqps] = ports as [number, number, number, number, number];
  const urls: RabbitUrls = {
    amqpUrl: `amqp://guest:guest@${host}:${amqp}`,
    managementUrl: `http://${host}:${management}`,
    webStompUrl: `ws://${host}:${webStomp}/ws`,
    stompPort: stomp,
  };
  try {
    const version = await ready(container, urls);
    const amqpsUrl = tls === undefined ? '' : `amqps://guest:guest@${host}:${amqps}`;
    return { ...urls, amqpsUrl, version, handle: container.getId(), ...control(container, urls) };
  } catch (error) {
    await container.stop();
    throw error;
  }
}

/** Runs rabbitmqctl in the container with this id, from any process of the test run. */
export async function runCtlInContainer(id: string, args: readonly string[]): Promise<string> {
  const client = await getContainerRuntimeClient();
  const container = client.container.getById(id);
  const result = await client.container.exec(container, ['rabbitmqctl', ...args]);
  if (result.exitCode !== 0) throw new Error(`rabbitmqctl ${args.join(' ')} failed: ${result.output}`);
  return result.stdout;
}

type Control = Pick<RabbitNode, 'ctl' | 'kill' | 'freeze' | 'thaw' | 'start' | 'stop'>;

function control(started: StartedTestContainer, urls: RabbitUrls): Control {
  const id = started.getId();
  const container = async () => (await getContainerRuntimeClient()).container.getById(id);
  return {
    ctl: (...args) => runCtlInContainer(id, args),
    kill: async (signal = 'SIGKILL') => {
      const running = await container();
      // Process 1 of an image may not forward SIGTERM; the end of the VM also ends this exec, perhaps with an error
      if (signal === 'SIGTERM') await runCtlInContainer(id, ['stop']).catch(() => undefined);
      else await running.kill();
      await withDeadline(running.wait(), STOP_DEADLINE_MS, () => 'the container does not end');
    },
    freeze: async () => void (await (await container()).pause()),
    thaw: async () => void (await (await container()).unpause()),
    start: async () => {
      await (await container()).start();
      await ready(started, urls);
    },
    stop: async () => void (await started.stop()),
  };
}

async function ready(container: StartedTestContainer, urls: RabbitUrls): Promise<string> {
  let log = '';
  const stream = await container.logs();
  stream.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-4_000)));
  try {
    const look = () => versionWhenReady(urls);
    return await eventually(
      look,
      START_DEADLINE_MS,
      () => `RabbitMQ in Docker does not answer; its log ends with:\n${log}`,
    );
  } finally {
    stream.destroy();
  }
}
