/** Users publish on different channels. A slow, full or closed channel does not delay users of another channel. */
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import type { RoutedMessage } from '../../server/src/brokers/broker.js';
import type { RabbitMqBroker } from '../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import { hashOf } from '../../server/src/brokers/rabbitmq/text-hash.js';
import { publishTo } from '../../server/src/contract/publish-to.js';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import { parseDestination } from '../../server/src/destinations/destination.js';
import { bodies, Brokers, message, NO_HEADERS, shared, TestLog, uniqueName } from '../support/rabbitmq-brokers.js';
import { createVhost } from '../support/rabbitmq.js';
import type { Vhost } from '../support/rabbitmq.js';

const CHANNELS = 4;
const SLOW = 'mallory';
const OTHER = userApartFrom(SLOW);

let vhost: Vhost;
let brokers: Brokers;
let broker: RabbitMqBroker;
let backend: amqp.ChannelModel;
let channel: amqp.ConfirmChannel;

beforeAll(async () => {
  vhost = await createVhost();
  brokers = new Brokers(vhost.amqpUrl);
  broker = await brokers.start({ publishChannels: CHANNELS, unconfirmedMax: CHANNELS * 2 });
  backend = await amqp.connect(vhost.amqpUrl);
  channel = await backend.createConfirmChannel();
}, 60_000);
afterAll(async () => {
  await backend.close();
  await brokers.closeAll();
  await vhost.delete();
});

/** A user name that maps to another channel. */
function userApartFrom(user: string): string {
  const names = Array.from({ length: 20 }, (_, index) => `user-${index}`);
  return names.find((name) => hashOf(name) % CHANNELS !== hashOf(user) % CHANNELS)!;
}

async function send(user: string, to: string, body = 'x'): Promise<void> {
  const destination = parseDestination(to, 'send');
  const sent = message(body);
  await publishTo(broker, destination, sent, { mandatory: false, user });
}

/** A topic whose messages RabbitMQ routes slowly, on the channel that receives them. */
async function slowTopic(): Promise<string> {
  const name = uniqueName('slow');
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, 'amq.topic', `${name}.#.a.#.a.#.b`);
  return `/topic/${name}${'.a'.repeat(31)}`;
}

test('another user publishes while messages of one user are slow to route and its share is full', async () => {
  const slow = await slowTopic();
  const topic = `/topic/${uniqueName('t')}`;
  const inbox = new Inbox<RoutedMessage>();
  await broker.subscribe(shared(topic), NO_HEADERS, inbox.add);
  const confirmed: string[] = [];
  // Two are unconfirmed, which is the channel's share; the others wait for room
  const slowSends = Array.from({ length: 20 }, () => send(SLOW, slow).then(() => confirmed.push(SLOW)));
  await send(OTHER, topic).then(() => confirmed.push(OTHER));
  await inbox.atLeast(1);
  await Promise.all(slowSends);
  expect(confirmed.indexOf(OTHER)).toBeLessThan(10);
});

test('a user who closes a channel with each message disturbs other users only once', async () => {
  const log = new TestLog();
  const own = await brokers.start({ publishChannels: 1, log });
  const topic = `/topic/${uniqueName('t')}`;
  const inbox = new Inbox<RoutedMessage>();
  await own.subscribe(shared(topic), NO_HEADERS, inbox.add);
  const sendAs = (user: string, to: string) =>
    publishTo(own, parseDestination(to, 'send'), message('x'), { mandatory: false, user });
  for (let i = 0; i < 3; i++) {
    const exchange = uniqueName('internal');
    await channel.assertExchange(exchange, 'topic', { internal: true, durable: false });
    await expect(sendAs(SLOW, `/exchange/${exchange}/k`)).rejects.toMatchObject({ code: 'access-refused' });
    await sendAs(OTHER, topic);
  }
  await sendAs(SLOW, topic);
  await inbox.atLeast(4);
  expect(inbox.all.map(({ resent }) => resent)).toEqual([false, false, false, false]);
  const closedOf = (name: string): number =>
    log.lines.filter((line) => line.includes('closed a channel') && line.includes(`"channel":"${name}"`)).length;
  // The first time, and again when the message is tried alone
  expect([closedOf('publish'), closedOf('publish apart')]).toEqual([2, 4]);
});

test('after the loss of a channel only messages of its users are sent again', async () => {
  const topic = `/topic/${uniqueName('t')}`;
  const inbox = new Inbox<RoutedMessage>();
  await broker.subscribe(shared(topic), NO_HEADERS, inbox.add);
  const exchange = uniqueName('gone');
  await channel.assertExchange(exchange, 'direct', { durable: false });
  await send(SLOW, `/exchange/${exchange}/k`);
  await channel.deleteExchange(exchange);
  const bad = send(SLOW, `/exchange/${exchange}/k`);
  const sends = [SLOW, OTHER].flatMap((user) =>
    Array.from({ length: 10 }, (_, index) => send(user, topic, `${user} ${index}`)),
  );
  await expect(bad).rejects.toMatchObject({ code: 'exchange-not-found' });
  await Promise.all(sends);
  const received = await inbox.until((items) => new Set(bodies(items)).size === 20);
  const ofOther = received.filter(({ body }) => body.toString().startsWith(OTHER));
  expect(ofOther.map(({ resent }) => resent)).toEqual(Array.from({ length: 10 }, () => false));
  for (const user of [SLOW, OTHER]) {
    const firsts = bodies(received).filter((body, index, all) => body.startsWith(user) && all.indexOf(body) === index);
    expect(firsts).toEqual(Array.from({ length: 10 }, (_, index) => `${user} ${index}`));
  }
});

test('the limits of all channels add up to the configured limits', async () => {
  const slow = await slowTopic();
  const users = Array.from({ length: 40 }, (_, index) => `user-${index}`);
  let most = 0;
  const sends = users.map(async (user) => {
    const destination = parseDestination(slow, 'send');
    const publication = broker.publication(destination, message('x'), { mandatory: false, user });
    if (publication.ready) await publication.ready;
    const confirmed = publication.send();
    most = Math.max(most, broker.gauges.unconfirmed);
    await confirmed;
  });
  await Promise.all(sends);
  expect(most).toBe(CHANNELS * 2);
});
