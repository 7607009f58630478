/** A tab of the browser with the page of page/page.tsx in it: what it reports, and what goes over its WebSockets. */
import type { BrowserContext, Page } from 'playwright-core';
import { Inbox } from '../../../server/src/contract/test-inbox.js';
import type { Reports } from './page/page.js';

/** A STOMP frame as a tab sent or received it. */
export interface SeenFrame {
  readonly direction: 'sent' | 'received';
  /** A heart-beat has none. */
  readonly command: string;
  readonly text: string;
}

export class Tab {
  /** The frames of each WebSocket, in the order of their opening. */
  readonly sockets: Inbox<SeenFrame>[] = [];
  readonly socketEvents = new Inbox<'opened' | 'closed'>('WebSockets');
  private readonly inboxes = new Map<keyof Reports, Inbox<unknown>>();

  private constructor(readonly page: Page) {
    page.on('websocket', (socket) => {
      const frames = new Inbox<SeenFrame>('frames');
      this.sockets.push(frames);
      this.socketEvents.add('opened');
      socket.on('framesent', ({ payload }) => frames.add(frameOf('sent', payload)));
      socket.on('framereceived', ({ payload }) => frames.add(frameOf('received', payload)));
      socket.on('close', () => this.socketEvents.add('closed'));
    });
    page.on('pageerror', ({ message }) => this.reports('error').add(message));
  }

  /** In front of the tabs that are there. */
  static async open(context: BrowserContext, url: string): Promise<Tab> {
    const tab = new Tab(await context.newPage());
    await tab.page.exposeFunction('report', <K extends keyof Reports>(kind: K, value: Reports[K]) =>
      tab.reports(kind).add(value),
    );
    await tab.page.goto(url);
    return tab;
  }

  /** All reports of a kind, from the beginning. */
  reports<K extends keyof Reports>(kind: K): Inbox<Reports[K]> {
    let inbox = this.inboxes.get(kind);
    if (inbox === undefined) this.inboxes.set(kind, (inbox = new Inbox(kind)));
    return inbox as Inbox<Reports[K]>;
  }

  /** The next state of the connection with this name; those before it are skipped. */
  async becomes<N extends Reports['state']['name']>(name: N): Promise<Extract<Reports['state'], { name: N }>> {
    for (;;) {
      const state = await this.reports('state').next();
      if (state.name === name) return state as Extract<Reports['state'], { name: N }>;
    }
  }

  /** The same for subscriptions. */
  async subscribed(destination: string): Promise<Extract<Reports['subscription']['state'], { name: 'subscribed' }>> {
    for (;;) {
      const next = await this.reports('subscription').next();
      if (next.destination === destination && next.state.name === 'subscribed') return next.state;
    }
  }

  /** The same for what the page itself goes through. */
  async hears(event: Reports['page']): Promise<void> {
    while ((await this.reports('page').next()) !== event);
  }

  /** The bodies of messages of a destination, in their order, when there are as many. */
  async messages(destination: string, count: number): Promise<unknown[]> {
    const of = (all: readonly Reports['message'][]) => all.filter((message) => message.destination === destination);
    const all = await this.reports('message').until((all) => of(all).length >= count);
    return of(all).map(({ data }) => data);
  }

  /** What it has sent or received so far, over all its sockets: `sent SUBSCRIBE`. Without heart-beats. */
  get traffic(): string[] {
    return this.frames.map(({ direction, command }) => `${direction} ${command}`);
  }

  get frames(): SeenFrame[] {
    return this.sockets.flatMap(({ all }) => all).filter(({ command }) => command !== '');
  }
}

function frameOf(direction: SeenFrame['direction'], payload: string | Buffer): SeenFrame {
  const text = payload.toString();
  return { direction, command: text.slice(0, text.indexOf('\n')), text };
}
