/** The node of a history's leader is killed: the log goes on at another node, without loss or copy. */
import { expect, test } from '@jest/globals';
import amqp from 'amqplib';
import { eventually } from '../support/deadline.js';
import { makeHistory, uniqueRule } from '../support/rabbitmq-histories.js';
import { RESTART_MS, stageCluster } from './cluster-stage.js';

const stage = stageCluster();

test.each([
  ['its own node', 0],
  ['another node', 1],
])(
  'a relay on %s',
  async (_, relayNode) => {
    const rule = uniqueRule();
    const history = makeHistory(stage.vhost.amqpUrls[0]!, rule, {
      urls: [stage.vhost.amqpUrls[relayNode]!, stage.vhost.amqpUrls[2]!],
      publishTimeoutMs: RESTART_MS,
    });
    // The leader is on the node of the declaration
    const declaring = await amqp.connect(stage.vhost.amqpUrls[0]!);
    const channel = await declaring.createChannel();
    await channel.assertQueue(`stomp-relay.history.${rule.name}`, { arguments: { 'x-queue-type': 'stream' } });
    await declaring.close();
    await history.open();
    const publishing = await amqp.connect(stage.vhost.amqpUrls[2]!);
    const publisher = await publishing.createConfirmChannel();
    const confirmed: string[] = [];
    const publish = async (body: string): Promise<void> => {
      publisher.publish('amq.topic', 'prices.eur', Buffer.from(body));
      await publisher.waitForConfirms();
      confirmed.push(body);
    };
    for (let n = 0; n < 100; n++) await publish(`a${n}`);
    await history.sink.has('a99');
    await stage.nodes[0].kill();
    for (let n = 0; n < 100; n++) await publish(`b${n}`);
    await history.sink.has('b99', RESTART_MS);
    await stage.nodes[0].start();
    for (let n = 0; n < 100; n++) await publish(`c${n}`);
    await history.sink.has('c99', RESTART_MS);
    await eventually(
      () => (history.sink.events.length >= confirmed.length ? true : undefined),
      RESTART_MS,
      () => `${history.sink.events.length} of ${confirmed.length} entries`,
    );
    expect(history.sink.events).toEqual(confirmed);
    await publishing.close();
    await history.close();
  },
  600_000,
);
