import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { isPassword, parsePasswordHash } from '../../../../../server/src/auth/logins/password-hash.js';
import { StaticUsers } from '../../../../../server/src/auth/logins/static-users.js';
import type { StaticUsersOptions } from '../../../../../server/src/auth/logins/static-users.js';
import { Inbox } from '../../../../../server/src/contract/test-inbox.js';
import { presented } from '../credentials.js';

/** The cheapest allowed hashes of 'correct horse' and 'battery staple'. */
const HORSE = '$scrypt$ln=14,r=8,p=1$zN2KFMZhRfOmojWfLnwqLw$bi47QHIEJz28l4L/sB54Omd0Dke7A2Jrjja2kHpxGAE';
const STAPLE = '$scrypt$ln=14,r=8,p=1$PDIeEVVWrl2oLfo6cjM/+Q$U3YiDuEYFwzPjN6f1+//5hmQGq2oCUoFKQbjo/rttNQ';

const BOUNDS = { checksMax: 2, waitingMax: 100, checkTimeoutMs: 10_000, cacheMs: 60_000 };
const USERS = [
  { name: 'alice', passwordHash: HORSE, claims: { roles: ['admin'] } },
  { name: 'bob', passwordHash: STAPLE, claims: {} },
];

const open: StaticUsers[] = [];
const folders: string[] = [];
afterEach(() => {
  for (const users of open.splice(0)) users.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** Also records each check with the salt of its hash, and the log. */
function usersWith(options: Partial<StaticUsersOptions> = { users: USERS }) {
  const checks: { passcode: string; salt: string }[] = [];
  const log = new Inbox<string>('log');
  const add = (details: object, message: string): void => log.add(`${message} ${JSON.stringify(details)}`);
  const users = new StaticUsers({ ...BOUNDS, ...options }, { info: add, warn: add }, (passcode, hash) => {
    checks.push({ passcode, salt: hash.salt.toString('hex') });
    return isPassword(passcode, hash);
  });
  open.push(users);
  const logIn = (login?: string, passcode?: string) => users.authenticate(presented({ login, passcode }));
  return { users, checks, log, logIn };
}

function fileWith(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'static-users-'));
  folders.push(folder);
  const file = join(folder, 'users.yaml');
  writeFileSync(file, content);
  return file;
}

describe('logging in', () => {
  test('succeeds with the right password, and gives the claims of the user', async () => {
    const { logIn } = usersWith();
    expect(await logIn('alice', 'correct horse')).toEqual({
      name: 'alice',
      anonymous: false,
      claims: { roles: ['admin'] },
    });
    expect(await logIn('bob', 'battery staple')).toMatchObject({ name: 'bob', claims: {} });
  });

  test.each([
    ['alice', 'battery staple'],
    ['alice', 'correct horse '],
    ['Alice', 'correct horse'],
    ['carol', 'correct horse'],
    ['carol', 'battery staple'],
    ['__proto__', 'correct horse'],
    ['constructor', 'correct horse'],
  ])('%s with %j is unknown', async (login, passcode) => {
    expect(await usersWith().logIn(login, passcode)).toBeUndefined();
  });

  test('an unknown name costs one check like a known one, always against the hash of the same user', async () => {
    const { logIn, checks } = usersWith({ users: USERS, cacheMs: 0 });
    await logIn('alice', 'wrong');
    expect(checks).toHaveLength(1);
    const strangers = Array.from({ length: 16 }, (_, index) => `stranger ${index}`);
    const decoyOf = new Map<string, string>();
    for (const name of strangers) {
      await logIn(name, 'wrong');
      decoyOf.set(name, checks.at(-1)?.salt ?? '');
    }
    expect(checks).toHaveLength(1 + strangers.length);
    const salts = USERS.map(({ passwordHash }) => parsePasswordHash(passwordHash).salt.toString('hex'));
    expect(salts).toEqual(expect.arrayContaining([...new Set(decoyOf.values())]));
    await logIn(strangers[3], 'wrong again');
    expect(checks.at(-1)).toEqual({ passcode: 'wrong again', salt: decoyOf.get(strangers[3]!) });
  }, 20_000);

  test('needs both a login and a passcode for a check', async () => {
    const { logIn, checks } = usersWith();
    for (const [login, passcode] of [[], ['alice'], ['alice', ''], ['', 'correct horse'], [undefined, 'x']]) {
      expect(await logIn(login, passcode)).toBeUndefined();
    }
    expect(checks).toEqual([]);
  });

  test('remembers a right password for cacheMs, and checks a wrong one again', async () => {
    const { logIn, checks } = usersWith();
    for (let i = 0; i < 3; i++) expect(await logIn('alice', 'correct horse')).toMatchObject({ name: 'alice' });
    expect(checks).toHaveLength(1);
    for (let i = 0; i < 2; i++) expect(await logIn('alice', 'wrong')).toBeUndefined();
    expect(checks).toHaveLength(3);
  });

  test('a flood is refused beyond waitingMax, and only checksMax run at a time', async () => {
    let running = 0;
    let most = 0;
    const users = new StaticUsers(
      { ...BOUNDS, users: USERS, waitingMax: 10 },
      { info: () => undefined, warn: () => undefined },
      async () => {
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        return false;
      },
    );
    const logins = Array.from({ length: 100 }, (_, index) => presented({ login: 'alice', passcode: `guess ${index}` }));
    const answers = await Promise.allSettled(logins.map((login) => users.authenticate(login)));
    expect(answers.filter(({ status }) => status === 'rejected')).toHaveLength(88);
    expect(most).toBe(2);
  });
});

describe('a file', () => {
  const YAML = `- { name: alice, passwordHash: "${HORSE}", claims: { roles: [admin] } }\n`;

  test('holds the same list as YAML or JSON', async () => {
    const yaml = usersWith({ file: fileWith(YAML) });
    expect(await yaml.logIn('alice', 'correct horse')).toMatchObject({ claims: { roles: ['admin'] } });
    const json = usersWith({ file: fileWith(JSON.stringify(USERS)) });
    expect(await json.logIn('bob', 'battery staple')).toMatchObject({ name: 'bob' });
  });

  test.each([
    ['', /the list/],
    ['users: []', /the list/],
    ['- { name: alice }', /0\.passwordHash/],
    [
      `- { name: alice, passwordHash: s3cret }`,
      /0\.passwordHash must be a line that `stomp-relay hash-password` prints/,
    ],
    [`- { name: "", passwordHash: "${HORSE}" }`, /0\.name is empty/],
    [`- { name: "a\\nb", passwordHash: "${HORSE}" }`, /0\.name holds a control character/],
    [`- { name: alice, passwordHash: "${HORSE}", password: s3cret }`, /password/],
    [`${YAML}${YAML}`, /must name each user once/],
    ['s3cret: [', /neither YAML nor JSON/],
  ])('with the content %j is refused, with a reason that does not quote it', (content, reason) => {
    const file = fileWith(content);
    let message = '';
    try {
      usersWith({ file });
    } catch (error) {
      ({ message } = error as Error);
    }
    expect(message).toMatch(reason);
    expect(message).not.toMatch(/s3cret|bi47QHIEJz28l4L/);
  });

  test('that changes replaces the list, also for cached logins', async () => {
    const file = fileWith(YAML);
    const { logIn, log } = usersWith({ file });
    expect(await logIn('alice', 'correct horse')).toMatchObject({ name: 'alice' });
    writeFileSync(file, JSON.stringify([{ name: 'alice', passwordHash: STAPLE }]));
    await log.atLeast(1);
    expect(await logIn('alice', 'correct horse')).toBeUndefined();
    expect(await logIn('alice', 'battery staple')).toMatchObject({ name: 'alice', claims: {} });
  });

  test('that becomes invalid is reported without its content, and the users stay', async () => {
    const file = fileWith(YAML);
    const { logIn, log } = usersWith({ file });
    writeFileSync(file, '- { name: alice, passwordHash: s3cret }');
    await log.atLeast(1);
    expect(log.all[0]).toMatch(/0\.passwordHash must be/);
    expect(log.all[0]).not.toContain('s3cret');
    expect(await logIn('alice', 'correct horse')).toMatchObject({ name: 'alice' });
  });

  test('with an empty list accepts no client', async () => {
    const { logIn, checks } = usersWith({ file: fileWith('[]') });
    expect(await logIn('alice', 'correct horse')).toBeUndefined();
    expect(checks).toEqual([]);
  });
});
