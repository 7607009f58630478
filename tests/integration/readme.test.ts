/** The examples of README.md, run as they are printed, but against a relay and a vhost of the test. */
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { Client as StompJs } from '@stomp/stompjs';
import { connect } from 'amqplib';
import express from 'express';
import { createRelay } from 'stomp-relay';
import type { Relay } from 'stomp-relay';
import { createClient } from 'stomp-relay-client';
import type { Client } from 'stomp-relay-client';
import { WebSocket } from 'ws';
import { loadConfig } from '../../server/src/config.js';
import { codeBlocks } from '../support/code-blocks.js';
import { eventually } from '../support/deadline.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';
import { startRelay } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp, openStomp } from '../support/stomp-client.js';
import type { StompClient } from '../support/stomp-client.js';

const blocks = codeBlocks(path.resolve(import.meta.dirname, '../../README.md'));
const MODULES: Readonly<Record<string, unknown>> = {
  '@stomp/stompjs': { Client: StompJs },
  'stomp-relay-client': { createClient },
  'stomp-relay': { createRelay },
  amqplib: { connect },
  'node:http': { createServer },
};
const PRICE = { price: 101.2 };

let vhost: Vhost;
let relay: TestRelay;
const cleanUp: (() => unknown)[] = [];

beforeAll(async () => {
  Object.assign(globalThis, { WebSocket }); // as in a browser
  vhost = await createVhost();
  relay = await startRelay(vhost.amqpUrl);
});
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});
afterAll(async () => {
  await relay?.stop();
  await vhost?.delete();
});

/** The only block of the language that has `text`. */
function example(language: string, text: string): string {
  const found = blocks.filter((block) => block.language === language && block.code.includes(text));
  expect(found).toHaveLength(1);
  return found[0]!.code;
}

/** Runs a module's code; resolves with its variables that `results` names, and the values that it logs. */
async function run(code: string, results: string, globals: object = {}): Promise<Run> {
  const logged: unknown[] = [];
  const names = { modules: MODULES, console: { log: (value: unknown) => logged.push(value) }, Buffer, ...globals };
  const body = code.replaceAll(/^import (.+) from '(.+)';$/gm, `const $1 = modules['$2'];`);
  const result = await (runInNewContext(`(async () => { ${body}\nreturn ${results}; })()`, names) as Promise<unknown>);
  return { result: result as Run['result'], logged };
}

interface Run {
  readonly result: Readonly<Record<string, unknown>>;
  readonly logged: readonly unknown[];
}

async function until({ logged }: Run, count: number): Promise<readonly unknown[]> {
  return eventually(
    () => (logged.length >= count ? logged : undefined),
    10_000,
    () => `${count} lines, not ${JSON.stringify(logged)}`,
  );
}

async function subscriber(): Promise<StompClient> {
  const client = await connectStomp(relay.webSocketUrl);
  cleanUp.push(() => client.destroy());
  await client.receipt('SUBSCRIBE', { id: '1', destination: '/topic/data' });
  return client;
}

test('a page with stompjs', async () => {
  const code = example('js', '@stomp/stompjs').replace('ws://127.0.0.1:8080/ws', relay.webSocketUrl);
  const page = await run(code, '{ client }');
  cleanUp.push(() => (page.result['client'] as StompJs).deactivate());
  expect(await until(page, 1)).toEqual(['hello']);
});

test('a page with the client SDK', async () => {
  const code = example('js', 'stomp-relay-client').replace('ws://127.0.0.1:8080/ws', relay.webSocketUrl);
  const page = await run(code, '{ client }');
  cleanUp.push(() => (page.result['client'] as Client).close());
  expect(await until(page, 3)).toEqual(['connecting', 'connected', PRICE]);
});

test('a back end over HTTP', async () => {
  const client = await subscriber();
  const curl = /^curl (?<url>\S+) -H '(?<name>[^:]+): (?<value>[^']+)' \\\n {2}-d '(?<body>[^']+)'$/;
  const { url, name, value, body } = curl.exec(example('sh', '/api/messages'))!.groups!;
  const address = url!.replace('http://127.0.0.1:8080/', relay.pageUrl);
  const response = await fetch(address, { method: 'POST', headers: { [name!]: value! }, body: body! });
  expect([response.status, await response.json()]).toEqual([200, { result: 'confirmed' }]);
  expect(JSON.parse((await client.expectFrame('MESSAGE')).body.toString())).toEqual(PRICE);
});

test('a back end over AMQP', async () => {
  const client = await subscriber();
  await run(example('js', 'amqplib').replace('amqp://guest:guest@127.0.0.1:5672', vhost.amqpUrl), '{}');
  const { headers, body } = await client.expectFrame('MESSAGE');
  expect([headers['content-type'], JSON.parse(body.toString())]).toEqual(['application/json', PRICE]);
});

test('the configuration for other machines', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'relay-readme-'));
  cleanUp.push(() => rmSync(folder, { recursive: true }));
  const file = path.join(folder, 'relay.yaml');
  writeFileSync(file, example('yaml', 'authenticators'));
  const { listen, auth, policy } = loadConfig({ config: file }, {});
  expect(listen.host).toBe('0.0.0.0');
  expect(auth.authenticators).toMatchObject([{ kind: 'jwt', audience: 'relay' }]);
  expect(policy?.rules).toHaveLength(2);
});

test('the relay as a library', async () => {
  const code = example('ts', 'createRelay')
    .replace(`broker: 'amqp://localhost'`, `broker: '${vhost.amqpUrl}', log: { level: 'silent' }`)
    .replace('3000', '0');
  const yourLogin = async (login?: string, passcode?: string) =>
    Promise.resolve(passcode === 'right' ? { name: login, role: 'writer' } : undefined);
  const { result } = await run(code, '{ server, relay }', { yourExpressApp: express(), yourLogin });
  const server = result['server'] as Server;
  cleanUp.push(() => once(server.close(), 'close'));
  cleanUp.push(() => (result['relay'] as Relay).stop());
  if (!server.listening) await once(server, 'listening');
  const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`;

  const client = await connectStomp(url, { login: 'ann', passcode: 'right' });
  cleanUp.push(() => client.destroy());
  await client.receipt('SUBSCRIBE', { id: '1', destination: '/topic/data' });
  await client.receipt('SEND', { destination: '/topic/data' }, 'written');
  const stranger = await openStomp(url);
  cleanUp.push(() => stranger.destroy());
  stranger.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', login: 'ann', passcode: 'wrong' });
  await stranger.expectFrame('ERROR', { code: 'authentication-failed' });
});
