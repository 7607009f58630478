/**
 * RabbitMQ's management API, because AMQP lists no queues. Each request has a deadline, and each answer a bound. Only
 * pages of queues are requested.
 */
import { request as requestHttp } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';
import { BrokerError } from '../broker.js';
import { tlsConnectOptions } from './amqp/broker-tls.js';
import type { BrokerTlsOptions } from './amqp/broker-tls.js';

export interface ManagementOptions {
  /** `http://` or `https://`, with the credentials or without. */
  readonly managementUrl: string;
  /** Addresses of the broker: they have the virtual host, and the credentials by default. */
  readonly urls: readonly string[];
  /** For `https://`. */
  readonly tls?: BrokerTlsOptions | undefined;
}

export interface ListedQueue {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
  /** Absent until RabbitMQ has counted for the first time. */
  readonly messages?: number;
  readonly consumers?: number;
}

export interface QueuePage {
  readonly queues: readonly ListedQueue[];
  readonly pageCount: number;
}

const PAGE_SIZE = 100;
const ANSWER_MAX_BYTES = 4 * 1024 * 1024;
const DEADLINE_MS = 5_000;
const NO_PAGE: QueuePage = { queues: [], pageCount: 0 };

export class ManagementApi {
  private readonly base: URL;
  private readonly authorization: string;

  constructor(private readonly options: ManagementOptions) {
    const broker = new URL(options.urls[0] ?? '');
    const given = new URL(options.managementUrl);
    const { username, password } = given.username === '' ? broker : given;
    const login = `${decodeURIComponent(username || 'guest')}:${decodeURIComponent(password || 'guest')}`;
    this.authorization = `Basic ${Buffer.from(login).toString('base64')}`;
    const vhost = decodeURIComponent(broker.pathname.slice(1)) || '/';
    const folder = given.pathname.replace(/\/$/, '');
    this.base = new URL(`${given.origin}${folder}/api/queues/${encodeURIComponent(vhost)}`);
  }

  /** A page of the queues whose names match a regular expression, in the order of their names; the first page is 1. */
  async queues(pattern: string, page: number): Promise<QueuePage> {
    const url = new URL(this.base);
    const columns = 'name,messages,consumers,arguments';
    const parameters = { page, page_size: PAGE_SIZE, name: pattern, use_regex: true, sort: 'name', columns };
    for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, String(value));
    try {
      const { status, text } = await this.get(url);
      if (status === 400 && text.includes('page_out_of_range')) return NO_PAGE;
      if (status !== 200) throw new Error(problemOf(status));
      return readPage(JSON.parse(text));
    } catch (cause) {
      const sentence = `RabbitMQ's management API (rabbitmq.managementUrl) is no help now: ${(cause as Error).message}.`;
      throw new BrokerError('broker-unavailable', sentence, { cause });
    }
  }

  private async get(url: URL): Promise<{ readonly status: number; readonly text: string }> {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const { protocol } = url;
    const tls = protocol === 'https:' ? tlsConnectOptions(this.options.tls) : {};
    const options = { ...tls, signal, agent: false, headers: { authorization: this.authorization } } as const;
    try {
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        const request =
          protocol === 'https:' ? requestHttps(url, options, resolve) : requestHttp(url, options, resolve);
        request.on('error', reject).end();
      });
      return { status: response.statusCode ?? 0, text: await readBounded(response) };
    } catch (error) {
      if (signal.aborted) throw new Error(`no answer within ${DEADLINE_MS} ms`, { cause: error });
      throw error;
    }
  }
}

async function readBounded(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // Leaving the loop ends the connection
    if (bytes > ANSWER_MAX_BYTES) throw new Error(`an answer has more than ${ANSWER_MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function problemOf(status: number): string {
  if (status !== 401 && status !== 403) return `it answered with the status ${status}`;
  return `it refused the login (${status}), whose user needs the tag "management" and access to the virtual host`;
}

function readPage(answer: unknown): QueuePage {
  const { items, page_count: pageCount } = (answer ?? {}) as { items?: unknown; page_count?: unknown };
  if (!Array.isArray(items) || typeof pageCount !== 'number') throw new Error('its answer is no page of queues');
  return { queues: items.flatMap(readQueue), pageCount };
}

function readQueue(item: unknown): ListedQueue[] {
  const { name, messages, consumers, arguments: given } = (item ?? {}) as Record<string, unknown>;
  if (typeof name !== 'string') return [];
  return [
    {
      name,
      arguments: typeof given === 'object' && given !== null ? (given as Record<string, unknown>) : {},
      ...(typeof messages === 'number' && { messages }),
      ...(typeof consumers === 'number' && { consumers }),
    },
  ];
}
