/** SVG line charts with logarithmic axes, in panels. They follow the reader's light or dark theme. */
import { escape } from '../chart.js';
import { number } from '../ratios.js';

export interface Series {
  readonly title: string;
  readonly isOurs: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
}

const PANEL_WIDTH = 370;
const PANEL_HEIGHT = 204;
const TOP = 84;
const PLOT = { left: 52, right: 40, top: 34, bottom: 50 };

interface Scale {
  readonly ticks: readonly number[];
  at(value: number): number;
}

/** Draws two panels per row. Values below 1 are drawn at 1. */
export function lineChart(title: string, subtitle: string, xTitle: string, panels: readonly Panel[]): string {
  const height = TOP + Math.ceil(panels.length / 2) * PANEL_HEIGHT + 8;
  const width = 2 * PANEL_WIDTH + 20;
  const legend = [...new Map(panels.flatMap(({ series }) => series).map((each) => [each.title, each])).values()];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escape(title)}">
<style>
text { font-family: system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328; font-size: 11px }
.title { font-size: 17px; font-weight: 600 } .head { font-size: 13px; font-weight: 600 } .dim { fill: #59636e }
.grid { stroke: #d1d9e0 } .ours { stroke: #0969da } .peer { stroke: #afb8c1 } circle.ours { fill: #0969da } circle.peer { fill: #afb8c1 }
polyline { fill: none; stroke-width: 2.5 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .dim { fill: #9198a1 } .grid { stroke: #3d444d }
.ours { stroke: #4493f8 } .peer { stroke: #656c76 } circle.ours { fill: #4493f8 } circle.peer { fill: #656c76 }
}
</style>
<text x="16" y="26" class="title">${escape(title)}</text>
<text x="16" y="46" class="dim">${escape(subtitle)}</text>
${legend.map((series, i) => legendEntry(series, 16 + i * 180)).join('\n')}
${panels.map((panel, i) => drawPanel(panel, xTitle, 10 + (i % 2) * PANEL_WIDTH, TOP + Math.floor(i / 2) * PANEL_HEIGHT)).join('\n')}
</svg>
`;
}

function legendEntry({ title, isOurs }: Series, x: number): string {
  const kind = kindOf(isOurs);
  return `<circle cx="${x + 5}" cy="64" r="4" class="${kind}"/><text x="${x + 15}" y="68">${escape(title)}</text>`;
}

function drawPanel({ title, series }: Panel, xTitle: string, left: number, top: number): string {
  const points = series.flatMap((each) => each.points);
  const floor = PANEL_HEIGHT - PLOT.bottom;
  const right = PANEL_WIDTH - PLOT.right;
  const x = logScale(
    points.map(([value]) => value),
    PLOT.left,
    right,
    false,
  );
  const y = logScale(
    points.map(([, value]) => value),
    floor,
    PLOT.top,
    true,
  );
  const grid = y.ticks.map(
    (tick) =>
      `<line x1="${PLOT.left}" y1="${round(y.at(tick))}" x2="${right}" y2="${round(y.at(tick))}" class="grid"/>` +
      `<text x="${PLOT.left - 6}" y="${round(y.at(tick) + 4)}" text-anchor="end" class="dim">${number(tick, 0)}</text>`,
  );
  const marks = x.ticks.map(
    (tick) =>
      `<text x="${round(x.at(tick))}" y="${floor + 29}" text-anchor="middle" class="dim">${number(tick, 0)}</text>`,
  );
  return [
    `<g transform="translate(${left} ${top})">`,
    `<text x="${PLOT.left}" y="20" class="head">${escape(title)}</text>`,
    ...grid,
    ...marks,
    `<text x="${(PLOT.left + right) / 2}" y="${floor + 43}" text-anchor="middle" class="dim">${escape(xTitle)}</text>`,
    ...[...series].reverse().map((each) => drawSeries(each, x, y)),
    '</g>',
  ].join('\n');
}

/** The relay's numbers are below its line, the other server's above. */
function drawSeries({ isOurs, points }: Series, x: Scale, y: Scale): string {
  const kind = kindOf(isOurs);
  const places = points.map(([px, py]) => ({ px: round(x.at(px)), py: round(y.at(py)), value: py }));
  return [
    `<polyline points="${places.map(({ px, py }) => `${px},${py}`).join(' ')}" class="${kind}"/>`,
    ...places.map(
      ({ px, py, value }) =>
        `<circle cx="${px}" cy="${py}" r="3.5" class="${kind}"/>` +
        `<text x="${px}" y="${py + (isOurs ? 15 : -8)}" text-anchor="middle">${number(value, 0)}</text>`,
    ),
  ].join('\n');
}

function logScale(values: readonly number[], from: number, to: number, isByDecades: boolean): Scale {
  const floored = values.map((value) => Math.max(1, value));
  const least = Math.min(...floored);
  const most = Math.max(...floored);
  const low = isByDecades ? Math.floor(Math.log10(least)) : Math.log10(least);
  const high = Math.max(low + 1, isByDecades ? Math.ceil(Math.log10(most)) : Math.log10(most));
  const ticks = isByDecades ? Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)) : [...new Set(values)];
  return { ticks, at: (value) => from + ((Math.log10(Math.max(1, value)) - low) / (high - low)) * (to - from) };
}

const kindOf = (isOurs: boolean): string => (isOurs ? 'ours' : 'peer');
const round = (value: number): number => Math.round(value * 10) / 10;
