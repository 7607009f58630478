/**
 * Counts the work of the parser instead of timing it: bytes that are searched, copied, decoded or joined, and reads of
 * the cursor. In a parser that searches or joins bytes repeatedly, the work for each byte grows with the number of
 * bytes.
 */
import { ChunkQueue } from '../../../../server/src/stomp/chunk-queue.js';

type Method = (this: never, ...parameters: never[]) => unknown;

/** The counted methods. `bytes` is the number of bytes that a call processes. */
const COUNTED: readonly (readonly [
  object: object,
  name: string,
  bytes: (self: never, ...parameters: never[]) => number,
])[] = [
  [Buffer.prototype, 'indexOf', (self: Buffer, _: number, from = 0) => self.length - from],
  [Buffer.prototype, 'toString', (self: Buffer) => self.length],
  [Buffer.prototype, 'copy', (self: Buffer) => self.length],
  [Buffer, 'concat', (_: object, parts: Buffer[]) => parts.reduce((sum, { length }) => sum + length, 0)],
  [Buffer, 'from', (_: object, bytes: Buffer) => bytes.length],
  [ChunkQueue.prototype, 'hasByte', () => 1],
  [ChunkQueue.prototype, 'unit', (self: ChunkQueue) => self.unitBytes],
];

export function workOf(run: () => void): number {
  let work = 0;
  const originals = COUNTED.map(([object, name, bytes]) => {
    const methods = object as Record<string, Method>;
    const method = methods[name]!;
    methods[name] = function (this: never, ...parameters: never[]) {
      work += bytes(this, ...parameters);
      return method.apply(this, parameters);
    };
    return () => (methods[name] = method);
  });
  try {
    run();
  } finally {
    for (const restore of originals) restore();
  }
  return work;
}
