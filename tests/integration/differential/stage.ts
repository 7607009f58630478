/**
 * The environment of a scenario: STOMP clients of one server, and an AMQP back end on its broker. Each client records
 * the frames that it receives line by line (player.ts), so that two servers can be compared.
 */
import amqp from 'amqplib';
import type { Channel, ChannelModel } from 'amqplib';
import type { Vhost } from '../../support/rabbitmq.js';
import { connectStomp, openStomp } from '../../support/stomp-client.js';
import type { StompClient } from '../../support/stomp-client.js';
import { Player, TheEnd } from './player.js';

/** A STOMP server and its vhost. */
export interface Server {
  readonly webSocketUrl: string;
  readonly tcpUrl: string;
  readonly vhost: Vhost;
}

export interface Scenario {
  readonly name: string;
  readonly play: (stage: Stage) => Promise<void>;
}

export function scenario(name: string, play: (stage: Stage) => Promise<void>): Scenario {
  return { name, play };
}

export interface ClientOptions {
  readonly version?: '1.0' | '1.1' | '1.2';
  readonly transport?: 'websocket' | 'tcp';
  readonly headers?: Readonly<Record<string, string>>;
  readonly subprotocols?: readonly string[];
}

/** The recorded lines of all clients, client by client. */
export type Transcript = readonly string[];

/** The prefix of the scenario's queues and topics. */
export function placeOf(scenarioName: string): string {
  return scenarioName.replace(/[^a-z0-9]+/gi, '-').slice(0, 80);
}

/** Plays a scenario to its end, or to its first ERROR. */
export async function perform({ name, play }: Scenario, server: Server): Promise<Transcript> {
  const stage = new Stage(server, placeOf(name));
  try {
    await play(stage);
    for (const client of stage.clients) await client.finish();
  } catch (error) {
    if (!(error instanceof TheEnd)) throw error;
  } finally {
    await stage.clear();
  }
  return stage.clients.flatMap((client) => client.lines.map((line) => `${client.name}: ${line}`));
}

export class Stage {
  readonly clients: Player[] = [];
  #backEnd: ChannelModel | undefined;

  constructor(
    readonly server: Server,
    private readonly prefix: string,
  ) {}

  /** A unique name for this scenario, the same on both servers. */
  name(suffix = 'x'): string {
    return `${this.prefix}.${suffix}`;
  }

  /** Opens a client that has received CONNECTED, without recording it. */
  async connect(name: string, options: ClientOptions = {}): Promise<Player> {
    const headers = { ...this.credentials, 'accept-version': options.version ?? '1.2', ...options.headers };
    const client = await connectStomp(this.#url(options), headers, this.#open(options));
    return this.#add(name, client, options.version);
  }

  /** Opens a connection without CONNECT. */
  async open(name: string, options: ClientOptions = {}): Promise<Player> {
    return this.#add(name, await openStomp(this.#url(options), this.#open(options)), options.version);
  }

  /** `login`, `passcode` and `host` for CONNECT. */
  get credentials(): Record<string, string> {
    const { username, password } = new URL(this.server.vhost.amqpUrl);
    return { login: username || 'guest', passcode: password || 'guest', host: this.server.vhost.name };
  }

  /** An AMQP channel in the vhost of the scenario. */
  async backEnd(): Promise<Channel> {
    this.#backEnd ??= await amqp.connect(this.server.vhost.amqpUrl);
    this.#backEnd.on('error', () => undefined);
    const channel = await this.#backEnd.createChannel();
    channel.on('error', () => undefined);
    return channel;
  }

  /** Delivers a message to this queue after `ms`: a deadline for frames that must not arrive. */
  async later(queue: string, ms: number): Promise<void> {
    const channel = await this.backEnd();
    const waiting = `${queue}.later`;
    const back = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': queue };
    await channel.assertQueue(waiting, { arguments: { 'x-message-ttl': ms, ...back } });
    channel.sendToQueue(waiting, Buffer.from('marker'));
  }

  async clear(): Promise<void> {
    for (const { client } of this.clients) client.destroy();
    await this.#backEnd?.close().catch(() => undefined);
  }

  #url({ transport }: ClientOptions): string {
    return transport === 'tcp' ? this.server.tcpUrl : this.server.webSocketUrl;
  }

  #open({ subprotocols }: ClientOptions): { subprotocols?: readonly string[] } {
    return subprotocols === undefined ? {} : { subprotocols };
  }

  #add(name: string, client: StompClient, version: ClientOptions['version'] = '1.2'): Player {
    const player = new Player(name, client, version);
    this.clients.push(player);
    return player;
  }
}
