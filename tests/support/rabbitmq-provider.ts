/**
 * Where the tests get RabbitMQ from, in this order: RABBITMQ_URL; a `rabbitmq-server` on this machine, run privately;
 * Docker; on Debian or Ubuntu as root, the package. A way that is there and does not work is an error, not a reason
 * to try the next: only Docker may be present without an image to be had.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { installPackages, installProblem } from './debian-packages.js';
import { eventually } from './deadline.js';
import { type RabbitUrls, versionWhenReady } from './rabbitmq-api.js';
import { findServer, type NodeOptions, type RabbitNode, startPrivateNode } from './rabbitmq-node.js';

export type Way = 'url' | 'server' | 'docker';

export interface Provided extends RabbitUrls {
  readonly way: Way;
  readonly version: string;
  /** The directory of a private node, the id of a container, or empty. */
  readonly handle: string;
  stop(): Promise<void>;
}

const say = (line: string) => void process.stderr.write(`rabbitmq: ${line}\n`);

/** The RabbitMQ of a whole test run. `run` marks everything that is started. */
export async function provideRabbit(run: string): Promise<Provided> {
  const url = process.env['RABBITMQ_URL'];
  const provided = url ? await fromUrl(url) : await provideNode(run);
  say(`RabbitMQ ${provided.version} at ${provided.amqpUrl.replace(/\/\/.*@/, '//')}`);
  return provided;
}

/** A node that tests may kill: never the one of RABBITMQ_URL. */
export async function provideNode(run: string, options: NodeOptions = {}): Promise<RabbitNode & { readonly way: Way }> {
  const server = findServer();
  if (server !== undefined) return startServer(server, run, options);

  const reasons = ['RABBITMQ_URL is not set', 'there is no rabbitmq-server on the PATH'];
  const docker = await import('./rabbitmq-container.js');
  const problem = await docker.dockerProblem();
  if (problem === undefined) {
    try {
      return { ...(await docker.startContainerNode(run, say, options)), way: 'docker' };
    } catch (error) {
      reasons.push(`Docker did not give a node: ${(error as Error).message}`);
    }
  } else {
    reasons.push(`Docker cannot be used: ${problem}`);
  }

  const noInstall = installProblem();
  if (noInstall !== undefined) throw new Error(noRabbit([...reasons, `apt-get cannot be used: ${noInstall}`]));
  await installPackages(['rabbitmq-server'], say);
  // the packaged service shall not start at the next boot either; without systemd there is nothing to disable
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
  say(`starting a private node of ${server}, which takes about ten seconds`);
  return { ...(await startPrivateNode(server, run, say, options)), way: 'server' };
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
      'answer with the user of that url, or the plugins rabbitmq_stomp and rabbitmq_web_stomp are not enabled there',
  );
  return { ...urls, version, way: 'url', handle: '', stop: () => Promise.resolve() };
}

function noRabbit(reasons: readonly string[]): string {
  return `These tests need RabbitMQ and found none:
${reasons.map((reason) => `  - ${reason}`).join('\n')}
Do one of these four:
  1. set RABBITMQ_URL to the amqp url of a node with the plugins management, stomp and web_stomp
     (and RABBITMQ_MANAGEMENT_URL, RABBITMQ_WEB_STOMP_URL, RABBITMQ_STOMP_PORT where they are not the usual ones);
  2. put rabbitmq-server on the PATH: a private node of it is started and stopped;
  3. start Docker (RELAY_TEST_RABBITMQ_IMAGE names the image, by default rabbitmq:4-management);
  4. on Debian or Ubuntu run as root: the package rabbitmq-server is then installed with apt-get.
Tests that need nothing: npm run test:unit`;
}
