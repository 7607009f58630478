/** Describes a run that broke a rule: the violations, the faults, and the events of the messages involved. */
import { partsOf } from './history.js';
import type { EventOf, History, HistoryEvent } from './history.js';
import type { Violation } from './rules.js';

const VIOLATIONS_MAX = 5;
const LINES_MAX = 60;
const BAR_WIDTH = 50;

export function describeViolations(violations: readonly Violation[], history: History): string {
  const counts = new Map<string, number>();
  for (const { rule } of violations) counts.set(rule, (counts.get(rule) ?? 0) + 1);
  return [
    ...[...counts].map(([rule, count]) => `${count} violations: ${rule}`),
    '',
    ...drawFaults(history),
    ...violations.slice(0, VIOLATIONS_MAX).flatMap((violation) => ['', ...drawViolation(violation, history)]),
  ].join('\n');
}

/** One line per fault, with a bar for its time in the run. */
export function drawFaults(history: History): string[] {
  const faults = history.of('fault').sort((a, b) => a.at - b.at);
  const endMs = Math.max(...history.events.map(({ at }) => at), 1);
  const column = (ms: number): number => Math.min(BAR_WIDTH, Math.round((ms / endMs) * BAR_WIDTH));
  return faults.map(({ at, untilMs, name }) => {
    const [from, to] = [column(at), column(untilMs)];
    const bar = `${' '.repeat(from)}${'#'.repeat(Math.max(1, to - from))}`.padEnd(BAR_WIDTH + 1);
    return `  ${seconds(at)} to ${seconds(untilMs)} |${bar}| ${name}`;
  });
}

/** The events of the violation's messages and sessions, with the faults and the calm. */
function drawViolation({ rule, sentence, messages, sessions }: Violation, history: History): string[] {
  const publishers = messages.map((message) => partsOf(message).session);
  const involved = new Set([...sessions, ...publishers]);
  const isInvolved = (event: HistoryEvent): boolean => {
    if (event.kind === 'fault' || event.kind === 'calm' || event.kind === 'readiness') return true;
    if (event.kind === 'crowded' || (event.kind === 'checked' && event.delivered === event.received)) return false;
    if ('message' in event && event.message !== undefined) return messages.includes(event.message);
    return involved.has(event.session);
  };
  const lines = history.events
    .filter(isInvolved)
    .sort((a, b) => a.at - b.at)
    .map((event) => `  ${seconds(event.at)}  ${describe(event)}`);
  return [`${rule}: ${sentence}`, ...lines.slice(0, LINES_MAX)];
}

function describe(event: HistoryEvent): string {
  switch (event.kind) {
    case 'fault':
      return `---- ${event.name}, until ${seconds(event.untilMs).trim()}`;
    case 'calm':
      return '---- calm';
    case 'readiness':
      return `---- ${event.url} is ${event.isReady ? 'ready' : 'not ready'}`;
    case 'crowded':
      return `a client of the crowd was answered ${event.answer}`;
    case 'connected':
      return `${event.session} connected to ${event.url}`;
    case 'closed':
      return `${event.session} ${event.intended ? 'left' : `was closed with ${event.code}`}`;
    case 'subscribed':
      return `${event.session} subscribed to ${event.destination}`;
    case 'sent':
      return `${event.session} SEND ${event.message}`;
    case 'confirmed':
      return `${event.session} RECEIPT of ${event.message}`;
    case 'error':
      return `${event.session} ${event.isSoft ? 'soft ' : ''}ERROR ${event.code} ${event.message ?? ''} ${event.sentence ?? ''}`.trimEnd();
    case 'returned':
      return `${event.session} returned to ${event.subscription} with ${event.since ?? 'now'}: ${verdictOf(event)}`;
    case 'gap':
      return `${event.session} has a gap of ${event.subscription} (${event.reason}), ${event.from} to ${event.to}`;
    case 'checked':
      return `${event.session} got ${event.received} messages of ${event.subscription}, by the relay ${event.delivered}`;
    case 'delivered':
      return `${event.session} MESSAGE ${event.message}${marksOf(event)}`;
  }
}

function marksOf({ redelivered, resent, kept }: EventOf<'delivered'>): string {
  const place = kept
    ? ` at ${kept.position}${kept.isReplayed ? ' replayed' : ''}${kept.isAfterGap ? ' after a gap' : ''}`
    : '';
  return `${redelivered ? ' redelivered' : ''}${resent ? ' relay-resent' : ''}${place}`;
}

function verdictOf({ recovered, reason = '', position = '' }: EventOf<'returned'>): string {
  return [recovered === undefined ? 'live' : recovered ? 'recovered' : 'not recovered', reason, position].join(' ');
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(3).padStart(7)} s`;
}
