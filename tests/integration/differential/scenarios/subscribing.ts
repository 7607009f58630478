/** SUBSCRIBE: ids, durable subscriptions, and queue headers. */
import { scenario } from '../stage.js';
import type { Stage, Scenario } from '../stage.js';

/** The properties of a queue, from the management API. */
async function queueOf(stage: Stage, name: string): Promise<string> {
  const queue = (await stage.server.vhost.api('GET', `queues/${encodeURIComponent(name)}`)) as Record<string, unknown>;
  const { durable, auto_delete, exclusive } = queue;
  const given = Object.entries(queue['arguments'] as Record<string, unknown>).sort();
  return JSON.stringify({ durable, auto_delete, exclusive, arguments: Object.fromEntries(given) });
}

const QUEUE_HEADERS = {
  'x-message-ttl': '60000',
  'x-expires': '70000',
  'x-max-length': '10',
  'x-max-length-bytes': '20000',
  'x-dead-letter-exchange': 'dead-letter-exchange',
  'x-dead-letter-routing-key': 'dead-letter-routing-key',
  'x-max-priority': '6',
};

const declared = (name: string, headers: Readonly<Record<string, string>>): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}`, ...headers });
    alice.note(await queueOf(stage, stage.name()));
  });

/** Subscribes, leaves in several ways, returns, and records the messages sent in between. */
const durable = (name: string, header: 'durable' | 'persistent'): Scenario =>
  scenario(name, async (stage) => {
    const destination = `/topic/${stage.name()}`;
    const headers = { id: 'my-subscription', destination, [header]: 'true', 'auto-delete': 'false' };
    const bob = await stage.connect('bob');
    const first = await stage.connect('first');
    await first.request('SUBSCRIBE', headers);
    bob.send('SEND', { destination }, '1');
    await first.message();
    await first.leave();
    bob.send('SEND', { destination }, '2');
    const second = await stage.connect('second');
    await second.request('SUBSCRIBE', headers);
    await second.body();
    await second.request('UNSUBSCRIBE', { id: 'my-subscription' });
    bob.send('SEND', { destination }, '3');
    await second.request('SUBSCRIBE', headers);
    await second.body();
    await second.request('UNSUBSCRIBE', { id: 'my-subscription', [header]: 'true' });
    await bob.request('SEND', { destination }, 'lost');
    await second.request('SUBSCRIBE', headers);
    bob.send('SEND', { destination }, 'marker');
    await second.body();
  });

export const scenarios: readonly Scenario[] = [
  scenario('subscribing: the same id twice', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name('one')}` });
    alice.send('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name('two')}` });
    await alice.refusal();
  }),
  scenario('subscribing: the same destination twice without ids in 1.0', async (stage) => {
    const alice = await stage.connect('alice', { version: '1.0' });
    await alice.request('SUBSCRIBE', { destination: `/topic/${stage.name()}` });
    alice.send('SUBSCRIBE', { destination: `/topic/${stage.name()}` });
    await alice.refusal();
  }),
  scenario('subscribing: SUBSCRIBE without id in 1.2', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { destination: `/topic/${stage.name()}` });
  }),
  scenario('subscribing: SUBSCRIBE without id in 1.1', async (stage) => {
    const alice = await stage.connect('alice', { version: '1.1' });
    await alice.request('SUBSCRIBE', { destination: `/topic/${stage.name()}` });
  }),
  scenario('subscribing: a selector', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name()}`, selector: 'a = 1' });
  }),
  scenario('subscribing: no-local', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name()}`, 'no-local': 'true' });
  }),
  scenario('subscribing: an id with a colon', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 'a\\cb', destination: `/topic/${stage.name()}` });
    alice.send('SEND', { destination: `/topic/${stage.name()}` }, 'x');
    await alice.message();
  }),
  scenario('subscribing: an id like that of a temporary queue', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: '/temp-queue/a', destination: `/topic/${stage.name()}` });
  }),
  durable('durable: the subscription survives and is deleted on request', 'durable'),
  durable('durable: the old header name persistent', 'persistent'),
  scenario('durable: SUBSCRIBE without id in 1.0', async (stage) => {
    const alice = await stage.connect('alice', { version: '1.0' });
    await alice.request('SUBSCRIBE', { destination: `/topic/${stage.name()}`, durable: 'true' });
  }),
  scenario('durable: two ids are two subscriptions', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/topic/${stage.name()}`;
    for (const id of ['one', 'two']) {
      await alice.request('SUBSCRIBE', { id, destination, durable: 'true', 'auto-delete': 'false' });
    }
    bob.send('SEND', { destination }, 'x');
    await alice.messagesInAnyOrder(2);
  }),
  scenario('durable: the same subscription in two tabs', async (stage) => {
    const destination = `/topic/${stage.name()}`;
    const headers = { id: 'sub-0', destination, durable: 'true', 'auto-delete': 'false' };
    const first = await stage.connect('first');
    const second = await stage.connect('second');
    await first.request('SUBSCRIBE', headers);
    await second.request('SUBSCRIBE', headers);
  }),
  scenario('queue headers: x-queue-name behind a topic', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/topic/${stage.name('topic')}`;
    await alice.request('SUBSCRIBE', { id: 's', destination, 'x-queue-name': stage.name('queue') });
    const channel = await stage.backEnd();
    channel.sendToQueue(stage.name('queue'), Buffer.from('Hello World!'), { headers: { 'x-custom': 'value' } });
    await alice.message();
    await alice.request('SEND', { destination: `/topic/${stage.name('other')}` }, 'not for this queue');
    alice.send('SEND', { destination }, 'by its topic');
    await alice.message();
  }),
  scenario('queue headers: x-queue-name behind an exchange', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/exchange/amq.direct/${stage.name('key')}`;
    await alice.request('SUBSCRIBE', { id: 's', destination, 'x-queue-name': stage.name('queue') });
    const channel = await stage.backEnd();
    channel.sendToQueue(stage.name('queue'), Buffer.from('Hello World!'));
    await alice.message();
  }),
  scenario('queue headers: a quorum queue', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/topic/${stage.name()}`;
    const quorum = { 'x-queue-type': 'quorum', durable: 'true', 'auto-delete': 'false' };
    await alice.request('SUBSCRIBE', { id: 's', destination, 'x-queue-name': stage.name('queue'), ...quorum });
    alice.note(await queueOf(stage, stage.name('queue')));
    const channel = await stage.backEnd();
    channel.sendToQueue(stage.name('queue'), Buffer.from('Hello World!'));
    await alice.message();
  }),
  scenario('queue headers: a stream from its first message', async (stage) => {
    const channel = await stage.backEnd();
    const stream = { durable: true, arguments: { 'x-queue-type': 'stream' } };
    await channel.assertQueue(stage.name(), stream);
    const bob = await stage.connect('bob');
    for (const body of ['1', '2']) bob.send('SEND', { destination: `/amq/queue/${stage.name()}` }, body);
    const alice = await stage.connect('alice');
    const reading = { ack: 'client', 'prefetch-count': '10', 'x-stream-offset': 'first' };
    await alice.request('SUBSCRIBE', { id: 's', destination: `/amq/queue/${stage.name()}`, ...reading });
    await alice.messages(2);
  }),
  declared('queue headers: none', {}),
  declared('queue headers: on SUBSCRIBE', QUEUE_HEADERS),
  declared('queue headers: auto-delete', { 'auto-delete': 'true' }),
  declared('queue headers: exclusive', { exclusive: 'true' }),
  declared('queue headers: x-overflow and x-delivery-limit', {
    'x-queue-type': 'quorum',
    'x-overflow': 'reject-publish',
    'x-delivery-limit': '3',
  }),
  declared('queue headers: x-single-active-consumer', { 'x-single-active-consumer': 'true' }),
  scenario('queue headers: dead letters of a durable subscription', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/topic/${stage.name()}`;
    const dead = { 'x-dead-letter-exchange': 'amq.direct', 'x-dead-letter-routing-key': 'dead' };
    await alice.request('SUBSCRIBE', { id: 's', destination, durable: 'true', 'auto-delete': 'false', ...dead });
  }),
  scenario('queue headers: a hundred priorities', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}`, 'x-max-priority': '100' });
  }),
  declared('queue headers: x-max-length is not a number', { 'x-max-length': 'ten' }),
  scenario('queue headers: on SEND', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SEND', { destination: `/queue/${stage.name()}`, ...QUEUE_HEADERS }, 'x');
    alice.note(await queueOf(stage, stage.name()));
  }),
  scenario('queue headers: headers that differ from the queue', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}`, 'x-max-length': '10' });
    bob.send('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}`, 'x-max-length': '11' });
    await bob.refusal();
  }),
];
