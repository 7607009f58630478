/** One line of the log for a person at a terminal: time, level, message, details. */

interface LogLine {
  readonly level: string;
  readonly time: string;
  readonly msg?: string;
  readonly worker?: number;
  readonly [detail: string]: unknown;
}

/** `json` is a line of the JSON log. Control characters of values stay escaped: a terminal would obey them. */
export function textLine(json: string): string {
  const { level, time, msg = '', worker, ...details } = JSON.parse(json) as LogLine;
  const source = worker === undefined ? '' : `[${worker}] `;
  const shown = Object.entries(details).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
  const text = `${time.slice(11, 23)} ${level.toUpperCase().padEnd(5)} ${source}${printable(msg)}${shown.join('')}`;
  return `${text}\n`;
}

/** A message may name a destination or a user, with characters that are a client's choice. */
function printable(text: string): string {
  return JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"');
}
