/** One field: its name, its latest value, and its line, which is redrawn every frame without React. */
import { useEffect, useRef } from 'react';
import { formatNumber } from '../ui/format.js';
import { drawLane } from './draw-lane.js';
import { rangeOf } from './series.js';
import type { Lane as LaneFigures, Range, Series } from './series.js';

/** The share of the way to a new scale that each frame covers. */
const SCALE_STEP = 0.15;
/** The redraw interval for users who prefer reduced motion. */
const CALM_MS = 1_000;

interface LaneProps {
  readonly series: Series;
  readonly lane: LaneFigures;
  /** The number of the colour. */
  readonly tone: number;
}

export function Lane({ series, lane, tone }: LaneProps) {
  const { field, latest, range } = lane;
  const canvas = useRef<HTMLCanvasElement>(null);

  useEffect(() => (canvas.current ? animate(canvas.current, series, field) : undefined), [series, field]);

  return (
    <li className="lane" data-tone={tone}>
      <div className="lane-figures">
        <p className="lane-name">{field}</p>
        <p className="lane-value">{formatNumber(latest)}</p>
        {range && (
          <p className="lane-range">
            {formatNumber(range.low)} – {formatNumber(range.high)}
          </p>
        )}
      </div>
      <canvas ref={canvas} role="img" aria-label={`${field} in the last 30 seconds`} />
    </li>
  );
}

/** Returns a function that stops the drawing. */
function animate(canvas: HTMLCanvasElement, series: Series, field: string): () => void {
  const context = canvas.getContext('2d');
  if (context === null) return () => {};
  const calm = matchMedia('(prefers-reduced-motion: reduce)');
  let current: Range | undefined;
  let drawnAt = 0;
  let wasMoving = true;
  let request = requestAnimationFrame(draw);

  function draw(): void {
    request = requestAnimationFrame(draw);
    const now = Date.now();
    if (calm.matches && now - drawnAt < CALM_MS) return;
    const isMoving = series.isMoving(now);
    if (!isMoving && !wasMoving) return; // nothing has changed
    [drawnAt, wasMoving] = [now, isMoving];
    const points = series.points(field, now);
    const range = rangeOf(points) ?? current ?? { low: 0, high: 1 };
    current = current === undefined || calm.matches ? range : between(current, range);
    const { clientWidth: width, clientHeight: height } = canvas;
    fit(canvas, context as CanvasRenderingContext2D, width, height);
    drawLane(context as CanvasRenderingContext2D, points, {
      width,
      height,
      now,
      range: current,
      color: getComputedStyle(canvas).color,
    });
  }

  return () => cancelAnimationFrame(request);
}

function between(from: Range, to: Range): Range {
  return { low: from.low + (to.low - from.low) * SCALE_STEP, high: from.high + (to.high - from.high) * SCALE_STEP };
}

/** Matches the canvas to the pixels of the screen. */
function fit(canvas: HTMLCanvasElement, context: CanvasRenderingContext2D, width: number, height: number): void {
  const pixels = devicePixelRatio;
  const [wide, high] = [Math.round(width * pixels), Math.round(height * pixels)];
  if (canvas.width !== wide || canvas.height !== high) [canvas.width, canvas.height] = [wide, high];
  context.setTransform(pixels, 0, 0, pixels, 0, 0);
}
