/**
 * Each scenario is played against RabbitMQ's own Web STOMP and against a relay, each with a vhost of its own on the same
 * RabbitMQ. What the clients see is the same, or the table of deliberate differences says why it is not.
 */
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createVhost, rabbitmq, type Vhost } from '../../support/rabbitmq.js';
import { startRelay, type TestRelay } from '../../support/relay.js';
import { compatibilityPage } from './compatibility-page.js';
import { complaints, gapBetween } from './compare.js';
import { DELIBERATE } from './deliberate.js';
import { SCENARIOS } from './scenarios/index.js';
import { perform, placeOf, type Server } from './stage.js';

const PAGE = path.join(__dirname, '../../../docs/compatibility.md');

describe('what clients see of RabbitMQ and of the relay', () => {
  let vhosts: Vhost[] = [];
  let relay: TestRelay | undefined;
  let plugin: Server;
  let ours: Server;

  beforeAll(async () => {
    vhosts = [await createVhost(), await createVhost()];
    const [behindPlugin, behindRelay] = vhosts as [Vhost, Vhost];
    // short times, so that scenarios in which they matter end soon
    const session = { ackGraceMs: 200, heartBeat: { sendMs: 1000, expectMs: 1000 } };
    relay = await startRelay(behindRelay.amqpUrl, { session });
    const { webStompUrl, stompPort, amqpUrl } = rabbitmq();
    const tcpUrl = `tcp://${new URL(amqpUrl).hostname}:${stompPort}`;
    plugin = { webSocketUrl: webStompUrl, tcpUrl, vhost: behindPlugin };
    ours = { webSocketUrl: relay.webSocketUrl, tcpUrl: relay.tcpUrl, vhost: behindRelay };
  });

  afterAll(async () => {
    await relay?.stop();
    for (const vhost of vhosts) await vhost.delete();
  });

  test.each(SCENARIOS)(
    '$name',
    async (scenario) => {
      const [told, oursTold] = await Promise.all([perform(scenario, plugin), perform(scenario, ours)]);
      expect(complaints(scenario.name, gapBetween(told, oursTold), rabbitmq().version)).toEqual([]);
    },
    30_000,
  );
});

test('scenarios have names and places of their own', () => {
  const names = SCENARIOS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(new Set(names.map(placeOf)).size).toBe(names.length);
});

test('the table of deliberate differences lists scenarios that exist', () => {
  const names = new Set(SCENARIOS.map(({ name }) => name));
  const unknown = DELIBERATE.flatMap(({ scenarios }) => scenarios).filter((name) => !names.has(name));
  expect(unknown).toEqual([]);
});

/** UPDATE_COMPATIBILITY=1 writes the page anew. */
test('docs/compatibility.md is made from the table', () => {
  const page = compatibilityPage(DELIBERATE, SCENARIOS.length);
  if (process.env['UPDATE_COMPATIBILITY']) writeFileSync(PAGE, page);
  expect(readFileSync(PAGE, 'utf8')).toBe(page);
});
