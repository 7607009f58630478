/**
 * Publishes the rows of a PostgreSQL query to a topic; `node main.js --help` lists the flags. Exit status 0: all rows
 * are confirmed, or the process was stopped (SIGINT, SIGTERM). Exit status 1: a setting is wrong, or the database or
 * the relay failed; stderr has the reason.
 */
import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { createClient, RelayError } from 'stomp-relay-client';
import { WebSocket } from 'ws';
import { connectDatabase, DatabaseError } from './database.js';
import { Progress } from './progress.js';
import { streamRows } from './row-stream.js';
import { readSettings, SettingsError, USAGE } from './settings.js';

/** Time limit for the confirms of sent rows after a stop. */
const DRAIN_MS = 10_000;
/** One Ctrl-C may arrive twice: from the terminal, and from npm. */
const SAME_SIGNAL_MS = 1_000;
/** With --loop a query without rows is repeated after this pause. */
const EMPTY_PAUSE_MS = 1_000;

/** Resolves with the exit status. */
async function main(args, env) {
  const settings = readSettings(args, env);
  if (settings.isHelp) {
    process.stdout.write(USAGE);
    return 0;
  }
  const signal = stopSignal();
  const database = await connectDatabase(settings.databaseUrl, {
    waitMs: settings.waitMs,
    signal,
    onRetry: (error) => console.log(`database: ${error.message}; trying again`),
  });
  try {
    if (database !== undefined) await publishRows(database, settings, signal);
  } finally {
    await database?.close();
  }
  return 0;
}

/** Aborted by SIGINT and SIGTERM. A second signal after a moment ends the process at once. */
function stopSignal() {
  const stopped = new AbortController();
  let stoppedAt = 0;
  const stop = () => {
    if (!stopped.signal.aborted) stoppedAt = performance.now();
    else if (performance.now() - stoppedAt > SAME_SIGNAL_MS) process.exit(1);
    stopped.abort();
  };
  process.on('SIGINT', stop).on('SIGTERM', stop);
  return stopped.signal;
}

async function publishRows(database, settings, signal) {
  const { topic } = settings;
  const total = settings.isCounted && !settings.isLoop ? await database.count(settings.query, signal) : undefined;
  const counts = { read: 0, published: 0, confirmed: 0 };
  const progress = new Progress(process.stdout, counts, { total });
  const client = createClient({
    ...settings.relay,
    publishMaxAgeMs: settings.waitMs,
    createWebSocket: (url, protocols) => new WebSocket(url, protocols),
  });
  reportConnection(client, progress);
  // The same id means the same row, so receivers recognise rows that are sent twice over a lost connection
  const run = randomUUID().slice(0, 8);
  progress.print(`publishing to ${topic}, run ${run}`);
  progress.start();
  client.connect().catch(() => {}); // the first publish fails with the refusal
  try {
    const publish = (row, number) => client.publish(topic, row, { id: `${run}-${number}` });
    await streamRows(batchesOf(database, settings, signal), publish, {
      ...settings,
      drainMs: DRAIN_MS,
      signal,
      counts,
    });
  } finally {
    await client.close();
    progress.stop();
    progress.print(`${signal.aborted ? 'stopped: ' : ''}${progress.summary()}`);
  }
}

/** Prints a line when the connection is lost and when it is back, but none for the attempts in between. */
function reportConnection(client, progress) {
  let isAway = false;
  client.onState(({ name, reason }) => {
    progress.note = name === 'connected' ? '' : `relay: ${name}`;
    if (name === 'waiting' && !isAway) progress.print(`relay: ${reason.message} Trying again.`);
    if (name === 'connected' && isAway) progress.print('relay: connected again');
    isAway = name === 'waiting' || (isAway && name === 'connecting');
  });
}

async function* batchesOf(database, { query, batchMax, isLoop }, signal) {
  do {
    let isEmpty = true;
    for await (const rows of database.batches(query, batchMax, signal)) {
      isEmpty = false;
      yield rows;
    }
    if (isEmpty && isLoop) await pause(EMPTY_PAUSE_MS, undefined, { signal }).catch(() => {});
  } while (isLoop && !signal.aborted);
}

/** Expected problems become a sentence; any other error is a bug of this program. */
function problemOf(error) {
  if (error instanceof SettingsError) return `${error.message}\n--help lists the settings.`;
  if (error instanceof DatabaseError) return `database: ${error.message}`;
  if (error instanceof RelayError) return `relay: ${error.message}`;
  return error;
}

try {
  process.exitCode = await main(process.argv.slice(2), process.env);
} catch (error) {
  console.error(problemOf(error));
  process.exitCode = 1;
}
