/** A browser tab with the page of page/page.tsx: its reports, and the frames of its WebSockets. */
import type { BrowserContext, Page } from 'playwright-core';
import { Inbox } from '../../../server/src/contract/test-inbox.js';
import type { Reports } from './page/page.js';

/** A STOMP frame that a tab sent or received. */
export interface SeenFrame {
  readonly direction: 'sent' | 'received';
  /** Empty for a heart-beat. */
  readonly command: string;
  readonly text: string;
}

export class Tab {
  /** The frames of each WebSocket, in the order of opening. */
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

  /** Opens a tab in front of the present ones. */
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

  /** Resolves with the next state of this name. Earlier states are skipped. */
  async untilState<N extends Reports['state']['name']>(name: N): Promise<Extract<Reports['state'], { name: N }>> {
    for (;;) {
      const state = await this.reports('state').next();
      if (state.name === name) return state as Extract<Reports['state'], { name: N }>;
    }
  }

  /** Resolves when the subscription is next reported as subscribed. */
  async subscribed(destination: string): Promise<Extract<Reports['subscription']['state'], { name: 'subscribed' }>> {
    for (;;) {
      const next = await this.reports('subscription').next();
      if (next.destination === destination && next.state.name === 'subscribed') return next.state;
    }
  }

  /** Resolves at the next event of this name on the page. */
  async pageEvent(event: Reports['page']): Promise<void> {
    while ((await this.reports('page').next()) !== event);
  }

  /** The data of the destination's messages, in order, once there are `count`. */
  async messages(destination: string, count: number): Promise<unknown[]> {
    const of = (all: readonly Reports['message'][]) => all.filter((message) => message.destination === destination);
    const all = await this.reports('message').until((all) => of(all).length >= count);
    return of(all).map(({ data }) => data);
  }

  /** Frames sent and received so far, over all sockets, such as `sent SUBSCRIBE`. Without heart-beats. */
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
