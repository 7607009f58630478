/** The memory of this process. To read it takes some microseconds. */
import { getHeapStatistics } from 'node:v8';

export interface ProcessMemory {
  /** Resident bytes. */
  readonly residentBytes: number;
  /** Bytes of JavaScript objects, and their limit, at which Node ends the process. */
  readonly heapBytes: number;
  readonly heapMaxBytes: number;
}

export function processMemory(): ProcessMemory {
  const { used_heap_size: heapBytes, heap_size_limit: heapMaxBytes } = getHeapStatistics();
  return { residentBytes: process.memoryUsage.rss(), heapBytes, heapMaxBytes };
}
