/**
 * Built relays and a RabbitMQ, all of which can be broken, with a proxy in front of each relay and another between it
 * and RabbitMQ.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from '../support/deadline.js';
import { createVhost, privateNode } from '../support/rabbitmq.js';
import type { RabbitNode, Vhost } from '../support/rabbitmq.js';
import { TcpProxy } from '../support/tcp-proxy.js';
import { Crowd } from './crowd.js';
import { touchedBy } from './fault-plan.js';
import type { PlannedFault } from './fault-plan.js';
import { FAULTS } from './faults.js';
import type { Fault, Site } from './faults.js';
import type { History } from './history.js';
import { RelayUnderTest } from './relay-under-test.js';
import type { RelayOptions } from './relay-under-test.js';
import { PUBLISH_TIMEOUT_MS } from './rules.js';
import { StreamReader } from './stream-reader.js';

export const HISTORIES = [
  { name: 'kept', match: '/topic/kept.#' },
  { name: 'inbox', match: '/user/queue/inbox' },
] as const;

const READY_DEADLINE_MS = 60_000;
/** How often a run looks whether a relay is ready. */
const LOOK_EVERY_MS = 200;
/**
 * Short heart-beats reveal silence early and keep runs short. No chain of faults cuts a relay off for so long that its
 * queues expire, but those of a killed relay expire before the search for leftovers ends.
 */
const CONFIG = {
  rabbitmq: {
    heartbeatSeconds: 2,
    connectTimeoutMs: 3_000,
    reconnectMaxMs: 1_000,
    instanceQueueExpiresMs: 30_000,
    canaryIntervalMs: 1_000,
    publishTimeoutMs: PUBLISH_TIMEOUT_MS,
  },
  workerTimeoutMs: 2_000,
  /**
   * A ring of a few seconds, so that clients need readers too. RabbitMQ removes whole segments of 1 MiB: a stream of one
   * alone would lose messages that no relay has read.
   */
  history: {
    rules: HISTORIES.map(({ name, match }) => ({ name, match, maxBytes: 4 * 1_048_576 })),
    ringMaxCount: 200,
    markerMaxCount: 50,
    markerMs: 1_000,
    positionRefreshMs: 1_000,
    warmUpMs: 2_000,
  },
};

/** Topics without a history. */
const LANES = ['/topic/news.#', '/topic/crowd.#'];

/** The first relay sends in lanes, and the others only read them, so messages go every way between such relays. */
function configOf(relay: number): object {
  return { ...CONFIG, rabbitmq: { ...CONFIG.rabbitmq, lanes: LANES, lanesReadOnly: relay > 0 } };
}

export class Stage {
  private constructor(
    readonly node: RabbitNode,
    readonly vhost: Vhost,
    readonly sites: readonly Site[],
    private readonly streams: readonly StreamReader[],
    private readonly directory: string,
  ) {}

  static async open(relays: number, options: RelayOptions = {}): Promise<Stage> {
    const node = await privateNode();
    const vhost = await createVhost(node);
    const directory = mkdtempSync(path.join(tmpdir(), 'relay-faults-'));
    const streams: StreamReader[] = [];
    const openSite = async (name: string, index: number): Promise<Site> => {
      const configFile = path.join(directory, `relay-${index}.yaml`);
      writeFileSync(configFile, JSON.stringify(configOf(index)));
      const brokerNetwork = await TcpProxy.start(node.amqpUrl);
      const relay = await RelayUnderTest.start(name, brokerNetwork.url(vhost.amqpUrl), configFile, options);
      const crowd = new Crowd(relay.url, options.nofile ?? 0);
      return { node, vhost, brokerNetwork, relay, crowd, streams, clientNetwork: await TcpProxy.start(relay.url) };
    };
    const names = Array.from({ length: relays }, (_, i) => `relay ${i + 1}`);
    const sites = await Promise.all(names.map(openSite));
    for (const { name } of HISTORIES) streams.push(await StreamReader.start(name, vhost));
    return new Stage(node, vhost, sites, streams, directory);
  }

  /** The addresses for clients, which lead through the proxies. */
  get clientUrls(): string[] {
    return this.sites.map(clientUrl);
  }

  /** Flushes declarations to disk, so that they survive a SIGKILL. */
  async keepDeclarations(): Promise<void> {
    await this.node.ctl('eval', 'mnesia:dump_log().');
  }

  async beginHistories(): Promise<void> {
    await Promise.all(this.streams.map((stream) => stream.begin()));
  }

  /** Adds everything that the histories had to the history of the run. */
  async readHistories(history: History): Promise<void> {
    for (const stream of this.streams) {
      await stream.catchUp();
      await stream.readFirstOffset();
    }
    history.logs = this.streams.flatMap(({ logs }) => [...logs]);
  }

  /** Injects all faults of a plan. Resolves when the last is over. */
  async inject(plan: readonly PlannedFault[], history: History): Promise<void> {
    for (const { crowd } of this.sites) crowd.onAnswer = (answer) => history.add({ kind: 'crowded', answer });
    const over = new Map<string, Promise<void>>();
    for (const fault of plan) {
      await pause(fault.gapMs);
      const component = touchedBy(fault);
      await over.get(component);
      over.set(component, this.injectOne(fault, history));
    }
    await Promise.all(over.values());
  }

  private async injectOne({ name, at: index, forMs }: PlannedFault, history: History): Promise<void> {
    const { effects, touches, begin, end }: Fault = FAULTS[name];
    const site = this.sites[index]!;
    const at = history.now();
    await begin(site);
    const fromMs = history.now();
    await pause(forMs);
    const toMs = history.now();
    await end(site);
    const suffix = touches === 'node' ? '' : ` (${site.relay.name})`;
    history.add({ at, kind: 'fault', name: `${name}${suffix}`, fromMs, toMs, untilMs: history.now(), effects });
  }

  /** Records the readiness of each relay until `isOver`. */
  async watchReadiness(history: History, isOver: () => boolean): Promise<void> {
    const watch = async (site: Site): Promise<void> => {
      let wasReady = true;
      for (; !isOver(); await pause(LOOK_EVERY_MS)) {
        const isReady = await site.relay.isReady();
        if (isReady !== wasReady) history.add({ kind: 'readiness', url: clientUrl(site), isReady });
        wasReady = isReady;
      }
    };
    await Promise.all(this.sites.map(watch));
  }

  /** Waits until the relays have their broker and all bindings. */
  async whenReady(): Promise<void> {
    for (const { relay } of this.sites) {
      const isReady = async () =>
        (await relay.isReady()) && (await relay.metric('broker_bindings_pending')) === 0 ? true : undefined;
      const late = () => `${relay.name} is not ready:\n${relay.log.slice(-5).join('\n')}`;
      await eventually(isReady, READY_DEADLINE_MS, late);
    }
  }

  /** The logs of the relays so far, and the events of a run. */
  writeLogs(directory: string, history: History): void {
    mkdirSync(directory, { recursive: true });
    for (const { relay } of this.sites) writeFileSync(path.join(directory, `${relay.name}.log`), relay.log.join('\n'));
    const lines = [...history.events].sort((a, b) => a.at - b.at).map((event) => JSON.stringify(event));
    writeFileSync(path.join(directory, 'run.log'), lines.join('\n'));
  }

  async close(): Promise<void> {
    await Promise.all(this.sites.map(({ relay }) => relay.stop()));
    const networks = this.sites.flatMap(({ clientNetwork, brokerNetwork }) => [clientNetwork, brokerNetwork]);
    await Promise.all(networks.map((network) => network.close()));
    await Promise.all(this.streams.map((stream) => stream.close()));
    await this.node.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function clientUrl({ clientNetwork, relay }: Site): string {
  return clientNetwork.url(relay.url);
}

/** The duration of a fault, and the pause between two looks, are the only waits for time in this suite. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
