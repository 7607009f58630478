import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { createConfig, loadConfig } from '../../../../server/src/config.js';
import { problemsOf } from '../../../support/config-problems.js';

const HASH = `$scrypt$ln=15,r=8,p=3$${'A'.repeat(22)}$${'A'.repeat(43)}`;
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

const configured = (authenticator: unknown) => createConfig({ auth: { authenticators: [authenticator] } } as never);

const problemsWith = (authenticator: unknown) => problemsOf(() => configured(authenticator));

describe('users', () => {
  test('can be in the configuration; the options of a check have defaults', () => {
    const { auth } = configured({ kind: 'users', users: [{ name: 'alice', passwordHash: HASH }] });
    expect(auth.authenticators).toEqual([
      {
        kind: 'users',
        users: [{ name: 'alice', passwordHash: HASH, claims: {} }],
        checksMax: 2,
        waitingMax: 1_000,
        checkTimeoutMs: 5_000,
        cacheMs: 60_000,
      },
    ]);
  });

  test.each<[unknown, RegExp]>([
    [{}, /authenticators\.0 .*must have either users or file/],
    [{ users: [], file: 'users.yaml' }, /must have either users or file/],
    [{ file: '' }, /file is "".*must be the name of a file/],
    [{ users: [{ name: 'alice' }] }, /users\.0\.passwordHash is missing/],
    [{ users: [{ name: '', passwordHash: HASH }] }, /users\.0\.name .*is empty/],
    [{ users: [{ name: 'x'.repeat(201), passwordHash: HASH }] }, /users\.0\.name .*at most 200/],
    [
      { users: [{ name: 'a', passwordHash: HASH.replace('ln=15', 'ln=20') }] },
      /users\.0\.passwordHash is \*\*\* .*: costs too much/,
    ],
    [
      { users: ['a', 'a'].map((name) => ({ name, passwordHash: HASH })) },
      /authenticators\.0\.users .*must name each user once/,
    ],
  ])('%j is refused', (options, sentence) => {
    const problems = problemsWith({ kind: 'users', ...(options as object) });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(sentence);
    expect(problems[0]).not.toContain('AAAA');
  });

  test('a password in place of a hash does not appear in the report', () => {
    const [problem] = problemsWith({ kind: 'users', users: [{ name: 'a', passwordHash: 's3cret' }] });
    expect(problem).toMatch(/hash-password/);
    expect(problem).not.toContain('s3cret');
  });
});

describe('http', () => {
  test.each([
    ['https://auth.example.com/login', {}],
    ['http://127.0.0.1:3000/login', {}],
    ['http://localhost:3000/login', {}],
    ['http://[::1]:3000/login', {}],
    ['http://auth:3000/login', { allowHttp: true }],
  ])('%s %j', (url, more) => {
    expect(configured({ kind: 'http', url, ...more }).auth.authenticators).toMatchObject([
      { url, headers: {}, forward: [], checksMax: 20, answerMaxBytes: 16_384, cacheMs: 0 },
    ]);
  });

  test.each<[unknown, RegExp]>([
    [{}, /url is missing/],
    [{ url: 'http://auth:3000/login' }, /must be an https address .*allowHttp/],
    [{ url: 'http://127.0.0.1.example.com/' }, /must be an https address/],
    [{ url: 'https://user:s3cret@auth/' }, /without user and password/],
    [{ url: 'ftp://auth/', allowHttp: true }, /must be an https address/],
    [{ url: 'auth' }, /must be an https address/],
    [{ url: 'https://auth/', headers: { 'x-key': 's3cret\r\nx-other: 1' } }, /headers\.x-key is \*\*\* .*line breaks/],
    [{ url: 'https://auth/', headers: { 'x key': 's3cret' } }, /must be headers/],
    [{ url: 'https://auth/', headers: { 'Content-Type': 's3cret' } }, /headers is \*\*\* .*sets itself/],
    [{ url: 'https://auth/', forward: ['x-forwarded-for'] }, /forward/],
  ])('%j is refused', (options, sentence) => {
    const problems = problemsWith({ kind: 'http', ...(options as object) });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(sentence);
    expect(problems[0]).not.toContain('s3cret');
  });

  test('cookies must not be forwarded if any page may connect', () => {
    const authenticators = [{ kind: 'http', url: 'https://auth/', forward: ['cookie'] }];
    const load = (allowedOrigins: unknown) => () =>
      createConfig({ auth: { authenticators }, websocket: { allowedOrigins } } as never);
    expect(load(['https://app.example'])).not.toThrow();
    for (const origins of ['*', ['null']])
      expect(load(origins)).toThrow(/authenticators\.0\.forward .*must not have cookie/);
  });

  describe('a secret from the environment', () => {
    const load = (text: string, environment: Record<string, string>) => {
      const folder = mkdtempSync(join(tmpdir(), 'login-options-'));
      folders.push(folder);
      const config = join(folder, 'relay.yaml');
      writeFileSync(config, text);
      return loadConfig({ config }, environment);
    };
    const YAML =
      'auth: { authenticators: [ { kind: http, url: "https://auth/", headers: { x-api-key: !env HOOK_KEY } } ] }';

    test('replaces !env NAME', () => {
      const { auth } = load(YAML, { HOOK_KEY: 'k3y: {' });
      expect(auth.authenticators).toMatchObject([{ headers: { 'x-api-key': 'k3y: {' } }]);
    });

    test.each([{}, { HOOK_KEY: '' }])('is required: %j', (environment) => {
      expect(() => load(YAML, environment as Record<string, string>)).toThrow(/the variable HOOK_KEY is not set/);
    });
  });
});

test('rabbitmq: guest is refused by default', () => {
  expect(configured({ kind: 'rabbitmq' }).auth.authenticators).toEqual([
    { kind: 'rabbitmq', allowGuest: false, checksMax: 4, waitingMax: 1_000, checkTimeoutMs: 5_000, cacheMs: 10_000 },
  ]);
});
