/**
 * Runs the scenarios: in each, rounds that go through all peers, every time with a fresh server. Servers and their
 * brokers share the first core, the generator has the second. Results go to the terminal and to bench/results.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import path from 'node:path';
import { format } from 'prettier';
import { barChart } from './chart.js';
import type { Load, LoadResult } from './generator/load.js';
import { type Options, readOptions, USAGE } from './options.js';
import { type Bench, missing, PEERS, type PeerName } from './peers.js';
import { Processes } from './processes.js';
import { Rabbit } from './rabbitmq.js';
import { median, type Run, runLine, table } from './report.js';
import { type Scenario, SCENARIOS } from './scenarios.js';
import { selfTest } from './self-test.js';

const HERE = import.meta.dirname;
const RESULTS = path.join(HERE, '../results');
const RUN_DEADLINE_SECONDS = 180;
const RABBIT_START_SECONDS = 12;
const WARM_UP_SECONDS = 1;

const say = (line: string): void => void process.stdout.write(`${line}\n`);

class Benchmark {
  private readonly processes = new Processes();
  private readonly runs: Run[] = [];
  private rabbit: Rabbit | undefined;
  private isStopping = false;

  constructor(private readonly options: Options) {}

  async run(): Promise<void> {
    for (const note of this.notes()) say(note);
    try {
      for (const scenario of this.options.scenarios) {
        say(`\n${scenario.title}`);
        await this.runScenario(scenario);
        say(`\n${table(scenario, this.runs)}`);
        await this.write();
      }
      say(`\nwritten: bench/results/latest.md, latest.json${this.chart() === undefined ? '' : ', fan-out.svg'}`);
    } finally {
      await this.stop();
    }
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    await this.processes.stopAll();
    await this.rabbit?.node.stop();
    this.rabbit = undefined;
  }

  private notes(): string[] {
    const { scenarios, rounds } = this.options;
    const absent = [...new Set(scenarios.flatMap((scenario) => scenario.peers))].flatMap((peer) => missing(peer) ?? []);
    const seconds = scenarios.reduce((sum, scenario) => sum + estimate(scenario, rounds), RABBIT_START_SECONDS);
    const pinning = this.processes.arePinned
      ? []
      : ['servers and generator cannot be bound to cores here: no taskset, or one core'];
    return [...absent, ...pinning, `${rounds} rounds each; this takes about ${Math.ceil(seconds / 60)} min`];
  }

  private async runScenario(scenario: Scenario): Promise<void> {
    for (let round = 0; round < this.options.rounds; round += 1) {
      for (const peer of scenario.peers.filter((each) => missing(each) === undefined)) {
        try {
          const run = { scenario: scenario.name, peer, round, result: await this.measure(scenario, peer) };
          this.runs.push(run);
          say(runLine(run, scenario));
        } catch (error) {
          if (this.isStopping) return;
          say(`  ${scenario.name} ${round + 1} ${peer} gave no figures: ${(error as Error).message}`);
        }
      }
    }
  }

  private async measure(scenario: Scenario, peer: PeerName): Promise<LoadResult> {
    const { bench, started } = await this.startPeer(scenario, peer);
    const { stop, ...target } = started;
    const load: Load = {
      ...scenario.load,
      ...target,
      warmupSeconds: WARM_UP_SECONDS,
      drainSeconds: 5,
      faultSkip: this.options.faultSkip,
    };
    try {
      const generator = [process.execPath, path.join(HERE, 'generator.js'), JSON.stringify(load)];
      return JSON.parse(await bench.processes.run(generator, RUN_DEADLINE_SECONDS)) as LoadResult;
    } finally {
      await stop();
    }
  }

  private async startPeer(scenario: Scenario, peer: PeerName) {
    // memory for each session can only be seen on a node that has had none
    if (peer === 'web-stomp' && scenario.load.publishers === 0) {
      await this.rabbit?.node.stop();
      this.rabbit = undefined;
    }
    this.rabbit ??= await Rabbit.start(this.processes, () => undefined);
    await this.rabbit.clean();
    const bench: Bench = { processes: this.processes, rabbit: this.rabbit };
    return { bench, started: await PEERS[peer].start(bench) };
  }

  private async write(): Promise<void> {
    mkdirSync(RESULTS, { recursive: true });
    const about = {
      date: new Date().toISOString().slice(0, 10),
      isQuick: this.options.isQuick,
      rounds: this.options.rounds,
      arePinned: this.processes.arePinned,
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      kernel: release(),
      node: process.version,
      rabbitmq: this.rabbit?.node.version ?? 'not started',
    };
    const done = this.options.scenarios.filter(({ name }) => this.runs.some((run) => run.scenario === name));
    const text = [
      '# Results of the benchmark',
      `${about.date}, medians of ${about.rounds} interleaved rounds${about.isQuick ? ', the short form' : ''}; ` +
        `${about.cores} cores of ${about.cpu}, Linux ${about.kernel}, Node ${about.node}, RabbitMQ ${about.rabbitmq}. ` +
        'Absolute figures belong to that machine and hour; compare the ratios. What the columns mean: ' +
        '[bench/README.md](../README.md).',
      ...done.map((scenario) => `## ${scenario.title}\n\n${table(scenario, this.runs)}`),
    ].join('\n\n');
    writeFileSync(path.join(RESULTS, 'latest.md'), await pretty(text, 'markdown'));
    writeFileSync(path.join(RESULTS, 'latest.json'), await pretty(JSON.stringify({ about, runs: this.runs }), 'json'));
    const chart = this.chart();
    if (chart !== undefined) writeFileSync(path.join(RESULTS, 'fan-out.svg'), chart);
  }

  private chart(): string | undefined {
    const runs = this.runs.filter((run) => run.scenario === 'fan-out');
    if (runs.length === 0) return undefined;
    const bars = [...new Set(runs.map((run) => run.peer))].map((peer) => ({
      title: PEERS[peer].title,
      value: median(runs.filter((run) => run.peer === peer).map((run) => run.result.deliveriesPerSecond)),
      isOurs: peer.startsWith('relay'),
    }));
    const subtitle = '1,000 subscribers, 128 B, 32 messages in flight; server and broker on one core';
    return barChart('Deliveries a second over WebSocket', subtitle, bars);
  }
}

const RULES = new Map([['web-stomp', 190]]);

/** Seconds, from how fast a peer takes connections. */
function estimate({ peers, load }: Scenario, rounds: number): number {
  const each = peers.map((peer) => {
    const sessions = load.subscribers + load.publishers;
    const fresh = load.publishers === 0 && peer === 'web-stomp' ? RABBIT_START_SECONDS : 0;
    return 4 + fresh + sessions / (RULES.get(peer) ?? 2_500) + (load.seconds > 0 ? WARM_UP_SECONDS + load.seconds : 0);
  });
  return rounds * each.reduce((sum, seconds) => sum + seconds, 0);
}

async function pretty(text: string, parser: 'markdown' | 'json'): Promise<string> {
  const rules = JSON.parse(readFileSync(path.join(HERE, '../../.prettierrc.json'), 'utf8')) as object;
  return format(text, { ...rules, parser });
}

async function main(args: readonly string[]): Promise<void> {
  if (args.includes('--help')) return say(USAGE);
  if (args.includes('--list')) return say(SCENARIOS.map(({ name, title }) => `${name.padEnd(14)} ${title}`).join('\n'));
  if (args.includes('--self-test')) return selfTest(say);
  const benchmark = new Benchmark(readOptions(args));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void benchmark.stop().finally(() => process.exit(130)));
  }
  await benchmark.run();
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exitCode = 1;
});
