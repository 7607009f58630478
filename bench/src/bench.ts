/**
 * Runs the scenarios. Each round of a scenario measures all peers in turn, each with a fresh server. Servers and their
 * brokers share the first core; the generator has the second. Results go to the terminal and to bench/results.
 */
import path from 'node:path';
import type { Load, LoadResult } from './generator/load.js';
import { readOptions, USAGE } from './options.js';
import type { Options } from './options.js';
import { missing, PEERS } from './peers.js';
import type { Bench, PeerName } from './peers.js';
import { Processes } from './processes.js';
import { Progress, WARM_UP_SECONDS } from './progress.js';
import type { PlannedRun } from './progress.js';
import { Rabbit } from './rabbitmq.js';
import { runLine, scenarioTable } from './report.js';
import { Results } from './results.js';
import { QUICK, SCENARIOS } from './scenarios.js';
import type { Scenario } from './scenarios.js';
import { selfTest } from './self-test.js';

const RUN_DEADLINE_SECONDS = 240;
const DRAIN_SECONDS = 20;
/** From this many sessions on, memory is only measurable on a fresh RabbitMQ node. */
const MANY_SESSIONS = 5_000;

const print = (line: string): void => void process.stdout.write(`${line}\n`);

class Benchmark {
  private readonly processes = new Processes();
  private readonly results: Results;
  private rabbit: Rabbit | undefined;
  private isStopping = false;

  constructor(private readonly options: Options) {
    this.results = new Results(options.isQuick ? 'quick' : 'latest', options.isQuick ? QUICK : SCENARIOS);
    if (options.append) this.results.load();
  }

  async run(): Promise<void> {
    const plans = this.options.scenarios.map((scenario) => ({ scenario, runs: this.plan(scenario) }));
    const progress = new Progress(plans.flatMap(({ runs }) => runs));
    this.announce(progress);
    try {
      for (const { scenario, runs } of plans) {
        print(`\n${scenario.title}`);
        for (const run of runs) await this.runOne(run, progress);
        print(`\n${scenarioTable(scenario, this.results.runs)}`);
        this.results.describe(this.rabbit?.node.version ?? 'not started');
        await this.results.write(false);
      }
    } finally {
      await this.stop();
    }
    await this.report();
  }

  async report(): Promise<void> {
    if (this.results.runs.length === 0) throw new Error('there are no results yet');
    print(`\n${this.results.goals()}`);
    print(`\nwritten: ${(await this.results.write(this.options.intoDocs)).join(', ')}`);
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await this.processes.stopAll();
    await this.rabbit?.node.stop();
    this.rabbit = undefined;
  }

  private plan(scenario: Scenario): PlannedRun[] {
    const first = this.results.nextRound(scenario.name);
    const rounds = Math.min(this.options.rounds, scenario.roundsMax ?? Infinity);
    const peers = scenario.peers.filter((peer) => missing(peer) === undefined);
    return Array.from({ length: rounds }, (_, i) => first + i).flatMap((round) =>
      peers.map((peer) => ({ scenario, peer, round })),
    );
  }

  private announce(progress: Progress): void {
    const peers = new Set(this.options.scenarios.flatMap((scenario) => scenario.peers));
    for (const peer of peers) {
      const why = missing(peer);
      if (why !== undefined) print(why);
    }
    if (!this.processes.arePinned)
      print('servers and generator cannot be bound to cores here: no taskset, or one core');
    print(`${this.options.rounds} rounds, about ${progress.minutes}`);
  }

  private async runOne(run: PlannedRun, progress: Progress): Promise<void> {
    const { scenario, peer, round } = run;
    try {
      const done = { scenario: scenario.name, peer, round, result: await this.measure(scenario, peer) };
      this.results.runs.push(done);
      progress.finished(run);
      print(`${runLine(done, scenario)}; ${progress.left} left`);
    } catch (error) {
      if (this.isStopping) throw error;
      progress.finished(run);
      print(`  ${scenario.name} ${round + 1} ${peer} gave no figures: ${(error as Error).message}`);
    }
  }

  private async measure(scenario: Scenario, peer: PeerName): Promise<LoadResult> {
    const { bench, started } = await this.startPeer(scenario, peer);
    const { stop, ...target } = started;
    const load: Load = {
      ...scenario.load,
      ...target,
      warmupSeconds: scenario.load.warmupSeconds ?? WARM_UP_SECONDS,
      drainSeconds: DRAIN_SECONDS,
      faultSkip: this.options.faultSkip,
    };
    try {
      const generator = [process.execPath, path.join(import.meta.dirname, 'generator.js'), JSON.stringify(load)];
      return JSON.parse(await bench.processes.run(generator, RUN_DEADLINE_SECONDS)) as LoadResult;
    } finally {
      await stop();
    }
  }

  private async startPeer(scenario: Scenario, peer: PeerName) {
    if (peer === 'web-stomp' && scenario.load.subscribers >= MANY_SESSIONS) {
      await this.rabbit?.node.stop();
      this.rabbit = undefined;
    }
    this.rabbit ??= await Rabbit.start(this.processes, () => undefined);
    await this.rabbit.clean();
    const bench: Bench = { processes: this.processes, rabbit: this.rabbit };
    return { bench, started: await PEERS[peer].start(bench) };
  }
}

async function main(args: readonly string[]): Promise<void> {
  if (args.includes('--help')) return print(USAGE);
  if (args.includes('--list'))
    return print(SCENARIOS.map(({ name, title }) => `${name.padEnd(14)} ${title}`).join('\n'));
  if (args.includes('--self-test')) return selfTest(print);
  const options = readOptions(args);
  const benchmark = new Benchmark(options);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void benchmark.stop().finally(() => process.exit(130)));
  }
  await (options.isReport ? benchmark.report() : benchmark.run()).finally(() => benchmark.stop());
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exitCode = 1;
});
