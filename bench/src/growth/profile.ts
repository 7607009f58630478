/**
 * The CPU time of a loaded relay: samples of V8's profiler, summed by the part that the function belongs to, and the
 * time in the kernel. The system calls that write appear as functions of Node without a source.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { LoadResult } from '../generator/load.js';
import { startRelay } from '../peers.js';
import type { Stage } from './stage.js';
import { runStandingLoad } from './standing-load.js';
import type { StandingLoad } from './standing-load.js';

export interface ProfileResult {
  readonly broker: 'rabbitmq' | 'memory';
  readonly load: LoadResult;
  /** Share of the relay's CPU time while it was measured. */
  readonly kernelPercent: number;
  /** Shares of the samples that were not idle, largest first. */
  readonly groups: readonly { readonly title: string; readonly percent: number }[];
  /** The functions with the most samples of their own. */
  readonly top: readonly { readonly name: string; readonly percent: number }[];
}

interface CpuProfile {
  /** Microseconds of the monotonic clock, as in `process.hrtime`. */
  readonly startTime: number;
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}
type Frame = CpuProfile['nodes'][number]['callFrame'];

const TOP = 12;
/** Time for the generator to start and the sessions to open. */
const SET_UP_MICROS = 2e6;
const WRITES = /^(writeBuffer|writev|writeUtf8String|writeLatin1String|writeAsciiString)$/;
const IDLE = '(idle)';

/** The first match counts. Samples without a match are native code of V8 and Node. */
const GROUPS: readonly (readonly [title: string, isIn: (frame: Frame) => boolean])[] = [
  ['write to sockets (system calls)', ({ functionName, url }) => url === '' && WRITES.test(functionName)],
  ['garbage collection', ({ functionName }) => functionName === '(garbage collector)'],
  ['event loop, reads (native)', ({ functionName }) => functionName === '(program)'],
  ['STOMP sessions and groups', ({ url }) => /\/dist\/(session|stomp|destinations)\//.test(url)],
  ['transports', ({ url }) => /\/dist\/transports\//.test(url)],
  ['brokers', ({ url }) => /\/dist\/brokers\//.test(url)],
  ['amqplib', ({ url }) => /\/node_modules\/(amqplib|buffer-more-ints)\//.test(url)],
  ['ws', ({ url }) => url.includes('/node_modules/ws/')],
  [
    "Node's streams and sockets (JS)",
    ({ url }) => /^node:(internal\/streams|net|internal\/stream_base|stream)/.test(url),
  ],
  ["Node's buffers (JS)", ({ url }) => /^node:(buffer|internal\/buffer)/.test(url)],
  ['other JS of Node', ({ url }) => url.startsWith('node:')],
];
const REST = 'other native code';

export async function measureProfile(stage: Stage, load: StandingLoad): Promise<ProfileResult[]> {
  const results: ProfileResult[] = [];
  for (const broker of ['rabbitmq', 'memory'] as const) {
    const folder = path.join(stage.processes.directory, `profile-${broker}`);
    const flags = ['--cpu-prof', `--cpu-prof-dir=${folder}`];
    const measured = await stage.with(
      'relay',
      async (on) => {
        const before = { ...readTimes(on.relayPid ?? 0), at: nowMicros() };
        const result = await runStandingLoad(stage, on, load);
        const after = { ...readTimes(on.relayPid ?? 0), at: nowMicros() };
        const kernel = after.system - before.system;
        return {
          result: { load: result, kernelPercent: (kernel / (kernel + after.user - before.user)) * 100 },
          span: [before.at + SET_UP_MICROS, after.at] as const,
        };
      },
      (bench) => startRelay(bench, broker, { nodeFlags: flags }),
    );
    const [file = ''] = readdirSync(folder);
    const profile = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as CpuProfile;
    const result = { broker, ...measured.result, ...addUp(profile, measured.span) };
    stage.print(
      `  ${broker}: ${result.groups.map(({ title, percent }) => `${title} ${percent.toFixed(1)} %`).join(', ')}`,
    );
    results.push(result);
  }
  return results;
}

function addUp(
  { nodes, startTime, samples, timeDeltas }: CpuProfile,
  [from, to]: readonly [number, number],
): Pick<ProfileResult, 'groups' | 'top'> {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const groups = new Map<string, number>();
  const functions = new Map<string, number>();
  let total = 0;
  let at = startTime;
  for (const [i, id] of samples.entries()) {
    const frame = frames.get(id);
    const micros = timeDeltas[i] ?? 0;
    at += micros;
    if (at < from || at > to) continue;
    if (!frame || frame.functionName === IDLE) continue;
    total += micros;
    add(groups, GROUPS.find(([, isIn]) => isIn(frame))?.[0] ?? REST, micros);
    add(functions, nameOf(frame), micros);
  }
  const shares = (sums: Map<string, number>) =>
    [...sums].sort(([, a], [, b]) => b - a).map(([name, micros]) => ({ name, percent: (micros / total) * 100 }));
  return {
    groups: shares(groups).map(({ name, percent }) => ({ title: name, percent })),
    top: shares(functions).slice(0, TOP),
  };
}

function nameOf({ functionName, url, lineNumber }: Frame): string {
  const name = functionName === '' ? '(anonymous)' : functionName;
  return url === '' ? name : `${name} ${path.basename(url)}:${lineNumber + 1}`;
}

function add(sums: Map<string, number>, key: string, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value);
}

const nowMicros = (): number => Number(process.hrtime.bigint() / 1_000n);

/** CPU times in clock ticks. */
function readTimes(pid: number): { user: number; system: number } {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return { user: Number(fields[11]), system: Number(fields[12]) };
}
