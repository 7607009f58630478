/**
 * The database side: a connection, with retries until the database is available, and a query's rows in batches through
 * a cursor, so that PostgreSQL makes rows only as they are read. The session is read-only.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import Cursor from 'pg-cursor';
import { columnTypes } from './column-types.js';

/** A refusal or failure of the database or its connection, as one line for people. */
export class DatabaseError extends Error {}

const RETRY_MS = 1_000;
const CONNECT_MS = 10_000;
const CLOSE_MS = 5_000;

/** A slow reader must not count as a slow query. column-types.js expects ISO dates. */
const SESSION = 'set default_transaction_read_only = on; set statement_timeout = 0; set datestyle = iso';

/** PostgreSQL's codes while it is starting or full: a later attempt may succeed. */
const NOT_YET = ['57P03', '53300'];

/**
 * Retries for `waitMs`, then rejects with the last error. Rejects at once if PostgreSQL itself refuses (a wrong
 * password). Calls `onRetry(error)` after each failed attempt. Resolves with undefined if `signal` was aborted.
 */
export async function connectDatabase(url, { waitMs, signal, onRetry }) {
  const deadline = performance.now() + waitMs;
  while (!signal.aborted) {
    try {
      return await Database.connect(url);
    } catch (error) {
      const isFinal = error instanceof pg.DatabaseError && !NOT_YET.includes(error.code);
      if (isFinal || performance.now() >= deadline) throw asDatabaseError(error);
      onRetry(asDatabaseError(error));
    }
    await pause(Math.min(RETRY_MS, deadline - performance.now()), undefined, { signal }).catch(() => {});
  }
  return undefined;
}

class Database {
  #client;
  #url;
  /** The first error of the connection or the query, before consequences such as EPIPE. */
  #failure;

  static async connect(url) {
    const database = new Database(url);
    await database.#client.connect();
    await database.#client.query(SESSION);
    return database;
  }

  constructor(url) {
    this.#url = url;
    this.#client = makeClient(url);
    this.#client.on('error', (error) => (this.#failure ??= error)); // the next read reports it
  }

  /** The number of rows. Undefined if `signal` was aborted meanwhile. */
  async count(query, signal) {
    try {
      const counting = this.#client.query(`select count(*) from (${query}\n) as rows`);
      const { rows } = await this.#cancelled(signal, counting);
      return Number(rows[0].count);
    } catch (error) {
      if (signal.aborted) return undefined;
      throw asLossError(error);
    }
  }

  /**
   * Yields arrays of at most `max` rows, which the caller should empty. Ends early when `signal` is aborted, and then
   * cancels a pending read at the server. Rejects with the error of the query or the connection.
   */
  async *batches(query, max, signal) {
    const cursor = this.#client.query(new Cursor(query, [], { types: columnTypes }));
    cursor.on('error', (error) => (this.#failure ??= error));
    try {
      while (!signal.aborted) {
        const rows = await this.#cancelled(signal, read(cursor, max));
        if (rows.length === 0) return;
        yield rows;
      }
    } catch (error) {
      this.#failure ??= error;
      if (!signal.aborted) throw asLossError(this.#failure);
    } finally {
      if (!this.#failure) await within(CLOSE_MS, cursor.close());
    }
  }

  async close() {
    await within(CLOSE_MS, this.#client.end());
  }

  /** Resolves with the answer. Cancels the query at PostgreSQL if `signal` is aborted first. */
  async #cancelled(signal, answer) {
    const cancel = () => void this.#cancel();
    signal.addEventListener('abort', cancel);
    try {
      return await answer;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }

  /** PostgreSQL needs another connection for that. */
  async #cancel() {
    const client = makeClient(this.#url);
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('select pg_cancel_backend($1)', [this.#client.processID]);
    } catch (error) {
      console.error(`database: the query could not be cancelled: ${asDatabaseError(error).message}`);
    } finally {
      await within(CLOSE_MS, client.end());
    }
  }
}

/** The error of a connection that had been open: PostgreSQL's own error, or a network error. */
function asLossError(error) {
  return asDatabaseError(error, 'the connection was lost: ');
}

/** Adds the code of an error from PostgreSQL. A host with several addresses has an error for each. */
function asDatabaseError(error, before = '') {
  if (error instanceof DatabaseError) return error;
  if (error instanceof pg.DatabaseError) return new DatabaseError(`${error.message} (${error.code})`, { cause: error });
  const text = error.message || error.errors?.[0]?.message || error.code;
  return new DatabaseError(`${before}${text}`, { cause: error });
}

function makeClient(url) {
  return new pg.Client({
    ...(url !== undefined && { connectionString: url }),
    connectionTimeoutMillis: CONNECT_MS,
    application_name: 'row-streamer',
  });
}

/** Rows are objects, so two columns with one name would become one field. */
function read(cursor, max) {
  return new Promise((resolve, reject) => {
    cursor.read(max, (error, rows, { fields = [] } = {}) => {
      if (error) return reject(error);
      const names = fields.map(({ name }) => name);
      const twice = names.find((name, index) => names.indexOf(name) !== index);
      if (twice === undefined) return resolve(rows);
      reject(new DatabaseError(`two columns are called ${twice}: give one another name, with "as"`));
    });
  });
}

/** Waits for at most `ms`, so that an unanswered close delays nothing. */
async function within(ms, promise) {
  const late = new AbortController();
  await Promise.race([promise.catch(() => {}), pause(ms, undefined, { signal: late.signal }).catch(() => {})]);
  late.abort();
}
