/**
 * The database side: a connection, which is waited for while it cannot be had yet, and a query's rows in batches through a
 * cursor, so that PostgreSQL makes rows only as they are read. The session is read-only.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import Cursor from 'pg-cursor';
import { columnTypes } from './column-types.js';

/** What the database, or the way to it, would not have: one line for people. */
export class DatabaseError extends Error {}

const RETRY_MS = 1_000;
const CONNECT_MS = 10_000;
const CLOSE_MS = 5_000;

/** A slow reader is no slow query. Dates come in the form that column-types.js reads. */
const SESSION = 'set default_transaction_read_only = on; set statement_timeout = 0; set datestyle = iso';

/** What PostgreSQL says while it is starting or full: another attempt may find it otherwise. */
const NOT_YET = ['57P03', '53300'];

/**
 * Tries for `waitMs`, then rejects with the last error; at once with what PostgreSQL itself refuses (a wrong password).
 * `onRetry(error)` hears of each attempt that failed. Undefined when `signal` was aborted.
 */
export async function connectDatabase(url, { waitMs, signal, onRetry }) {
  const deadline = performance.now() + waitMs;
  while (!signal.aborted) {
    try {
      return await Database.connect(url);
    } catch (error) {
      const isFinal = error instanceof pg.DatabaseError && !NOT_YET.includes(error.code);
      if (isFinal || performance.now() >= deadline) throw told(error);
      onRetry(told(error));
    }
    await pause(Math.min(RETRY_MS, deadline - performance.now()), undefined, { signal }).catch(() => {});
  }
  return undefined;
}

class Database {
  #client;
  #url;
  /** Why the connection or the query is over: the first word of it, before what follows from it (EPIPE). */
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
    this.#client.on('error', (error) => (this.#failure ??= error)); // whoever reads next is told
  }

  /** Undefined when `signal` was aborted over it. */
  async count(query, signal) {
    try {
      const counting = this.#client.query(`select count(*) from (${query}\n) as rows`);
      const { rows } = await this.#cancelled(signal, counting);
      return Number(rows[0].count);
    } catch (error) {
      if (signal.aborted) return undefined;
      throw lost(error);
    }
  }

  /**
   * Yields arrays of at most `max` rows, which the caller should empty. Ends early when `signal` is aborted; a read that is
   * under way then is cancelled at the server. Rejects with what the query or the connection has failed with.
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
      if (!signal.aborted) throw lost(this.#failure);
    } finally {
      if (!this.#failure) await within(CLOSE_MS, cursor.close());
    }
  }

  async close() {
    await within(CLOSE_MS, this.#client.end());
  }

  /** The answer; when `signal` is aborted before it is there, PostgreSQL is told not to go on. */
  async #cancelled(signal, answer) {
    const cancel = () => void this.#cancel();
    signal.addEventListener('abort', cancel);
    try {
      return await answer;
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }

  /** By another connection, as PostgreSQL wants it. */
  async #cancel() {
    const client = makeClient(this.#url);
    client.on('error', () => {});
    try {
      await client.connect();
      await client.query('select pg_cancel_backend($1)', [this.#client.processID]);
    } catch (error) {
      console.error(`database: the query could not be cancelled: ${told(error).message}`);
    } finally {
      await within(CLOSE_MS, client.end());
    }
  }
}

/** `error` of a connection that was there: PostgreSQL's own, or what became of the way to it. */
function lost(error) {
  return told(error, 'the connection was lost: ');
}

/** With PostgreSQL's code where it is PostgreSQL that says so. A host of several addresses has an error for each. */
function told(error, before = '') {
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

/** Rows are objects: two columns of one name would be one. */
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

/** A goodbye that is not answered holds up nobody. */
async function within(ms, promise) {
  const late = new AbortController();
  await Promise.race([promise.catch(() => {}), pause(ms, undefined, { signal: late.signal }).catch(() => {})]);
  late.abort();
}
