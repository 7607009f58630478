/**
 * The settings: flags take precedence over variables, and variables over defaults. Passwords and tokens are variables
 * only, because a process list does not show those. No error message repeats one.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

export const USAGE = `node main.js --query 'select ...' | --demo [flags]

  --query SQL      query whose rows are published, in its order
  --demo           sample rows: temperatures of a week, 20 rows/s; needs a database, but no table
  --topic NAME     destination of the rows (default /topic/data)
  --rate N         rows per second (default: as fast as rows are confirmed)
  --window N       maximum number of unconfirmed publishes: 1 to 256 (default 100)
  --batch N        rows per read from the cursor: 1 to 10,000 (default 100)
  --loop           starts again after the last row
  --count          counts the rows first, to show the remaining time; the query runs twice
  --wait SECONDS   time limit for reaching the database, and the relay: 1 to 86,400 (default 60)
  --database URL   or DATABASE_URL: postgres://user:password@host:5432/name (default: PGHOST, PGUSER, ...)
  --relay URL      or RELAY_URL: address of the relay (default ws://127.0.0.1:8080/ws)

RELAY_LOGIN and RELAY_PASSCODE, or RELAY_TOKEN, have the credentials for the relay.
`;

const FLAGS = {
  query: { type: 'string' },
  demo: { type: 'boolean', default: false },
  topic: { type: 'string', default: '/topic/data' },
  rate: { type: 'string' },
  window: { type: 'string', default: '100' },
  batch: { type: 'string', default: '100' },
  loop: { type: 'boolean', default: false },
  count: { type: 'boolean', default: false },
  wait: { type: 'string', default: '60' },
  database: { type: 'string' },
  relay: { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
};

/**
 * The SDK recognises a repetition among the last 256 ids. So after a lost connection no more rows than that may arrive
 * twice.
 */
const WINDOW_MAX = 256;
const DEMO_ROWS_PER_SECOND = 20;

/** An invalid flag or variable. The message names it, and a valid value. */
export class SettingsError extends Error {}

/** Throws SettingsError. With --help only `isHelp` is set. */
export function readSettings(args, env) {
  const flags = parseFlags(args);
  if (flags.help) return { isHelp: true };
  return {
    isHelp: false,
    query: queryOf(flags),
    topic: matching('--topic', flags.topic, /^\/\S+$/, 'a destination such as /topic/data'),
    rowsPerSecond: rateOf(flags),
    windowMax: number('--window', flags.window, { min: 1, max: WINDOW_MAX }),
    batchMax: number('--batch', flags.batch, { min: 1, max: 10_000 }),
    isLoop: flags.loop,
    isCounted: flags.count || flags.demo,
    waitMs: 1_000 * number('--wait', flags.wait, { min: 1, max: 86_400 }),
    databaseUrl: url(flags, env, 'database', { protocols: ['postgres:', 'postgresql:'] }),
    relay: {
      url: url(flags, env, 'relay', { protocols: ['ws:', 'wss:'], fallback: 'ws://127.0.0.1:8080/ws' }),
      ...credentials(env),
    },
  };
}

function parseFlags(args) {
  try {
    return parseArgs({ args, options: FLAGS }).values;
  } catch (error) {
    throw new SettingsError(`${error.message.split('. ')[0]}.`);
  }
}

function queryOf({ query, demo }) {
  if (demo && query !== undefined) throw new SettingsError('Either --query or --demo, not both.');
  if (demo) return readFileSync(new URL('demo.sql', import.meta.url), 'utf8');
  const text = query?.trim() ?? '';
  if (text === '') throw new SettingsError("Nothing to publish: use --query 'select ...', or --demo for sample rows.");
  return text.replace(/;$/, ''); // --count wraps it in another query
}

function rateOf({ rate, demo }) {
  if (rate === undefined) return demo ? DEMO_ROWS_PER_SECOND : Infinity;
  return number('--rate', rate, { min: 0.01, max: 1_000_000, isWhole: false });
}

function number(flag, text, { min, max, isWhole = true }) {
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max && (!isWhole || Number.isInteger(value))) return value;
  const kind = isWhole ? 'a whole number' : 'a number';
  throw new SettingsError(`${flag} is ${kind} from ${min} to ${max.toLocaleString('en-US')}, not '${text}'.`);
}

function matching(flag, text, pattern, kind) {
  if (pattern.test(text)) return text;
  throw new SettingsError(`${flag} is ${kind}, not '${text}'.`);
}

/** Undefined without a flag, a variable and a default. */
function url(flags, env, flag, { protocols, fallback }) {
  const variable = `${flag.toUpperCase()}_URL`;
  const text = flags[flag] ?? (env[variable] || fallback);
  if (text === undefined || (URL.canParse(text) && protocols.includes(new URL(text).protocol))) return text;
  const name = flags[flag] === undefined ? variable : `--${flag}`;
  throw new SettingsError(`${name} is a URL that begins with ${protocols.map((each) => `${each}//`).join(' or ')}.`);
}

function credentials({ RELAY_LOGIN: login, RELAY_PASSCODE: passcode, RELAY_TOKEN: token }) {
  if (token) return { token };
  return { ...(login && { login }), ...(passcode && { passcode }) };
}
