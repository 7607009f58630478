/**
 * Measures how cost grows: resources of RabbitMQ and the relay by sessions, topics and relays, the cost of churn, the
 * time to restore everything after a loss, and the cost of recovery. Results go to the terminal and to bench/results, part by part.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import path from 'node:path';
import { format } from 'prettier';
import { measureBehind } from './behind.js';
import { measureCentrifugoReturns } from './centrifugo-returns.js';
import { measureChurn } from './churn.js';
import { readGrowthOptions, USAGE } from './growth-options.js';
import type { GrowthOptions, PartName } from './growth-options.js';
import { growthCharts, growthTables } from './growth-report.js';
import type { GrowthResults } from './growth-report.js';
import { measureProfile } from './profile.js';
import { measureRelays } from './relays.js';
import { measureRestore } from './restore.js';
import { measureReturns } from './returns.js';
import { measureSessions, measureTopics } from './scaling.js';
import { Stage } from './stage.js';
import { measureWarmStart } from './warm-start.js';

const HERE = import.meta.dirname;
const RESULTS = path.join(HERE, '../results');
const DOCS = path.join(HERE, '../../docs/images');

const print = (line: string): void => void process.stdout.write(`${line}\n`);

async function measure(stage: Stage, part: PartName, plan: GrowthOptions['plan']) {
  switch (part) {
    case 'sessions':
      return { sessions: await measureSessions(stage, plan.scaling) };
    case 'topics':
      return { topics: await measureTopics(stage, plan.scaling) };
    case 'relays':
      return { relays: await measureRelays(stage, plan.relays) };
    case 'churn':
      return { churn: await measureChurn(stage, plan.churn) };
    case 'restore':
      return { restore: await measureRestore(stage, plan.restore) };
    case 'profile':
      return { profile: await measureProfile(stage, plan.profile) };
    case 'returns':
      return {
        returns: await measureReturns(stage, plan.returns),
        centrifugoReturns: await measureCentrifugoReturns(stage, plan.returns),
      };
    case 'behind':
      return { behind: await measureBehind(stage, plan.behind) };
    case 'warm-start':
      return { warmStart: await measureWarmStart(stage, plan.warmStart) };
  }
}

async function write(results: GrowthResults, folder: string, isForDocs: boolean): Promise<void> {
  mkdirSync(folder, { recursive: true });
  const rules = JSON.parse(readFileSync(path.join(HERE, '../../.prettierrc.json'), 'utf8')) as object;
  writeFileSync(path.join(folder, 'growth.json'), JSON.stringify(results, undefined, 2));
  writeFileSync(path.join(folder, 'growth.md'), await format(growthTables(results), { ...rules, parser: 'markdown' }));
  for (const place of isForDocs ? [folder, DOCS] : [folder]) {
    mkdirSync(place, { recursive: true });
    for (const [name, chart] of growthCharts(results)) writeFileSync(path.join(place, name), chart);
  }
}

/** Results of earlier runs. */
function earlier(folder: string): Partial<GrowthResults> {
  const file = path.join(folder, 'growth.json');
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as GrowthResults) : {};
}

async function main(args: readonly string[]): Promise<void> {
  if (args.includes('--help')) return print(USAGE);
  const options = readGrowthOptions(args);
  const stage = new Stage(print, options.hasLanes ? 'relay-lanes' : 'relay');
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => void stage.stop().finally(() => process.exit(130)));
  }
  try {
    for (const part of options.parts) {
      print(`\n${part}`);
      const measured = await measure(stage, part, options.plan);
      const { model = 'unknown' } = cpus()[0] ?? {};
      const about =
        `${new Date().toISOString().slice(0, 10)}, ${cpus().length} cores of ${model}, Linux ${release()}, ` +
        `Node ${process.version}, RabbitMQ ${stage.rabbitVersion}; relay and RabbitMQ on one core.`;
      const folder = path.join(RESULTS, options.isSmall ? 'small' : '', options.hasLanes ? 'lanes' : '');
      await write({ ...earlier(folder), about, ...measured }, folder, options.isForDocs);
      print(`\n${growthTables({ about, ...measured })}`);
    }
    print('\nwritten: bench/results/growth.md, growth.json and charts');
  } finally {
    await stage.stop();
  }
}

main(process.argv.slice(2)).then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`bench:growth: ${(error as Error).message}\n`);
    process.exit(1);
  },
);
