/**
 * The connection as the application sees it. It replaces lost links by itself:
 *
 *   idle ---connect---> connecting ---CONNECTED---> connected
 *                        ^      |                      |
 *                        |      +------- lost ---------+
 *                        |                  v
 *                        +-- later -- waiting | offline      (offline: the browser reports no network)
 *
 *   any state --a refusal that another attempt would repeat--> refused --connect--> connecting
 *   any state --close--> closed --connect--> connecting
 *
 * A relay that is about to stop announces when to move (extension `drain`). The next link is then opened beside the old
 * one and replaces it; the state stays `connected`.
 */
import { askAdmission } from './admission.js';
import { backoffMs } from './backoff.js';
import { FINAL, LATER, TOKEN_EXPIRED } from './close-codes.js';
import { deferred } from './deadline.js';
import type { Deferred } from './deadline.js';
import { Listeners } from './listeners.js';
import type { Headers } from './message.js';
import { isHidden, isOffline, watchPage } from './page.js';
import { asRelayError, closedError, lostError, RelayError } from './relay-error.js';
import { StompLink } from './stomp-link.js';
import type { LinkEvents, LinkOptions } from './stomp-link.js';
import { credentialHeaders, renew } from './token.js';
import type { Credentials } from './token.js';

/** An immutable snapshot; the same object until the state changes. */
export type ConnectionState =
  | { readonly name: 'idle' }
  | { readonly name: 'connecting'; readonly attempt: number; readonly reason?: RelayError | undefined }
  | { readonly name: 'connected' }
  /** `retryAt` is in milliseconds since 1970. */
  | { readonly name: 'waiting'; readonly attempt: number; readonly retryAt: number; readonly reason: RelayError }
  | { readonly name: 'offline'; readonly attempt: number; readonly retryAt: number; readonly reason: RelayError }
  | { readonly name: 'refused'; readonly reason: RelayError }
  | { readonly name: 'closed' };

export interface ConnectionOptions extends LinkOptions, Credentials {
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
}

/** The traffic over the links. */
export interface LinkUser extends Pick<LinkEvents, 'onReply' | 'onSubscriptionNotice' | 'onRefused' | 'onReport'> {
  /** The first link after a time without one. */
  attach(link: StompLink): Promise<void>;
  /** `next` replaces `old`; `old` is closed as soon as it is no longer needed. */
  move(next: StompLink, old: StompLink): Promise<void>;
  /** `link` has ended. */
  detach(link: StompLink): void;
  /** No link will come, for this reason. A link that is still open is about to be closed. */
  end(reason: RelayError): void;
}

/** After a connection of at least this length the next pause is short again. */
const STABLE_MS = 5_000;
/** Failures assumed if a relay is busy: the pause stays below 8 s with the default of 500 ms. */
const LATER_FAILURES = 4;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #user: LinkUser;
  readonly #listeners = new Listeners<ConnectionState>();
  #state: ConnectionState = { name: 'idle' };
  /** The current link. */
  #link: StompLink | undefined;
  /** All open links. During a move also the link that replaces the current one, or that it has replaced. */
  readonly #links = new Set<StompLink>();
  /** The promise that `connect()` returns. */
  #connecting: Deferred<void> | undefined;
  /** Failures in a row. */
  #failures = 0;
  /** A new number invalidates an attempt that is under way. */
  #attempt = 0;
  #connectedAt = Infinity;
  /** The relay accepts this page, or is being asked: a failed handshake needs no question. */
  #isAdmitted = false;
  /** For the next attempt or, while connected, for the move to another relay. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #unwatchPage: (() => void) | undefined;

  constructor(options: ConnectionOptions, user: LinkUser) {
    this.#options = options;
    this.#user = user;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  onState(listener: (state: ConnectionState) => void): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Tries at once, even if the next attempt is already scheduled. Resolves when connected; rejects when refused or
   * closed.
   */
  connect(): Promise<void> {
    if (this.#state.name === 'connected') return Promise.resolve();
    this.#connecting ??= deferred();
    const { promise } = this.#connecting;
    if (this.#state.name === 'connecting') return promise;
    this.#unwatchPage ??= watchPage({
      online: () => this.#tryNow(),
      offline: () => this.#drop(new RelayError('offline', 'There is no network.')),
      visibilitychange: () => isHidden() || this.#tryNow(),
      // the browser keeps no page with an open connection in its page cache
      pagehide: () => this.#drop(lostError()),
      pageshow: () => this.#tryNow(),
    });
    void this.#open();
    return promise;
  }

  async close(): Promise<void> {
    await this.#stop({ name: 'closed' }, closedError());
    if (this.#state.name === 'closed') this.#user.end(closedError()); // rejects what was sent but not answered
  }

  /** `waiting` or `offline`. */
  get #isPending(): boolean {
    return 'retryAt' in this.#state;
  }

  async #open(): Promise<void> {
    clearTimeout(this.#timer);
    const { reason } = this.#state as { reason?: RelayError };
    const attempt = ++this.#attempt;
    this.#become({ name: 'connecting', attempt: this.#failures + 1, reason });
    try {
      const credentials = await this.#credentials();
      if (attempt === this.#attempt) this.#link = this.#newLink(credentials);
    } catch (error) {
      if (attempt === this.#attempt) this.#failed(asRelayError(error, 'cannot-connect'));
    }
  }

  #credentials(): Promise<Headers> {
    return credentialHeaders(this.#options, this.#options.connectTimeoutMs);
  }

  get #url(): string {
    return new URL(this.#options.url, globalThis.location?.href).href.replace(/^http/, 'ws');
  }

  #newLink(credentials: Headers): StompLink {
    const options = { ...this.#options, url: this.#url };
    const link: StompLink = new StompLink(options, credentials, {
      ...this.#user,
      onConnected: () => this.#up(link),
      onEnded: (error, code) => this.#over(link, error, code),
      onNotice: (destination, notice) => this.#noticed(link, destination, notice),
    });
    this.#links.add(link);
    return link;
  }

  #up(link: StompLink): void {
    const old = this.#link;
    this.#link = link;
    this.#isAdmitted = true;
    this.#connectedAt = Date.now();
    if (old && old !== link) return void this.#user.move(link, old);
    void this.#user.attach(link);
    this.#connecting?.resolve();
    this.#connecting = undefined;
    this.#become({ name: 'connected' });
  }

  #over(link: StompLink, error: RelayError, code: number): void {
    this.#links.delete(link);
    this.#user.detach(link);
    if (link === this.#link) this.#lost(error, code);
  }

  /** The current link ended, or could not be opened. */
  #lost(error: RelayError, code: number): void {
    if (Date.now() - this.#connectedAt > STABLE_MS) this.#failures = 0;
    void this.#leave();
    this.#failed(error, code);
  }

  #failed(error: RelayError, code = 0): void {
    const isFinal = FINAL.includes(code) || (code === TOKEN_EXPIRED && !this.#hasFreshTokens);
    if (isFinal || ['no-token', 'cannot-connect'].includes(error.code)) {
      return void this.#stop({ name: 'refused', reason: error }, error);
    }
    const { reconnectMinMs, reconnectMaxMs } = this.#options;
    if (LATER.includes(code)) this.#failures = Math.max(this.#failures, LATER_FAILURES);
    const isAtOnce = code === TOKEN_EXPIRED && this.#failures === 0;
    const pauseMs = isAtOnce ? 0 : backoffMs(this.#failures, reconnectMinMs, reconnectMaxMs);
    this.#failures++;
    this.#pause(error, pauseMs);
    if (code === 1006 && !this.#isAdmitted) void this.#askWhy();
  }

  /** The next attempt does not wait for the answer. */
  async #askWhy(): Promise<void> {
    const attempt = this.#attempt;
    this.#isAdmitted = true;
    const { originAllowed, error = '', message = '' } = await askAdmission(this.#url, this.#options.connectTimeoutMs);
    if (!originAllowed) this.#isAdmitted = false;
    if (originAllowed !== false || attempt !== this.#attempt) return;
    const reason = new RelayError(error, message);
    void this.#stop({ name: 'refused', reason }, reason);
  }

  get #hasFreshTokens(): boolean {
    return typeof this.#options.token === 'function';
  }

  #pause(reason: RelayError, ms: number): void {
    // `navigator.onLine` can be wrong, so attempts go on at long intervals
    const name = isOffline() ? 'offline' : 'waiting';
    if (isOffline()) ms = this.#options.reconnectMaxMs * (0.5 + Math.random() / 2);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#open(), ms);
    this.#become({ name, attempt: this.#failures, retryAt: Date.now() + ms, reason });
  }

  /** Resolves when all links have ended. */
  #stop(state: ConnectionState, reason: RelayError): Promise<unknown> {
    this.#attempt++;
    clearTimeout(this.#timer);
    this.#unwatchPage?.();
    this.#unwatchPage = undefined;
    this.#failures = 0;
    this.#connecting?.reject(reason);
    this.#connecting = undefined;
    const left = this.#leave();
    this.#user.end(reason);
    this.#become(state);
    return left;
  }

  #leave(): Promise<unknown> {
    this.#link = undefined;
    this.#connectedAt = Infinity;
    return Promise.all([...this.#links].map((link) => link.close()));
  }

  /** Always the last step: listeners may call `connect` or `close`. */
  #become(state: ConnectionState): void {
    this.#state = state;
    this.#listeners.notify(state);
  }

  // Events of the browser

  /** The browser reports the loss before heart-beats would show it. */
  #drop(error: RelayError): void {
    if (this.#link) this.#link.drop(error);
    else if (this.#isPending) this.#pause(error, 0);
  }

  /** The browser reports a change for the better: stop waiting. */
  #tryNow(): void {
    if (this.#isPending && !isOffline()) void this.#open();
  }

  // Notices of the relay about the session

  #noticed(link: StompLink, destination: string | undefined, headers: Headers): void {
    if (destination === '/relay/token-expiring' && this.#hasFreshTokens) {
      void renew(link, () => this.#credentials(), Number(headers['expires-in-ms']));
    } else if (destination === '/relay/drain' && link === this.#link) {
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.#move(link), Number(headers['move-in-ms']));
    }
  }

  async #move(old: StompLink): Promise<void> {
    try {
      const credentials = await this.#credentials();
      if (this.#link === old) this.#newLink(credentials);
    } catch {
      // the end of the old link leads to a reconnect
    }
  }
}
