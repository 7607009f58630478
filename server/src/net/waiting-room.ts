/**
 * Clients from which the relay still waits for something: a handshake, a request, a login. Their number is bounded.
 * When the room is full, the network with the most loses its oldest client, so that silent clients of one network do
 * not keep out those of others.
 *
 * A client of the largest network itself only replaces one that has waited for a second. So a burst of one network
 * (after a restart, behind a proxy) does not displace its own clients before they could send anything, and silent
 * clients do not keep out their neighbours.
 */
import { BoundedFairQueue } from '../timing/fair-queue.js';

export interface WaitingRoomOptions<T> {
  /** The option with `max`. */
  readonly limit: string;
  readonly max: number;
  /** Called for a client that has lost its place. */
  evict(client: T): void;
  /** In ms. */
  now?(): number;
}

interface Place<T> {
  readonly client: T;
  readonly network: string;
  readonly since: number;
}

const PATIENCE_MS = 1_000;

export class WaitingRoom<T> {
  /** Number of clients that did not get a place, or lost it. */
  turnedAway = 0;
  private readonly queue = new BoundedFairQueue<Place<T>>();
  private readonly places = new Map<T, Place<T>>();

  constructor(private readonly options: WaitingRoomOptions<T>) {}

  get limit(): string {
    return this.options.limit;
  }

  get max(): number {
    return this.options.max;
  }

  get size(): number {
    return this.queue.size;
  }

  clients(): Iterable<T> {
    return this.places.keys();
  }

  /** False if there is no room. */
  enter(client: T, network: string): boolean {
    if (this.size >= this.options.max && !this.makeRoom(network)) {
      this.turnedAway++;
      return false;
    }
    const place = { client, network, since: this.now() };
    this.places.set(client, place);
    this.queue.enter(place, network);
    return true;
  }

  /** Evicts a client for one of `network`; with `onlyFair` not for one of the largest. False if none may be evicted. */
  makeRoom(network: string, onlyFair = false): boolean {
    const victim = this.queue.surplusFor(network) ?? (onlyFair ? undefined : this.overdue);
    if (!victim) return false;
    this.evict(victim.client);
    return true;
  }

  /** Removes and returns the client whose turn is next: the oldest of each network in turn. */
  next(): T | undefined {
    const place = this.queue.next();
    if (place) this.places.delete(place.client);
    return place?.client;
  }

  /** Evicts the clients that have waited for `ms` or longer. */
  evictOlderThan(ms: number): void {
    const now = this.now();
    for (const place of this.places.values()) {
      if (now - place.since < ms) return; // the oldest come first
      this.evict(place.client);
    }
  }

  /** Does nothing for a client that is not in the room. */
  leave(client: T): void {
    const place = this.places.get(client);
    if (!place) return;
    this.places.delete(client);
    this.queue.leave(place, place.network);
  }

  private evict(client: T): void {
    this.turnedAway++;
    this.leave(client);
    this.options.evict(client);
  }

  private get overdue(): Place<T> | undefined {
    const oldest = this.queue.oldestOfLargest;
    return oldest && this.now() - oldest.since >= PATIENCE_MS ? oldest : undefined;
  }

  private now(): number {
    return this.options.now?.() ?? performance.now();
  }
}
