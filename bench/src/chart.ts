/**
 * An SVG bar chart with one bar per server. It has its own background, so that it is readable on any page, and follows
 * the reader's light or dark theme.
 */
import { tenths, whole } from './ratios.js';

export interface Bar {
  readonly title: string;
  readonly value: number;
  /** The value as a multiple of RabbitMQ Web STOMP's. */
  readonly times: number;
  readonly isOurs: boolean;
}

interface Words {
  readonly title: string;
  readonly subtitle: string;
  readonly footer: readonly string[];
}

const WIDTH = 800;
const LABEL_WIDTH = 256;
const NUMBER_WIDTH = 150;
const ROW = 32;
const TOP = 72;

export function barChart({ title, subtitle, footer }: Words, bars: readonly Bar[]): string {
  const sorted = [...bars].sort((a, b) => b.value - a.value);
  const most = Math.max(1, ...sorted.map((bar) => bar.value));
  const room = WIDTH - LABEL_WIDTH - NUMBER_WIDTH;
  const rows = sorted.map((bar, i) => {
    const y = TOP + i * ROW;
    const width = Math.max(2, (bar.value / most) * room);
    const kind = bar.isOurs ? 'ours' : 'peer';
    const times = Number.isFinite(bar.times) ? ` <tspan class="small">${factor(bar.times)}</tspan>` : '';
    return [
      `<text x="${LABEL_WIDTH - 12}" y="${y + 16}" class="${kind}-label" text-anchor="end">${escape(bar.title)}</text>`,
      `<rect x="${LABEL_WIDTH}" y="${y}" width="${width.toFixed(1)}" height="22" rx="3" class="${kind}"/>`,
      `<text x="${(LABEL_WIDTH + width + 8).toFixed(1)}" y="${y + 16}">${whole(bar.value)}${times}</text>`,
    ].join('\n');
  });
  const end = TOP + sorted.length * ROW;
  const notes = ['Small figures: times RabbitMQ Web STOMP.', ...footer];
  const last = notes.map((note, i) => `<text x="20" y="${end + 20 + i * 16}" class="small">${escape(note)}</text>`);
  const height = end + 20 + notes.length * 16;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escape(title)}">
<style>
text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328 }
.title { font-size: 17px; font-weight: 600 } .small { font-size: 11.5px; fill: #59636e } .ours-label { font-weight: 600 }
.page { fill: #ffffff } .ours { fill: #0969da } .peer { fill: #afb8c1 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .small { fill: #9198a1 } .page { fill: #0d1117 } .ours { fill: #4493f8 } .peer { fill: #59636e }
}
</style>
<rect width="${WIDTH}" height="${height}" rx="6" class="page"/>
<text x="20" y="30" class="title">${escape(title)}</text>
<text x="20" y="50" class="small">${escape(subtitle)}</text>
${rows.join('\n')}
${last.join('\n')}
</svg>
`;
}

function factor(value: number): string {
  return `${value < 9.95 ? tenths(value) : whole(value)}x`;
}

export function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
