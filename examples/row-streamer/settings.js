/**
 * What somebody has asked for: flags before variables before defaults. Passwords and tokens are variables only, where a
 * process list does not show them, and no message repeats one.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

export const USAGE = `node main.js --query 'select ...' | --demo [flags]

  --query SQL      whose rows are published, in the query's order
  --demo           rows that are made up: temperatures of a week, 20 rows/s; needs a database and no table
  --topic NAME     the destination (default /topic/data)
  --rate N         rows a second (default: as fast as they are confirmed)
  --window N       publishes that are not confirmed yet, at most: 1 to 256 (default 100)
  --batch N        rows that are read from the cursor at a time: 1 to 10,000 (default 100)
  --loop           begins again at the end
  --count          counts the rows first, which runs the query twice, to show how many are left
  --wait SECONDS   for a database that cannot be had yet, and for a relay that is away: 1 to 86,400 (default 60)
  --database URL   or DATABASE_URL: postgres://user:password@host:5432/name (default: what PGHOST, PGUSER, ... say)
  --relay URL      or RELAY_URL (default ws://127.0.0.1:8080/ws)

RELAY_LOGIN and RELAY_PASSCODE, or RELAY_TOKEN: for a relay that asks.
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

/** The subscribers' SDK knows a row again among the last 256: after a lost connection no more than that may come twice. */
const WINDOW_MAX = 256;
const DEMO_ROWS_PER_SECOND = 20;

/** A flag or variable that cannot be followed; the message says which, and what would do. */
export class SettingsError extends Error {}

/** Throws SettingsError. `query` is undefined where only help is asked for. */
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
      url: url(flags, env, 'relay', { protocols: ['ws:', 'wss:'], otherwise: 'ws://127.0.0.1:8080/ws' }),
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
  if (text === '') throw new SettingsError("Say what to publish: --query 'select ...', or --demo for made-up rows.");
  return text.replace(/;$/, ''); // --count puts it into another query
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

/** Undefined where nobody has said it and nothing is usual. */
function url(flags, env, flag, { protocols, otherwise }) {
  const variable = `${flag.toUpperCase()}_URL`;
  const text = flags[flag] ?? (env[variable] || otherwise);
  if (text === undefined || (URL.canParse(text) && protocols.includes(new URL(text).protocol))) return text;
  const name = flags[flag] === undefined ? variable : `--${flag}`;
  throw new SettingsError(`${name} is a URL that begins with ${protocols.map((each) => `${each}//`).join(' or ')}.`);
}

function credentials({ RELAY_LOGIN: login, RELAY_PASSCODE: passcode, RELAY_TOKEN: token }) {
  if (token) return { token };
  return { ...(login && { login }), ...(passcode && { passcode }) };
}
