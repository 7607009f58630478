/** A bar for each server, as SVG by hand; it follows the reader's light or dark theme. */
import { number } from './report.js';

export interface Bar {
  readonly title: string;
  readonly value: number;
  readonly isOurs: boolean;
}

const WIDTH = 760;
const LABEL_WIDTH = 220;
const NUMBER_WIDTH = 110;
const ROW = 30;
const TOP = 64;

export function barChart(title: string, subtitle: string, bars: readonly Bar[]): string {
  const sorted = [...bars].sort((a, b) => b.value - a.value);
  const most = Math.max(1, ...sorted.map((bar) => bar.value));
  const room = WIDTH - LABEL_WIDTH - NUMBER_WIDTH;
  const rows = sorted.map((bar, i) => {
    const y = TOP + i * ROW;
    const width = Math.max(2, (bar.value / most) * room);
    return [
      `<text x="${LABEL_WIDTH - 12}" y="${y + 15}" class="label" text-anchor="end">${escape(bar.title)}</text>`,
      `<rect x="${LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="20" rx="3" class="${bar.isOurs ? 'ours' : 'peer'}"/>`,
      `<text x="${(LABEL_WIDTH + width + 8).toFixed(1)}" y="${y + 15}" class="label">${number(bar.value, 0)}</text>`,
    ].join('\n');
  });
  const height = TOP + sorted.length * ROW + 10;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escape(title)}">
<style>
text { font-family: system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 } .subtitle { font-size: 12px; fill: #59636e } .label { font-size: 13px }
.ours { fill: #0969da } .peer { fill: #afb8c1 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .subtitle { fill: #9198a1 } .ours { fill: #4493f8 } .peer { fill: #59636e }
}
</style>
<text x="16" y="26" class="title">${escape(title)}</text>
<text x="16" y="46" class="subtitle">${escape(subtitle)}</text>
${rows.join('\n')}
</svg>
`;
}

export function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
