/**
 * Clients of a relay that died stand at the same places, because they shared their messages. Their replays get the same
 * arrays, so that the session side makes the bytes of a chunk once.
 */
import type { HistoryMessage } from './history-message.js';
import type { KeyPattern } from './key-table.js';
import type { RingItem } from './replay-plan.js';
import type { Ring, RingStep } from './ring.js';

const CHUNKS_MAX = 32;

type Step = RingStep<HistoryMessage>;

interface Chunk {
  readonly step: Exclude<Step, 'overrun'>;
  /** The ring's newest entry at that time. */
  readonly newest: number;
}

export class ChunkCache {
  private readonly chunks = new Map<string, Chunk>();
  private readonly buffered = new Map<string, readonly HistoryMessage[]>();

  constructor(private readonly ring: Ring<RingItem>) {}

  next(cursor: number, pattern: KeyPattern, maxBytes: number): Step {
    if (cursor < this.ring.floor) return 'overrun';
    if (cursor >= this.ring.newest) return { items: [], cursor };
    const name = `${cursor} ${maxBytes} ${pattern.pattern}`;
    const known = this.chunks.get(name);
    // Up to the end of the ring of that time: there may be more now
    if (known && (known.step.cursor < known.newest || known.newest === this.ring.newest)) return known.step;
    // Only messages have keys that match
    const step = this.ring.next(cursor, pattern, maxBytes) as Step;
    if (step !== 'overrun' && step.items.length > 0) keep(this.chunks, name, { step, newest: this.ring.newest });
    return step;
  }

  /** The array for messages that a reader has read. */
  shared(messages: readonly HistoryMessage[], { pattern }: KeyPattern): readonly HistoryMessage[] {
    const name = `${messages[0]!.offset} ${messages.at(-1)!.offset} ${messages.length} ${pattern}`;
    const known = this.buffered.get(name);
    if (known?.every((each, index) => each === messages[index])) return known;
    keep(this.buffered, name, messages);
    return messages;
  }

  clear(): void {
    this.chunks.clear();
    this.buffered.clear();
  }
}

function keep<T>(cache: Map<string, T>, name: string, value: T): void {
  cache.delete(name);
  if (cache.size >= CHUNKS_MAX) cache.delete(cache.keys().next().value!);
  cache.set(name, value);
}
