/**
 * Plays each scenario against RabbitMQ's own Web STOMP and against a relay, each with its own vhost on the same
 * RabbitMQ. The clients must receive the same, apart from the table of deliberate differences.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createVhost, rabbitmq } from '../../support/rabbitmq.js';
import type { Vhost } from '../../support/rabbitmq.js';
import { startRelay } from '../../support/relay.js';
import type { TestRelay } from '../../support/relay.js';
import { complaints, gapBetween } from './compare.js';
import { compatibilityPage } from './compatibility-page.js';
import { DELIBERATE } from './deliberate.js';
import { SCENARIOS } from './scenarios/index.js';
import { perform, placeOf } from './stage.js';
import type { Server } from './stage.js';

const PAGE = path.join(__dirname, '../../../docs/compatibility.md');

describe('clients of RabbitMQ and of the relay', () => {
  let vhosts: Vhost[] = [];
  let relay: TestRelay | undefined;
  let plugin: Server;
  let ours: Server;

  beforeAll(async () => {
    vhosts = [await createVhost(), await createVhost()];
    const [behindPlugin, behindRelay] = vhosts as [Vhost, Vhost];
    // short, so that scenarios about them end soon
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
    'the relay behaves like RabbitMQ, apart from listed differences: $name',
    async (scenario) => {
      const [expected, actual] = await Promise.all([perform(scenario, plugin), perform(scenario, ours)]);
      expect(complaints(scenario.name, gapBetween(expected, actual), rabbitmq().version)).toEqual([]);
    },
    30_000,
  );
});

test('no two scenarios have the same name or the same prefix for queues and topics', () => {
  const names = SCENARIOS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  expect(new Set(names.map(placeOf)).size).toBe(names.length);
});

test('the table of deliberate differences lists only existing scenarios', () => {
  const names = new Set(SCENARIOS.map(({ name }) => name));
  const unknown = DELIBERATE.flatMap(({ scenarios }) => scenarios).filter((name) => !names.has(name));
  expect(unknown).toEqual([]);
});

/** UPDATE_COMPATIBILITY=1 rewrites the page. */
test('docs/compatibility.md is generated from the table of deliberate differences', async () => {
  const page = await compatibilityPage(DELIBERATE, SCENARIOS.length);
  if (process.env['UPDATE_COMPATIBILITY']) writeFileSync(PAGE, page);
  expect(readFileSync(PAGE, 'utf8')).toBe(page);
});
