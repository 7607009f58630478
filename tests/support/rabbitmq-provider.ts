/**
 * Provides RabbitMQ for the tests, from the first of these sources: RABBITMQ_URL; a `rabbitmq-server` on this machine,
 * run privately; Docker; as root on Debian or Ubuntu, the package. If a source exists and fails, that is an error and
 * the next one is not tried. The exception is Docker, which may be present without an available image.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { eventually } from './deadline.js';
import { installPackages, installProblem } from './debian-packages.js';
import { versionWhenReady } from './rabbitmq-api.js';
import type { RabbitUrls } from './rabbitmq-api.js';
import { findServer, startPrivateNode } from './rabbitmq-node.js';
import type { NodeOptions, RabbitNode } from './rabbitmq-node.js';

export type Way = 'url' | 'server' | 'docker';

export interface Provided extends RabbitUrls {
  readonly way: Way;
  readonly version: string;
  /** The directory of a private node, the id of a container, or empty. */
  readonly handle: string;
  stop(): Promise<void>;
}

const report = (line: string) => void process.stderr.write(`rabbitmq: ${line}\n`);

/** The RabbitMQ of a whole test run. `run` marks everything that it starts. */
export async function provideRabbit(run: string): Promise<Provided> {
  const url = process.env['RABBITMQ_URL'];
  const provided = url ? await fromUrl(url) : await provideNode(run);
  report(`RabbitMQ ${provided.version} at ${provided.amqpUrl.replace(/\/\/.*@/, '//')}`);
  return provided;
}

/** A node that tests may kill: never the one of RABBITMQ_URL. */
export async function provideNode(run: string, options: NodeOptions = {}): Promise<RabbitNode & { readonly way: Way }> {
  const server = findServer();
  if (server !== undefined) return startServer(server, run, options);

  const reasons = ['RABBITMQ_URL is not set', 'the PATH has no rabbitmq-server'];
  const docker = await import('./rabbitmq-container.js');
  const problem = await docker.dockerProblem();
  if (problem === undefined) {
    try {
      return { ...(await docker.startContainerNode(run, report, options)), way: 'docker' };
    } catch (error) {
      reasons.push(`Docker did not start a node: ${(error as Error).message}`);
    }
  } else {
    reasons.push(`Docker cannot be used: ${problem}`);
  }

  const noInstall = installProblem();
  if (noInstall !== undefined) throw new Error(noRabbit([...reasons, `apt-get cannot be used: ${noInstall}`]));
  await installPackages(['rabbitmq-server'], report);
  // The packaged service must not start at the next boot either; without systemd this fails
  await promisify(execFile)('systemctl', ['disable', '--now', 'rabbitmq-server']).catch(() => undefined);
  const installed = findServer();
  if (installed === undefined) throw new Error(noRabbit([...reasons, 'apt-get installed no rabbitmq-server']));
  return startServer(installed, run, options);
}

async function startServer(
  server: string,
  run: string,
  options: NodeOptions,
): Promise<RabbitNode & { readonly way: Way }> {
  report(`starting a private node of ${server}, which takes about ten seconds`);
  return { ...(await startPrivateNode(server, run, report, options)), way: 'server' };
}

async function fromUrl(amqpUrl: string): Promise<Provided> {
  const { hostname } = new URL(amqpUrl);
  const urls: RabbitUrls = {
    amqpUrl,
    managementUrl: process.env['RABBITMQ_MANAGEMENT_URL'] ?? `http://${hostname}:15672`,
    webStompUrl: process.env['RABBITMQ_WEB_STOMP_URL'] ?? `ws://${hostname}:15674/ws`,
    stompPort: Number(process.env['RABBITMQ_STOMP_PORT'] ?? 61613),
  };
  const version = await eventually(
    () => versionWhenReady(urls),
    30_000,
    () =>
      `RABBITMQ_URL is set, and its management API at ${urls.managementUrl} (RABBITMQ_MANAGEMENT_URL) does not ` +
      'answer the user of that url, or its plugins rabbitmq_stomp and rabbitmq_web_stomp are not enabled',
  );
  return { ...urls, version, way: 'url', handle: '', stop: () => Promise.resolve() };
}

function noRabbit(reasons: readonly string[]): string {
  return `These tests need RabbitMQ and found none:
${reasons.map((reason) => `  - ${reason}`).join('\n')}
Do one of these four:
  1. set RABBITMQ_URL to the amqp url of a node with the plugins management, stomp and web_stomp
     (and RABBITMQ_MANAGEMENT_URL, RABBITMQ_WEB_STOMP_URL, RABBITMQ_STOMP_PORT if they differ from the defaults);
  2. put rabbitmq-server on the PATH: the tests start and stop a private node;
  3. start Docker (RELAY_TEST_RABBITMQ_IMAGE names the image, by default rabbitmq:4-management);
  4. on Debian or Ubuntu run as root: the tests then install the package rabbitmq-server with apt-get.
Tests without RabbitMQ: npm run test:unit`;
}
