/** One field's line on a canvas: the mean as a line, and a band from the lowest to the highest value. */
import { WINDOW_MS } from './series.js';
import type { Point, Range } from './series.js';

/** Points further apart are not joined, because there is no data in between. */
const GAP_MS = 5_000;
const MARGIN = 6;

export interface LaneView {
  /** CSS pixels. */
  readonly width: number;
  readonly height: number;
  /** The time at the right edge, epoch ms. */
  readonly now: number;
  /** The values at the bottom and the top. */
  readonly range: Range;
  readonly color: string;
}

export function drawLane(context: CanvasRenderingContext2D, points: readonly Point[], view: LaneView): void {
  const { width, height, now, range, color } = view;
  const x = (at: number): number => width - ((now - at) / WINDOW_MS) * width;
  const span = range.high - range.low;
  // a constant line is in the middle
  const y = (value: number): number =>
    height - MARGIN - (span === 0 ? 0.5 : (value - range.low) / span) * (height - 2 * MARGIN);

  context.clearRect(0, 0, width, height);
  context.fillStyle = context.strokeStyle = color;
  context.lineWidth = 1.75;
  context.lineJoin = context.lineCap = 'round';
  for (const part of withoutGaps(points)) {
    const [first, last] = [part[0] as Point, part.at(-1) as Point];
    const trace = (value: (point: Point) => number, order = part): void => {
      for (const point of order) context.lineTo(x(point.at), y(value(point)));
    };

    context.globalAlpha = 0.1; // the area below the line
    context.beginPath();
    trace(({ mean }) => mean);
    context.lineTo(x(last.at), height);
    context.lineTo(x(first.at), height);
    context.fill();

    context.globalAlpha = 0.22;
    context.beginPath();
    trace(({ max }) => max);
    trace(({ min }) => min, [...part].reverse());
    context.fill();

    context.globalAlpha = 1;
    context.beginPath();
    trace(({ mean }) => mean);
    if (part.length === 1) context.lineTo(x(first.at) + 0.01, y(first.mean)); // the round line caps draw a dot
    context.stroke();
  }
}

function withoutGaps(points: readonly Point[]): Point[][] {
  const parts: Point[][] = [];
  let before = -Infinity;
  for (const point of points) {
    if (point.at - before > GAP_MS) parts.push([]);
    parts.at(-1)?.push(point);
    before = point.at;
  }
  return parts;
}
