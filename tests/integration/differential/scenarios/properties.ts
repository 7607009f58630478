/** Headers of SEND and MESSAGE, AMQP properties and header tables, in both directions. */
import type { Options } from 'amqplib';
import { withDeadline } from '../../../support/deadline.js';
import { scenario } from '../stage.js';
import type { Scenario } from '../stage.js';

const PROPERTIES = {
  'content-type': 'text/plain',
  'content-encoding': 'utf-8',
  priority: '5',
  'correlation-id': 'c-1',
  expiration: '60000',
  'amqp-message-id': 'm-1',
  timestamp: '1700000000',
  type: 'greeting',
  'app-id': 'an-app',
  persistent: 'true',
};

/** Alice subscribes and sends with these headers. */
const carried = (name: string, headers: Readonly<Record<string, string>>): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/topic/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination });
    bob.send('SEND', { destination, ...headers }, 'x');
    await bob.finish();
    await alice.message();
  });

/** Headers that the relay adds: id of the publish, user and session. Another scenario compares them. */
const STAMPS: ReadonlySet<string> = new Set(['relay-id', 'user', 'session']);

/** Records the message that an AMQP back end receives for a SEND with these headers. */
const seen = (name: string, headers: Readonly<Record<string, string>>): Scenario =>
  scenario(name, async (stage) => {
    const channel = await stage.backEnd();
    await channel.assertQueue(stage.name());
    const arrived = new Promise<string>((resolve) => {
      void channel.consume(stage.name(), (message) => {
        const { headers: table = {}, ...properties } = message!.properties;
        const own = Object.entries(table).filter(([header]) => !STAMPS.has(header));
        const given = Object.entries(properties).filter(([, value]) => value !== undefined);
        resolve(JSON.stringify([Object.fromEntries(given.sort()), Object.fromEntries(own.sort())]));
      });
    });
    const bob = await stage.connect('bob');
    bob.send('SEND', { destination: `/amq/queue/${stage.name()}`, ...headers }, 'x');
    bob.note(await withDeadline(arrived, 5_000, () => 'the back end received no message'));
  });

/** Records the MESSAGE that Alice receives from an AMQP back end. */
const published = (name: string, options: Options.Publish): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name()}` });
    const channel = await stage.backEnd();
    channel.publish('amq.topic', stage.name(), Buffer.from('x'), options);
    await alice.message();
  });

const refused = (name: string, headers: Readonly<Record<string, string>>): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SEND', { destination: `/topic/${stage.name()}`, ...headers }, 'x');
  });

export const scenarios: readonly Scenario[] = [
  carried('headers: user headers', { 'x-custom-header-1': 'value1', 'x-custom-header-2': 'value2', other: 'value3' }),
  carried('headers: all properties', PROPERTIES),
  carried('headers: persistent:false', { persistent: 'false' }),
  carried('headers: persistent:True, as Python writes it', { persistent: 'True' }),
  carried('headers: receipt, id and content-length on SEND', {
    receipt: 'r',
    id: 'i',
    'content-length': '1',
  }),
  carried('headers: a forged subscription', { subscription: 'forged' }),
  carried('headers: a forged message-id', { 'message-id': 'forged' }),
  carried('headers: a forged redelivered', { redelivered: 'true' }),
  carried('headers: a forged ack', { ack: 'forged' }),
  carried('headers: a forged user and session', { user: 'admin', session: 'another' }),
  scenario('headers: transaction on SEND', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name()}` });
    await bob.request('BEGIN', { transaction: 't' });
    bob.send('SEND', { destination: `/topic/${stage.name()}`, transaction: 't' }, 'x');
    await bob.request('COMMIT', { transaction: 't' });
    await alice.message();
  }),
  seen('properties: all properties, seen by a back end', PROPERTIES),
  seen('properties: user headers, seen by a back end', { 'x-one': '1', two: 'zwei' }),
  seen('properties: no properties', {}),
  seen('properties: receipt and queue headers, seen by a back end', { receipt: 'r', 'x-max-length': '5' }),
  published('from AMQP: text headers', { headers: { 'x-custom': 'value', other: 'é' } }),
  published('from AMQP: numbers', { headers: { small: 1, large: 2 ** 40, negative: -5 } }),
  published('from AMQP: booleans', { headers: { yes: true, no: false } }),
  published('from AMQP: a fraction', { headers: { price: 1.5 } }),
  published('from AMQP: a date', { headers: { when: { '!': 'timestamp', value: 1_700_000_000 } } }),
  published('from AMQP: a table and a list', { headers: { table: { a: 1, b: 'two' }, list: [1, 'two', true] } }),
  published('from AMQP: properties', {
    contentType: 'application/json',
    persistent: true,
    priority: 3,
    correlationId: 'c',
    messageId: 'm',
    timestamp: 1_700_000_000,
    type: 't',
    appId: 'a',
    expiration: '60000',
  }),
  published('from AMQP: reply-to names a queue', { replyTo: 'answers' }),
  published('from AMQP: reply-to names a destination', { replyTo: '/queue/answers' }),
  published('from AMQP: a forged subscription', { headers: { subscription: 'forged' } }),
  published('from AMQP: a forged message-id', { headers: { 'message-id': 'forged' } }),
  published('from AMQP: a forged content-length', { headers: { 'content-length': '100' } }),
  published('from AMQP: a line feed in a header', { headers: { text: 'two\nlines: a\\b' } }),
  published('from AMQP: CC with another key', { CC: ['another.key'] }),
  refused('headers: priority is not a number', { priority: 'high' }),
  refused('headers: timestamp is not a number', { timestamp: 'now' }),
  refused('headers: expiration is not a number', { expiration: 'soon' }),
  refused('headers: user-id of another user', { 'user-id': 'another-user' }),
  refused('headers: CC as text', { CC: 'another.key' }),
  refused('headers: persistent is neither true nor false', { persistent: 'maybe' }),
];
