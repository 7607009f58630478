/** Clients of the HTTP API for tests: requests, and streams by EventSource and by bare sockets. */
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { EventSource } from 'eventsource';
import { Inbox } from '../../../server/src/contract/test-inbox.js';
import { withDeadline } from '../../support/deadline.js';
import type { TestRelay } from '../../support/relay.js';

const DEADLINE_MS = 10_000;

export interface ProblemBody {
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
}

interface ResultBody {
  readonly result: string;
  readonly problem?: ProblemBody;
}

/** All members that an answer of the API may have. */
type Body = ProblemBody & ResultBody & { readonly confirmed: number; readonly results: readonly ResultBody[] };

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The parsed JSON, also of problem+json; empty for other content. */
  readonly body: Body;
  readonly text: string;
}

export type HttpHeaders = Readonly<Record<string, string>>;

export function apiUrl(relay: TestRelay, path: string): string {
  return new URL(`/api${path}`, relay.pageUrl).href;
}

export function streamUrl(relay: TestRelay, ...destinations: string[]): string {
  const query = destinations.map((each) => `destination=${encodeURIComponent(each)}`).join('&');
  return apiUrl(relay, `/stream?${query}`);
}

/** Sends a string unchanged, anything else as JSON. */
export async function post(relay: TestRelay, body: unknown, headers: HttpHeaders = {}): Promise<Answer> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const all = { 'content-type': 'application/json', ...headers };
  return answerOf(await fetch(apiUrl(relay, '/messages'), { method: 'POST', headers: all, body: text }));
}

export async function get(url: string, headers: HttpHeaders = {}, method = 'GET'): Promise<Answer> {
  return answerOf(await fetch(url, { method, headers }));
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = /json/.test(response.headers.get('content-type') ?? '');
  const body = (isJson ? JSON.parse(text) : {}) as Body;
  return { status: response.status, headers: response.headers, body, text };
}

/** All members that the data of an event may have. */
interface EventData {
  readonly destination: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly bodyBase64?: string;
  readonly session: string;
  readonly user: string;
  readonly destinations: readonly string[];
  readonly code: string;
  readonly mayReconnect: boolean;
}

export interface StreamEvent {
  readonly event: string;
  readonly id: string;
  readonly data: EventData;
}

/** A stream by the `eventsource` package. It does not reconnect after an error. */
export class TestStream {
  readonly events = new Inbox<StreamEvent>();
  /** The data of the event `ready`. */
  about: Pick<EventData, 'session' | 'user' | 'destinations'> | undefined;
  private readonly source: EventSource;

  constructor(url: string, headers: HttpHeaders = {}) {
    this.source = new EventSource(url, {
      fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }),
    });
    for (const event of ['ready', 'message', 'error']) {
      this.source.addEventListener(event, (given) => {
        const { data, lastEventId = '' } = given as MessageEvent<string>;
        if (data !== undefined) this.events.add({ event, id: lastEventId, data: JSON.parse(data) as EventData });
        if (event === 'error') this.close();
      });
    }
  }

  /** The next event; throws if it has another name. */
  async next(event = 'message'): Promise<StreamEvent> {
    const next = await this.events.next();
    if (next.event !== event) throw new Error(`expected ${event}, got ${JSON.stringify(next)}`);
    return next;
  }

  async opened(): Promise<this> {
    this.about = (await this.next('ready')).data;
    return this;
  }

  close(): void {
    this.source.close();
  }
}

/** A request as bytes on its own socket; reads nothing before `read`. */
export class RawRequest {
  private constructor(readonly socket: Socket) {}

  static async open(relay: TestRelay, text: string): Promise<RawRequest> {
    const { hostname, port } = new URL(relay.pageUrl);
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    await withDeadline(once(socket, 'connect'), DEADLINE_MS, () => 'no connection');
    socket.write(text);
    return new RawRequest(socket);
  }

  /** Reads until `isEnough` or the end of the connection. */
  async read(isEnough: (text: string) => boolean = () => false): Promise<string> {
    let text = '';
    const reading = new Promise<string>((resolve) => {
      this.socket.on('data', (chunk) => {
        text += chunk.toString();
        if (isEnough(text)) resolve(text);
      });
      this.socket.on('close', () => resolve(text));
    });
    return withDeadline(reading, DEADLINE_MS, () => `the answer so far is ${JSON.stringify(text.slice(0, 500))}`);
  }

  close(): void {
    this.socket.destroy();
  }
}

export const basic = (login: string, passcode = 'x'): HttpHeaders => ({
  authorization: `Basic ${Buffer.from(`${login}:${passcode}`).toString('base64')}`,
});

/** The value of a metric; `name` is without the prefix `stomp_relay_`. */
export async function metric(relay: TestRelay, name: string): Promise<number> {
  const text = await (await fetch(new URL('/metrics', relay.adminUrl))).text();
  return Number(new RegExp(`^stomp_relay_${name} (\\S+)`, 'm').exec(text)?.[1]);
}
