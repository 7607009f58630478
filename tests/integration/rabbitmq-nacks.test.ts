/** A SEND to a topic survives the trouble of another relay's queue. A queue that refuses each message is an ERROR. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import type { RoutedMessage } from '../../server/src/brokers/broker.js';
import type { RabbitMqBroker } from '../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { eventually } from '../support/deadline.js';
import {
  Brokers,
  codeOf,
  DEADLINE_MS,
  message,
  NO_HEADERS,
  send,
  shared,
  uniqueName,
} from '../support/rabbitmq-brokers.js';
import { createVhost, rabbitmq } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';

let vhost: Vhost;
let brokers: Brokers;
let broker: RabbitMqBroker;
let topic: string;
let inbox: Inbox<RoutedMessage>;
beforeAll(async () => {
  vhost = await createVhost();
  brokers = new Brokers(vhost.amqpUrl);
}, 60_000);
afterAll(async () => {
  await brokers.closeAll();
  await vhost.delete();
});
beforeEach(async () => {
  broker = await brokers.start({ publishChannels: 1 });
  topic = uniqueName('t');
  inbox = new Inbox<RoutedMessage>();
  await broker.subscribe(shared(`/topic/${topic}`), NO_HEADERS, inbox.add);
});

const resent = (): boolean[] => inbox.all.map((each) => each.resent);

describe('a queue that another program has bound to the topic, and that refuses messages', () => {
  let model: amqp.ChannelModel;
  let channel: amqp.Channel;
  let queue: string;
  beforeEach(async () => {
    model = await amqp.connect(vhost.amqpUrl);
    channel = await model.createChannel();
    const full = { 'x-max-length': 0, 'x-overflow': 'reject-publish' };
    ({ queue } = await channel.assertQueue(uniqueName('full'), { arguments: full }));
    await channel.bindQueue(queue, 'amq.topic', topic);
  });

  test('refuses a SEND after three attempts, and the next one at once', async () => {
    expect(await codeOf(() => send(broker, `/topic/${topic}`, message('a')))).toBe('publish-refused');
    await inbox.atLeast(3);
    expect(resent()).toEqual([false, true, true]);
    expect(await codeOf(() => send(broker, `/topic/${topic}`, message('b')))).toBe('publish-refused');
    await send(broker, `/topic/${topic}.other`, message('c'));
    await inbox.atLeast(4);
    expect(resent()).toEqual([false, true, true, false]);
    await model.close();
  });

  test('does not refuse a SEND if it is gone by the next attempt', async () => {
    const sending = send(broker, `/topic/${topic}`, message('a'));
    await inbox.atLeast(1);
    await channel.deleteQueue(queue);
    await sending;
    await inbox.atLeast(2);
    expect(resent()).toEqual([false, true]);
    await model.close();
  });
});

test('a SEND is confirmed although the queue of another relay dies with it', async () => {
  const other = await brokers.start({ instanceId: 'other' });
  const [sent, seen] = [`/topic/${topic}`, new Inbox<RoutedMessage>()];
  await other.subscribe(shared(sent), NO_HEADERS, seen.add);
  const name = await otherTopicsQueue();
  const ofQueue = (work: string) =>
    rabbitmq().ctl(
      'eval',
      `{ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"${vhost.name}">>, queue, <<"${name}">>)), ${work}.`,
    );
  // It takes no message and confirms none
  await ofQueue('sys:suspend(amqqueue:get_pid(Q))');
  const sending = send(broker, sent, message('x'));
  await inbox.atLeast(1);
  await ofQueue('exit(amqqueue:get_pid(Q), kill)');
  await sending;
  await inbox.atLeast(2);
  expect(resent()).toEqual([false, true]);
}, 60_000);

function otherTopicsQueue(): Promise<string> {
  return eventually(
    async () => {
      const all = (await vhost.api('GET', 'queues')) as { name: string }[];
      return all.find(({ name }) => name.startsWith('stomp-relay.instance.other.topics'))?.name;
    },
    DEADLINE_MS,
    () => 'the other relay has no queue',
  );
}
