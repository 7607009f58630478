/**
 * How much work the parser does, counted and not timed: bytes that are searched, copied, decoded or joined, and looks at
 * the cursor. A parser that searches or joins again what it has seen takes more for each byte the more bytes there are.
 */
import { ChunkQueue } from '../../../../server/src/stomp/chunk-queue.js';

type Method = (this: never, ...parameters: never[]) => unknown;

/** Counted for each call: the bytes that it goes over. */
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
