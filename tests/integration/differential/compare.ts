/** Compares two transcripts, and checks the lines that differ against the table of deliberate differences. */
import { DELIBERATE } from './deliberate.js';
import type { Difference } from './deliberate.js';
import type { Transcript } from './stage.js';

/** The lines that only one of two transcripts has, in order. */
export interface Gap {
  readonly rabbitmq: readonly string[];
  readonly relay: readonly string[];
}

/** Uses the longest common subsequence, like `diff`. */
export function gapBetween(rabbitmq: Transcript, relay: Transcript): Gap {
  const common = rabbitmq.map(() => relay.map(() => 0).concat(0)).concat([relay.map(() => 0).concat(0)]);
  const at = (i: number, j: number) => common[i]![j]!;
  for (let i = rabbitmq.length - 1; i >= 0; i--) {
    for (let j = relay.length - 1; j >= 0; j--) {
      common[i]![j] = rabbitmq[i] === relay[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const gap = { rabbitmq: [] as string[], relay: [] as string[] };
  let [i, j] = [0, 0];
  while (i < rabbitmq.length || j < relay.length) {
    if (i < rabbitmq.length && j < relay.length && rabbitmq[i] === relay[j]) [i, j] = [i + 1, j + 1];
    else if (j >= relay.length || (i < rabbitmq.length && at(i + 1, j) >= at(i, j + 1)))
      gap.rabbitmq.push(rabbitmq[i++]!);
    else gap.relay.push(relay[j++]!);
  }
  return gap;
}

/** Returns the lines that no difference explains, and the listed differences that no line shows. */
export function complaints(scenario: string, gap: Gap, rabbitmqVersion: string): string[] {
  const listed = DELIBERATE.filter((difference) => difference.scenarios.includes(scenario));
  const possible = DELIBERATE.filter((difference) => difference.alsoIn !== undefined || listed.includes(difference));
  const unexplained = [
    ...gap.rabbitmq
      .filter((line) => !possible.some((each) => each.lines.rabbitmq?.test(line)))
      .map((line) => `- ${line}`),
    ...gap.relay.filter((line) => !possible.some((each) => each.lines.relay?.test(line))).map((line) => `+ ${line}`),
  ];
  const major = rabbitmqVersion.split('.')[0];
  const missing = listed.filter((each) => (each.seenIn ?? major) === major && !shows(each, gap));
  return [
    ...unexplained,
    ...missing.map((each) => `"${each.title}" lists this scenario, but no line shows the difference`),
  ];
}

function shows({ lines }: Difference, gap: Gap): boolean {
  const seen = (pattern: RegExp | undefined, lines: readonly string[]) =>
    pattern !== undefined && lines.some((line) => pattern.test(line));
  return seen(lines.rabbitmq, gap.rabbitmq) || seen(lines.relay, gap.relay);
}
