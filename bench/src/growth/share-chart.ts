/** SVG bars divided into shares. The colours suit light and dark pages. */
import { escape } from '../chart.js';

export interface Shares {
  readonly title: string;
  readonly parts: readonly { readonly title: string; readonly percent: number }[];
}

const WIDTH = 760;
const LEFT = 150;
const BAR = 34;
const TOP = 62;
const COLOURS = [
  '#0969da',
  '#bf8700',
  '#1a7f37',
  '#cf222e',
  '#8250df',
  '#57606a',
  '#e16f24',
  '#1b7c83',
  '#bf3989',
  '#6e7781',
  '#afb8c1',
  '#54aeff',
  '#d4a72c',
];
const NUMBER_FROM_PERCENT = 4;

export function shareChart(title: string, subtitle: string, bars: readonly Shares[]): string {
  const titles = [...new Set(bars.flatMap(({ parts }) => parts.map((part) => part.title)))];
  const colourOf = (part: string): string => COLOURS[titles.indexOf(part) % COLOURS.length] ?? '#888';
  const legendTop = TOP + bars.length * (BAR + 12) + 14;
  const height = legendTop + Math.ceil(titles.length / 3) * 20 + 6;
  const legend = titles.map((part, i) => {
    const x = 16 + (i % 3) * 246;
    const y = legendTop + Math.floor(i / 3) * 20;
    return `<rect x="${x}" y="${y}" width="12" height="12" rx="2" fill="${colourOf(part)}"/><text x="${x + 18}" y="${y + 10}">${escape(part)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escape(title)}">
<style>
text { font-family: system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328; font-size: 12px }
.title { font-size: 17px; font-weight: 600 } .dim { fill: #59636e } .inside { fill: #ffffff; font-size: 11px }
@media (prefers-color-scheme: dark) { text { fill: #f0f6fc } .dim { fill: #9198a1 } .inside { fill: #ffffff } }
</style>
<text x="16" y="26" class="title">${escape(title)}</text>
<text x="16" y="46" class="dim">${escape(subtitle)}</text>
${bars.map((bar, i) => drawBar(bar, TOP + i * (BAR + 12), colourOf)).join('\n')}
${legend.join('\n')}
</svg>
`;
}

function drawBar({ title, parts }: Shares, y: number, colourOf: (part: string) => string): string {
  const room = WIDTH - LEFT - 16;
  let x = LEFT;
  const pieces = parts.map((part) => {
    const width = (part.percent / 100) * room;
    const piece =
      `<rect x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" fill="${colourOf(part.title)}"/>` +
      (part.percent < NUMBER_FROM_PERCENT
        ? ''
        : `<text x="${(x + width / 2).toFixed(1)}" y="${y + 21}" text-anchor="middle" class="inside">${part.percent.toFixed(0)} %</text>`);
    x += width;
    return piece;
  });
  return `<text x="${LEFT - 10}" y="${y + 21}" text-anchor="end">${escape(title)}</text>\n${pieces.join('\n')}`;
}
