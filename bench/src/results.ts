/** All runs of a benchmark, and the files written from them. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import path from 'node:path';
import { format } from 'prettier';
import { barChart } from './chart.js';
import { outcomes } from './goals.js';
import { PEERS } from './peers.js';
import { median } from './ratios.js';
import { goalTable, scenarioTable } from './report.js';
import type { Run } from './runs.js';
import type { Scenario } from './scenarios.js';

const ROOT = path.join(import.meta.dirname, '../..');
const RESULTS = path.join(ROOT, 'bench/results');

const OPTIONAL = Object.values(PEERS)
  .filter(({ needs }) => needs.length > 0)
  .map(({ title }) => title)
  .join(', ');

interface About {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly kernel: string;
  readonly node: string;
  readonly rabbitmq: string;
}

export class Results {
  readonly runs: Run[] = [];
  private about: About | undefined;

  constructor(
    /** Base name of the files; the short form has its own. */
    private readonly name: 'latest' | 'quick',
    private readonly scenarios: readonly Scenario[],
  ) {}

  /** Loads the results of earlier runs. */
  load(): void {
    const file = this.file('json');
    if (!existsSync(file)) return;
    const { about, runs } = JSON.parse(readFileSync(file, 'utf8')) as { about: About; runs: Run[] };
    this.about = about;
    this.runs.push(...runs);
  }

  /** The first round of a scenario without a result. */
  nextRound(scenario: string): number {
    return 1 + Math.max(-1, ...this.runs.filter((run) => run.scenario === scenario).map((run) => run.round));
  }

  describe(rabbitmq: string): void {
    this.about = {
      date: new Date().toISOString().slice(0, 10),
      cpu: cpus()[0]?.model ?? 'unknown',
      cores: cpus().length,
      kernel: release().replace(/-.*/, ''),
      node: process.version,
      rabbitmq,
    };
  }

  goals(): string {
    return goalTable(outcomes(this.runs));
  }

  /** Writes all files, optionally into docs as well. Returns their names. */
  async write(intoDocs: boolean): Promise<string[]> {
    const json = JSON.stringify({ about: this.about, runs: this.runs });
    const files = [[this.file('json'), await pretty(json, 'json')]];
    const documents = [{ named: (extension: string) => this.file(extension), parts: [this.goalsSection()] }];
    // the goals are for developers: the public page has results alone
    if (intoDocs) documents.push({ named: (extension) => path.join(ROOT, `docs/benchmark.${extension}`), parts: [] });
    for (const { named, parts } of documents) {
      files.push([named('md'), await pretty(this.markdown(parts), 'markdown')]);
      const chart = this.chart();
      if (chart !== undefined) files.push([named('svg'), chart]);
    }
    mkdirSync(RESULTS, { recursive: true });
    for (const [file = '', text = ''] of files) writeFileSync(file, text);
    return files.map(([file = '']) => path.relative(ROOT, file));
  }

  private file(extension: string): string {
    return path.join(RESULTS, `${this.name}.${extension}`);
  }

  private machine(): string {
    const { date, cpu, cores, kernel, node, rabbitmq } = this.about ?? {};
    return `${date}, ${cores} cores of ${cpu}, Linux ${kernel}, Node ${node}, RabbitMQ ${rabbitmq}`;
  }

  private goalsSection(): string {
    const note = '"Missed" is within the noise of such machines; "missed for certain" is below 70 % of the target.';
    return `## Goals\n\n${this.goals()}\n\n${note}`;
  }

  private markdown(first: readonly string[]): string {
    const done = this.scenarios.filter(({ name }) => this.runs.some((run) => run.scenario === name));
    return [
      '# Results of the benchmark',
      `${this.machine()}. Made by \`npm run bench\`. Absolute figures depend on machine and time; compare the ratios. ` +
        '[Method and meaning of the columns](../bench/README.md). ' +
        `These take part too if their programs are on the PATH: ${OPTIONAL}.`,
      ...first,
      ...done.map((scenario) => {
        const rounds = this.nextRound(scenario.name);
        return `## ${scenario.title}\n\nRounds: ${rounds}.\n\n${scenarioTable(scenario, this.runs)}`;
      }),
    ].join('\n\n');
  }

  private chart(): string | undefined {
    const runs = this.runs.filter((run) => run.scenario === 'fan-out');
    if (runs.length === 0) return undefined;
    const speed = (peer: string): number =>
      median(runs.filter((run) => run.peer === peer).map((run) => run.result.deliveriesPerSecond));
    const bars = [...new Set(runs.map((run) => run.peer))].map((peer) => ({
      title: PEERS[peer].title,
      value: speed(peer),
      times: speed(peer) / speed('web-stomp'),
      isOurs: peer.startsWith('relay'),
    }));
    return barChart(
      {
        title: 'Messages delivered a second to 1,000 subscribers',
        subtitle: '128 bytes, 32 messages in flight; each server shares one core with its broker. Longer is better.',
        footer: [
          `Medians of ${this.nextRound('fan-out')} interleaved rounds; all but mosquitto over WebSocket.`,
          this.machine(),
        ],
      },
      bars,
    );
  }
}

async function pretty(text: string, parser: 'markdown' | 'json'): Promise<string> {
  const rules = JSON.parse(readFileSync(path.join(ROOT, '.prettierrc.json'), 'utf8')) as object;
  return format(text, { ...rules, parser });
}
