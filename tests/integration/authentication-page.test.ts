/** Follows docs/authentication.md step by step and checks the promised results. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createConfig, loadConfig } from '../../server/src/config.js';
import { createRelay } from '../../server/src/relay.js';
import type { Relay } from '../../server/src/relay.js';
import { connectStomp, openStomp } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';

const ROOT = path.resolve(__dirname, '../..');
const PAGE = readFileSync(path.join(ROOT, 'docs/authentication.md'), 'utf8');
/** Inside the repository, so that scripts find its packages. */
const FOLDER = path.join(ROOT, '.cache', `authentication-page-${randomBytes(4).toString('hex')}`);

const blocks = (language: string) =>
  [...PAGE.matchAll(new RegExp(`\`\`\`${language}\n(.*?)\`\`\``, 'gs'))].map(([, text = '']) => text);
const [firstYaml = '', ...otherYaml] = blocks('yaml');

let relay: Relay | undefined;
const clients: StompClient[] = [];

beforeAll(() => {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(path.join(FOLDER, 'jwt.secret'), `${randomBytes(48).toString('base64')}\n`);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await relay?.stop();
  relay = undefined;
});

afterAll(() => rmSync(FOLDER, { recursive: true }));

/** Loads the YAML as `--config` does, with free ports. */
function configOf(yaml: string) {
  const file = path.join(FOLDER, 'relay.yaml');
  writeFileSync(file, yaml.replace('jwt.secret', path.join(FOLDER, 'jwt.secret')));
  return loadConfig({ config: file, port: '0', adminPort: 'off', logLevel: 'silent' }, { LOGIN_API_KEY: 'key' });
}

describe('tokens and two rules in five minutes', () => {
  async function start(): Promise<string> {
    relay = createRelay(configOf(firstYaml));
    const listening = await relay.start();
    return listening.find(({ kind }) => kind === 'websocket')?.url ?? '';
  }

  function tokenOf(user: string): string {
    const script = blocks('js').find((text) => text.includes('SignJWT')) ?? '';
    writeFileSync(path.join(FOLDER, 'token.mjs'), script);
    return execFileSync(process.execPath, ['token.mjs', user], { cwd: FOLDER, encoding: 'utf8' }).trim();
  }

  test('the example rules allow exactly the documented destinations', async () => {
    const url = await start();
    const extensions = { 'relay-extensions': 'soft-errors' };
    const ann = await connectStomp(url, { passcode: tokenOf('ann'), ...extensions });
    clients.push(ann);
    await ann.receipt('SUBSCRIBE', { id: '1', destination: '/topic/chat.ann.hello' });
    await ann.receipt('SUBSCRIBE', { id: '2', destination: '/topic/news.today' });
    await ann.receipt('SEND', { destination: '/topic/chat.ann.hello' }, 'hello');
    await ann.expectFrame('MESSAGE', { subscription: '1' });
    for (const [command, destination] of [
      ['SUBSCRIBE', '/topic/chat.bob.hello'],
      ['SUBSCRIBE', '/topic/#'],
      ['SEND', '/topic/news.today'],
      ['SEND', '/topic/chat.bob.hello'],
    ] as const) {
      ann.sendFrame(command, { id: '3', destination });
      await ann.expectFrame('MESSAGE', { destination: '/relay/errors', code: 'access-denied' });
    }
  });

  test('a client without a token, or with a changed token, is refused', async () => {
    const url = await start();
    const token = tokenOf('ann');
    const changed = token.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')).replace(/\..{4}/, '.AAAA');
    for (const passcode of ['', 'secret', changed]) {
      const client = await openStomp(url);
      clients.push(client);
      client.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', passcode });
      await client.expectFrame('ERROR', { code: 'authentication-failed' });
      await client.expectClose(4401);
    }
  });
});

test.each(otherYaml)('the YAML example is a valid configuration: %s', (yaml) => {
  const { authenticators } = configOf(yaml).auth;
  expect(authenticators.length).toBeGreaterThan(0);
});

test('the table of kinds lists every kind of authenticator', () => {
  const kinds = [...PAGE.matchAll(/^\| \[`(\w+)`\]/gm)].map(([, kind]) => kind);
  const given = { auth: { authenticators: [{ kind: 'no such kind' }] } } as never;
  expect(() => createConfig(given)).toThrow(`must be one of: ${kinds.join(', ')}`);
});
