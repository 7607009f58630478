/** Every kind of destination, for SEND and SUBSCRIBE, wildcards, and invalid destinations. */
import { scenario } from '../stage.js';
import type { Scenario } from '../stage.js';

/** Alice subscribes, Bob sends. `own` is the scenario's name. */
const carried = (name: string, to: (own: string) => string, from: (own: string) => string = to): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await alice.request('SUBSCRIBE', { id: 's', destination: from(stage.name()) });
    bob.send('SEND', { destination: to(stage.name()) }, 'x');
    await alice.message();
  });

/** Records the topics that match a pattern. The last topic must match. */
const matched = (name: string, pattern: string, topics: readonly string[]): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name('w')}.${pattern}` });
    for (const topic of topics) bob.send('SEND', { destination: `/topic/${stage.name('w')}${topic}` }, topic || '-');
    const last = topics.at(-1) || '-';
    for (let body = ''; body !== last;) body = (await alice.message()).body.toString();
  });

const refused = (name: string, command: 'SEND' | 'SUBSCRIBE', destination: string): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.connect('alice');
    alice.send(command, { ...(command === 'SUBSCRIBE' ? { id: 's' } : {}), destination });
    await alice.refusal();
  });

export const scenarios: readonly Scenario[] = [
  carried('destinations: /topic', (own) => `/topic/${own}`),
  carried('destinations: /topic with slashes', (own) => `/topic/${own}/a/b`),
  carried(
    'destinations: /topic with two #',
    (own) => `/topic/${own}.a.b`,
    (own) => `/topic/#.${own}.#.b`,
  ),
  carried('destinations: /topic with 33 words', (own) => `/topic/${own}${'.a'.repeat(32)}`),
  carried('destinations: /topic with an escaped slash', (own) => `/topic/${own}%2Fa`),
  carried('destinations: /topic with text of another script', (own) => `/topic/${own}.ü`),
  carried('destinations: /queue', (own) => `/queue/${own}`),
  carried('destinations: /queue with an escaped slash', (own) => `/queue/${own}%2Fa`),
  carried('destinations: a queue by its bare name', (own) => own),
  carried(
    'destinations: a queue by its bare name, subscribed as /queue',
    (own) => own,
    (own) => `/queue/${own}`,
  ),
  carried('destinations: /exchange/amq.direct', (own) => `/exchange/amq.direct/${own}`),
  carried('destinations: /exchange/amq.fanout with a key', () => '/exchange/amq.fanout/key-of-fanout'),
  carried(
    'destinations: /exchange/amq.topic, sent to as /topic',
    (own) => `/topic/${own}`,
    (own) => `/exchange/amq.topic/${own}`,
  ),
  carried(
    'destinations: /topic, sent to as /exchange/amq.topic',
    (own) => `/exchange/amq.topic/${own}`,
    (own) => `/topic/${own}`,
  ),
  scenario('destinations: /exchange/NAME without a key', async (stage) => {
    const channel = await stage.backEnd();
    await channel.assertExchange(stage.name(), 'fanout');
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/exchange/${stage.name()}` });
    bob.send('SEND', { destination: `/exchange/${stage.name()}` }, 'x');
    await alice.message();
  }),
  scenario('destinations: /amq/queue of an existing queue', async (stage) => {
    const channel = await stage.backEnd();
    await channel.assertQueue(stage.name());
    const alice = await stage.connect('alice');
    alice.send('SEND', { destination: `/amq/queue/${stage.name()}` }, 'x');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/amq/queue/${stage.name()}` });
    await alice.message();
  }),
  scenario('destinations: SUBSCRIBE to a missing /amq/queue', async (stage) => {
    const alice = await stage.connect('alice');
    alice.send('SUBSCRIBE', { id: 's', destination: `/amq/queue/${stage.name()}` });
    await alice.refusal();
  }),
  scenario('destinations: SUBSCRIBE to a missing exchange', async (stage) => {
    const alice = await stage.connect('alice');
    alice.send('SUBSCRIBE', { id: 's', destination: `/exchange/${stage.name()}/k` });
    await alice.refusal();
  }),
  scenario('destinations: SUBSCRIBE to a missing exchange, over TCP', async (stage) => {
    const alice = await stage.connect('alice', { transport: 'tcp' });
    await alice.request('SUBSCRIBE', { id: 's', destination: `/exchange/${stage.name()}/k` });
  }),
  scenario('destinations: SEND to a missing exchange, over TCP', async (stage) => {
    const alice = await stage.connect('alice', { transport: 'tcp' });
    await alice.request('SEND', { destination: `/exchange/${stage.name()}` }, 'x');
  }),
  scenario('destinations: SEND to a missing exchange', async (stage) => {
    const alice = await stage.connect('alice');
    alice.send('SEND', { destination: `/exchange/${stage.name()}` }, 'x');
    await alice.refusal();
  }),
  scenario('destinations: a subscription to a topic in mode client', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name()}`, ack: 'client' });
    bob.send('SEND', { destination: `/topic/${stage.name()}` }, 'x');
    await alice.request('ACK', alice.ackOf(await alice.message()));
  }),
  scenario('destinations: two subscribers of a topic both get the message', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const carol = await stage.connect('carol');
    const destination = `/topic/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination });
    await bob.request('SUBSCRIBE', { id: 's', destination });
    for (const body of ['1', '2']) carol.send('SEND', { destination }, body);
    await alice.messages(2);
    await bob.messages(2);
  }),
  scenario('destinations: two subscribers of a queue share the messages', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const carol = await stage.connect('carol');
    const destination = `/queue/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination });
    await bob.request('SUBSCRIBE', { id: 's', destination });
    for (const body of ['x', 'x']) carol.send('SEND', { destination }, body);
    await alice.message();
    await bob.message();
  }),
  scenario('destinations: two subscriptions of one client to a topic both get the message', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/topic/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 'one', destination });
    await alice.request('SUBSCRIBE', { id: 'two', destination });
    bob.send('SEND', { destination }, 'x');
    await alice.messagesInAnyOrder(2);
  }),
  scenario('destinations: SEND to a queue before the first SUBSCRIBE', async (stage) => {
    const bob = await stage.connect('bob');
    bob.send('SEND', { destination: `/queue/${stage.name()}` }, 'x');
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}` });
    await alice.message();
  }),
  scenario('destinations: twenty messages in order', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/queue/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination });
    for (let n = 0; n < 20; n++) bob.send('SEND', { destination }, String(n));
    await alice.messages(20);
  }),
  scenario('destinations: SUBSCRIBE again to a deleted queue', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/queue/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination, 'auto-delete': 'true' });
    await alice.request('UNSUBSCRIBE', { id: 's' });
    await alice.request('SUBSCRIBE', { id: 's', destination, 'auto-delete': 'true' });
    alice.send('SEND', { destination, 'auto-delete': 'true' }, 'x');
    await alice.message();
  }),
  scenario('destinations: a queue that a back end declared differently', async (stage) => {
    const channel = await stage.backEnd();
    await channel.assertQueue(stage.name(), { durable: true, arguments: { 'x-max-length': 10 } });
    const alice = await stage.connect('alice');
    alice.send('SEND', { destination: `/queue/${stage.name()}` }, 'x');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}` });
    await alice.message();
  }),
  scenario('destinations: a queue deleted during a subscription', async (stage) => {
    const channel = await stage.backEnd();
    await channel.assertQueue(stage.name());
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/amq/queue/${stage.name()}` });
    await channel.deleteQueue(stage.name());
    await alice.refusal();
  }),
  scenario('destinations: a headers exchange with binding arguments', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = '/exchange/amq.headers';
    await alice.request('SUBSCRIBE', { id: 's', destination, 'x-match': 'all', 'arg-kind': stage.name() });
    bob.send('SEND', { destination, kind: 'another' }, 'another kind');
    bob.send('SEND', { destination, kind: stage.name() }, 'this kind');
    await alice.message();
  }),

  matched('wildcards: a star is one word', '*', ['.a.b', '', '.a']),
  matched('wildcards: a hash is any number of words', '#', ['.a', '.a.b', '']),
  matched('wildcards: a star between words', '*.end', ['.a.b.end', '.end', '.a.end']),
  matched('wildcards: a hash between words', '#.end', ['.a.other', '.a.b.end', '.end']),
  scenario('wildcards: patterns that overlap', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await alice.request('SUBSCRIBE', { id: 'one', destination: `/topic/${stage.name()}.*` });
    await alice.request('SUBSCRIBE', { id: 'two', destination: `/topic/${stage.name()}.#` });
    bob.send('SEND', { destination: `/topic/${stage.name()}.a` }, 'x');
    await alice.messagesInAnyOrder(2);
  }),
  scenario('wildcards: SEND takes a pattern literally', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name()}.#` });
    bob.send('SEND', { destination: `/topic/${stage.name()}.*` }, 'x');
    await alice.message();
  }),

  refused('destinations: SEND to an unknown kind', 'SEND', '/something/interesting'),
  refused('destinations: SEND to /queue with two names', 'SEND', '/queue/bah/baz'),
  refused('destinations: SEND to /queue without a name', 'SEND', '/queue'),
  refused('destinations: SEND to /queue/ with an empty name', 'SEND', '/queue/'),
  refused('destinations: SEND to /topic without a name', 'SEND', '/topic'),
  refused('destinations: SEND to /topic/ with an empty name', 'SEND', '/topic/'),
  refused('destinations: SEND to /exchange with three names', 'SEND', '/exchange/bah/baz/boo'),
  refused('destinations: SEND to /exchange without a name', 'SEND', '/exchange'),
  refused('destinations: SEND to the default exchange', 'SEND', '/exchange//foo'),
  refused('destinations: SEND to /temp-queue', 'SEND', '/temp-queue/foo'),
  refused('destinations: SUBSCRIBE to /temp-queue', 'SUBSCRIBE', '/temp-queue/foo'),
  refused('destinations: SUBSCRIBE to an unknown kind', 'SUBSCRIBE', '/something/interesting'),
  scenario('destinations: SUBSCRIBE to /reply-queue', async (stage) => {
    const channel = await stage.backEnd();
    await channel.assertQueue(stage.name());
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/reply-queue/${stage.name()}` });
  }),
  scenario('destinations: SEND without a destination', async (stage) => {
    const alice = await stage.connect('alice');
    alice.send('SEND', {}, 'x');
    await alice.refusal();
  }),
  scenario('destinations: SUBSCRIBE without a destination', async (stage) => {
    const alice = await stage.connect('alice');
    alice.send('SUBSCRIBE', { id: 's' });
    await alice.refusal();
  }),
  scenario('destinations: an empty destination', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SEND', { destination: '' }, 'x');
  }),
];
