/**
 * One bound on the memory that all clients of this process hold together. Sessions and streams add up what they hold
 * (`heldBytes`). Memory that belongs to no single client (stored messages, HTTP bodies) counts too.
 *
 *   within --sum above the bound--> over --sum an eighth below it--> within
 *
 * While it is over, the relay does not read from clients that hold more than their part. If the sum stays above the
 * bound for a moment, or is far above it, the largest clients end, until the others fit.
 *
 * The sum is an estimate, so it counts only while the process really is that large. Conversely, a process that comes
 * close to the limit of its memory ends its largest clients, whatever the sum is. Without pressure a check costs one
 * reading of the size of the process.
 */
import type { ProcessMemory } from '../process/process-memory.js';

export interface MemoryHolder {
  /** The memory that this client holds. */
  readonly heldBytes: number;
  /** The part of it that other clients are charged for: messages that a group shares. */
  readonly sharedBytes: number;
  /** Stops or continues reading from the client. */
  holdBack(mustWait: boolean): void;
  /** Ends the client. Its memory is free when this returns, and it holds nothing. */
  exhaust(sentence: string): void;
}

export interface MemorySources {
  holders(): Iterable<MemoryHolder>;
  /** The memory that belongs to no single client. */
  commonBytes(): number;
}

export interface MemoryBounds {
  readonly memoryMaxBytes: number;
  /** The size of the process at which it is in danger, whatever the sum is. */
  readonly processMaxBytes: number;
}

/** The refusal of new clients while the budget is full. */
export const MEMORY_FULL = 'This relay is short of memory (memoryMaxBytes): try again later.';
export const MEMORY_CHECK_MS = 50;
/** Time for the sum to fall before clients end. */
const GRACE_MS = 500;
/** Time for freed memory to leave the process before another client ends. */
const RELEASE_MS = 250;
/** A client that holds less is never held back or ended. */
const SMALL_BYTES = 64 * 1024;
/** Clients end at once this far above the bound, and reading resumes this far below it, as a part of the bound. */
const SLACK = 1 / 8;
/** Above this part of its limit the heap is short; then clients may hold half of the limit. */
const HEAP_SHORT = 0.75;

interface Claim {
  readonly holder: MemoryHolder;
  readonly bytes: number;
}

export class MemoryBudget {
  /** The number of times that a client was held back, and of clients that ended. */
  pauses = 0;
  endings = 0;
  /** True while all clients together hold too much and none of them is large: new clients have to wait. */
  isFull = false;
  private readonly heldBack = new Set<MemoryHolder>();
  private sources: MemorySources = { holders: () => [], commonBytes: () => 0 };
  private overSince: number | undefined;
  private endedAt = -Infinity;
  /** Bytes read since the last check. */
  private unchecked = 0;
  private readonly stepBytes: number;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly bounds: MemoryBounds,
    private readonly measure: () => ProcessMemory,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.stepBytes = bounds.memoryMaxBytes / 64;
  }

  get maxBytes(): number {
    return this.bounds.memoryMaxBytes;
  }

  /** The clients that are held back now. */
  get paused(): number {
    return this.heldBack.size;
  }

  start(sources: MemorySources): void {
    this.sources = sources;
    this.timer = setInterval(() => this.check(), MEMORY_CHECK_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
    this.letAllGo();
  }

  /** Counts bytes that were read, so that a flood within one turn of the event loop is noticed. */
  grow(bytes: number): void {
    this.unchecked += bytes;
    if (this.unchecked >= this.stepBytes) this.check();
  }

  /** The sum. */
  usedBytes(): number {
    let bytes = this.sources.commonBytes();
    for (const { heldBytes, sharedBytes } of this.sources.holders()) bytes += heldBytes - sharedBytes;
    return bytes;
  }

  /** The client has left. */
  forget(holder: MemoryHolder): void {
    this.heldBack.delete(holder);
  }

  private check(): void {
    this.unchecked = 0;
    const memory = this.measure();
    const { memoryMaxBytes, processMaxBytes } = this.bounds;
    const isHeapShort = memory.heapBytes > HEAP_SHORT * memory.heapMaxBytes;
    if (memory.residentBytes <= memoryMaxBytes && !isHeapShort) return this.relieve();
    const maxBytes = isHeapShort ? Math.min(memoryMaxBytes, memory.heapMaxBytes / 2) : memoryMaxBytes;
    const excess = this.usedBytes() - maxBytes;
    if (excess > 0) this.reduce(excess, maxBytes);
    else if (excess <= -maxBytes * SLACK) this.relieve();
    else this.overSince = undefined;
    if (memory.residentBytes > processMaxBytes) this.endLargest();
  }

  private relieve(): void {
    this.overSince = undefined;
    this.isFull = false;
    this.letAllGo();
  }

  private letAllGo(): void {
    for (const holder of this.heldBack) holder.holdBack(false);
    this.heldBack.clear();
  }

  private reduce(excess: number, maxBytes: number): void {
    this.overSince ??= this.now();
    const claims = this.claims(({ heldBytes, sharedBytes }) => heldBytes - sharedBytes);
    // Clients below a quarter of an equal part can add little before they reach it
    const partBytes = maxBytes / (4 * claims.count);
    for (const { holder, bytes } of claims.large) if (bytes > partBytes) this.hold(holder);
    if (excess < maxBytes * SLACK && this.now() - this.overSince < GRACE_MS) return;
    let left = excess + maxBytes * SLACK;
    for (const { holder, bytes } of claims.large) {
      if (left <= 0) break;
      this.end(holder, bytes);
      left -= bytes;
    }
    this.isFull = left > maxBytes * SLACK;
  }

  /** One at a time, because the memory of an ended client leaves the process late. */
  private endLargest(): void {
    if (this.now() - this.endedAt < RELEASE_MS) return;
    const [largest] = this.claims(({ heldBytes }) => heldBytes).large;
    if (largest !== undefined) this.end(largest.holder, largest.bytes);
  }

  /** The number of clients, and those that are not small, largest first. */
  private claims(bytesOf: (holder: MemoryHolder) => number): { readonly count: number; readonly large: Claim[] } {
    const large: Claim[] = [];
    let count = 0;
    for (const holder of this.sources.holders()) {
      count++;
      const bytes = bytesOf(holder);
      if (bytes >= SMALL_BYTES) large.push({ holder, bytes });
    }
    large.sort((a, b) => b.bytes - a.bytes);
    return { count, large };
  }

  private hold(holder: MemoryHolder): void {
    if (this.heldBack.has(holder)) return;
    this.heldBack.add(holder);
    this.pauses++;
    holder.holdBack(true);
  }

  private end(holder: MemoryHolder, bytes: number): void {
    this.heldBack.delete(holder);
    this.endings++;
    this.endedAt = this.now();
    holder.exhaust(
      `The relay is short of memory (memoryMaxBytes, ${this.maxBytes}), and this client held ${bytes} bytes, more than ` +
        'others: connect again later, send in smaller parts, and read faster.',
    );
  }
}
