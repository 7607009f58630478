#!/usr/bin/env node
/**
 * The command line: flags and signals -> config -> relay. Prints a line on stdout for each listener that is open. The
 * log goes to stderr. Exit status: 0 after a clean stop, 1 if the relay could not start or stop, 2 for a bad
 * configuration. `hash-password` and `api-key` are separate commands.
 */
import './process/young-generation.js';
import { inspect } from 'node:util';
import { Command, CommanderError, Option } from 'commander';
import { createApiKey } from './auth/api-keys.js';
import { hashPassword } from './auth/logins/password-hash.js';
import { describeUrl } from './brokers/rabbitmq/amqp/open-model.js';
import { ConfigError, configFile, createConfig, flagsWithPassword, loadConfig, SETTINGS } from './config.js';
import type { Config, Flags } from './config.js';
import { createLog } from './process/json-log.js';
import { readPassword } from './process/read-password.js';
import { stderrWriter } from './process/stderr.js';
import { VERSION } from './process/version.js';
import { createRelay } from './relay.js';
import type { Relay, StopOptions } from './relay.js';
import { endInOrderAfterCrash } from './workers/last-words.js';
import { WorkerPool } from './workers/worker-pool.js';

const EXIT_FAILED = 1;
const EXIT_BAD_CONFIG = 2;
/** Time limit of a stop after Ctrl-C. The process then ends within a second. */
const INTERRUPTED_MS = 800;

async function main(argv: readonly string[]): Promise<void> {
  // Node prints warnings by itself; without a reader on stderr they must not crash the process.
  process.stderr.on('error', () => undefined);
  process.stdout.on('error', onStdoutFailed);
  const command = relayCommand().action(run);
  command
    .command('hash-password')
    .description('Read a password and print its hash for auth.authenticators (docs/authentication.md).')
    .action(printPasswordHash);
  command
    .command('api-key')
    .description('Create a key for the HTTP API and print it with its hash for http.apiKeys (docs/http-api.md).')
    .action(printApiKey);
  try {
    await command.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : EXIT_BAD_CONFIG); // commander has printed it
    throw error;
  }
}

async function run(flags: Flags): Promise<void> {
  const config = checked(() => loadConfig(flags));
  const relay = checked(() => (config.workers === 1 ? createSingle(config) : createPool(config)));
  const log = createLog(config.log);
  log.info(startSummary(config, configFile(flags)), 'stomp-relay starts');
  for (const { flag, variable } of flagsWithPassword(flags)) {
    const details = { flag: flag.split(' ', 1)[0], variable };
    log.warn(
      details,
      'a flag has a password, which other users can read with ps: use the variable, or the file of --config',
    );
  }
  stopOnSignals(relay, config);
  // A running relay serves its clients even if stdout has no reader.
  process.stdout.off('error', onStdoutFailed).on('error', () => undefined);
  try {
    for (const { kind, url } of await relay.start()) process.stdout.write(`listening  ${kind.padEnd(9)}  ${url}\n`);
  } catch (error) {
    fail(EXIT_FAILED, [startProblem(error as NodeJS.ErrnoException, config)]);
  }
}

/** For the line of the log that every start begins with: the configuration in short, without secrets. */
function startSummary({ auth, broker, policy, workers }: Config, file: string | undefined): object {
  return {
    version: VERSION,
    config: file ?? 'none (defaults, environment and flags)',
    broker: broker.kind === 'memory' ? 'embedded' : broker.urls.map(describeUrl),
    authenticators: auth.authenticators.map(({ kind }) => kind),
    policyRules: policy?.rules.length ?? 0,
    ...(workers !== 1 && { workers }),
  };
}

function createSingle(config: Config): Relay {
  const relay = createRelay(config);
  endInOrderAfterCrash(relay, (error) => stderrWriter().write(`stomp-relay: ${inspect(error)}\n`));
  return relay;
}

function createPool(config: Config): WorkerPool {
  const pool = new WorkerPool(config, (reason) => fail(EXIT_FAILED, [reason]));
  process.once('exit', () => pool.kill()); // also when a second signal ends this process
  return pool;
}

/** Ends the process if the configuration, or a file that it names, is wrong. */
function checked<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ConfigError) fail(EXIT_BAD_CONFIG, error.problems);
    throw error;
  }
}

function printApiKey(): void {
  const { key, keyHash } = createApiKey();
  process.stdout.write(`key      ${key}\nkeyHash  ${keyHash}\n`);
}

async function printPasswordHash(): Promise<void> {
  try {
    process.stdout.write(`${await hashPassword(await readPassword(process.stdin, process.stderr))}\n`);
  } catch (error) {
    fail(EXIT_FAILED, [(error as Error).message]);
  }
}

function relayCommand(): Command {
  const defaults: unknown = createConfig();
  const command = new Command('stomp-relay')
    .description('STOMP over WebSocket and TCP, relayed to RabbitMQ or an embedded broker.')
    .version(VERSION, '--version', 'Print the version.')
    .helpOption('--help', 'Print this help.')
    .allowExcessArguments(false)
    .configureHelp({ sortOptions: false })
    .configureOutput({ writeErr: (text) => stderrWriter().write(text) })
    .showHelpAfterError('(--help lists the options)')
    .helpCommand(false)
    .exitOverride();
  for (const { flag, variable, path, description } of SETTINGS) {
    const preset = path.reduce<unknown>(
      (value, key) => (value as Record<string, unknown> | undefined)?.[key],
      defaults,
    );
    const suffix = ['string', 'number'].includes(typeof preset) ? `; default ${String(preset)}` : '';
    command.addOption(new Option(flag, `${description} (${variable}${suffix})`));
  }
  return command.addOption(new Option('--config <file>', 'YAML file with any of the options. (RELAY_CONFIG)'));
}

/**
 * The first signal starts an orderly stop: SIGTERM within `stopTimeoutMs`, SIGINT (Ctrl-C) within a second, because a
 * person waits for the prompt. The second signal ends the process at once. SIGHUP only starts a stop, because a
 * terminal that closes may send it more than once.
 */
function stopOnSignals(relay: Pick<Relay, 'stop'>, { stopTimeoutMs }: Config): void {
  let isStopping = false;
  const stop = (options: StopOptions): void => {
    if (isStopping) return;
    isStopping = true;
    relay.stop(options).then(
      () => process.exit(0),
      (error: unknown) => fail(EXIT_FAILED, [(error as Error).message]),
    );
  };
  const stopOrExit = (options: StopOptions): void => {
    if (isStopping) process.exit(EXIT_FAILED);
    stop(options);
  };
  const interrupted = { deadlineMs: Math.min(INTERRUPTED_MS, stopTimeoutMs), readyDelayMs: 0 };
  process.on('SIGTERM', () => stopOrExit({})).on('SIGINT', () => stopOrExit(interrupted));
  process.on('SIGHUP', () => stop({})).once('SIGHUP', () => process.once('exit', endBySighup));
}

/** The last step of the process. Without it Node would abort when it resets the modes of a terminal that is gone. */
function endBySighup(): void {
  process.removeAllListeners('SIGHUP');
  process.kill(process.pid, 'SIGHUP');
}

function startProblem({ code, message, ...error }: NodeJS.ErrnoException, { listen }: Config): string {
  const { port, address, hostname = address } = error as { port?: number; address?: string; hostname?: string };
  const flags = { [listen.port]: '--port', [listen.tcpPort]: '--tcp-port', [listen.adminPort]: '--admin-port' };
  const flag = port === undefined ? '--host' : (flags[port] ?? '--port');
  if (code === 'EADDRINUSE') return `port ${port} is in use (${flag}): give another one, or 0 for a free one`;
  if (code === 'EACCES') return `no permission to listen on port ${port} (${flag}): ports below 1024 need privileges`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
    const hostFlag = hostname === listen.adminHost && hostname !== listen.host ? '--admin-host' : '--host';
    return `this machine has no address ${hostname ?? listen.host} (${hostFlag})`;
  }
  return message;
}

/** Printing is the whole purpose of a command, so it fails without stdout. */
function onStdoutFailed({ code }: NodeJS.ErrnoException): never {
  fail(EXIT_FAILED, [`stdout cannot be written to (${code})`]);
}

function fail(status: number, problems: readonly string[]): never {
  for (const problem of problems) stderrWriter().write(`stomp-relay: ${problem}\n`);
  process.exit(status);
}

await main(process.argv.slice(2));
