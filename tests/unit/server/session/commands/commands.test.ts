import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Policy } from '../../../../../server/src/auth/auth.js';
import { BrokerError } from '../../../../../server/src/brokers/broker.js';
import type { MemoryConnection } from '../../../../support/memory-connection.js';
import { Decision } from '../../../../support/scripted-broker.js';
import { FRAME_WATCH, Harness, pass, tick, useFakeTime } from '../harness.js';
import type { HarnessOptions } from '../harness.js';

let harness: Harness;
let client: MemoryConnection;

async function begin(options: HarnessOptions = {}, headers: Record<string, string> = {}): Promise<void> {
  harness = new Harness(options);
  client = await harness.connect(headers);
}

beforeEach(async () => {
  useFakeTime();
  await begin();
});
afterEach(async () => {
  harness.broker.release();
  await tick();
  expect(await harness.leftovers()).toEqual([]);
  jest.useRealTimers();
});

const refused = () => new BrokerError('publish-refused', 'The queue is full: try again later.');
const send = (body: string, headers: Record<string, string> = {}) =>
  client.sendFrame('SEND', { destination: '/queue/q', ...headers }, body);
/** The frames that the session has written since CONNECTED. */
const answers = () => client.summary.slice(1);

describe('SEND', () => {
  test('the RECEIPT follows the confirm', async () => {
    harness.broker.holds.add('publish');
    send('1', { receipt: 'r1' });
    send('2', { receipt: 'r2' });
    await tick();
    expect(harness.broker.publications).toHaveLength(2);
    expect(answers()).toEqual([]);
    harness.broker.publications[1]?.confirm.grant();
    await tick();
    expect(answers()).toEqual(['RECEIPT r2']);
    harness.broker.publications[0]?.confirm.grant();
    await tick();
    expect(answers()).toEqual(['RECEIPT r2', 'RECEIPT r1']);
  });

  test.each([
    ['a user', { login: 'ann' }, () => 'ann'],
    ['an anonymous session, which counts as a separate user', {}, () => client.id],
  ])('is checked and published for %s, also in a transaction', async (_, headers, user) => {
    await begin({}, headers);
    send('1');
    client.sendFrame('BEGIN', { transaction: 't' });
    send('2', { transaction: 't' });
    client.sendFrame('COMMIT', { transaction: 't' });
    await tick();
    expect(harness.broker.publishers).toEqual(Array.from({ length: 4 }, user));
  });

  test('a nack is an ERROR that answers the SEND, and never a RECEIPT', async () => {
    harness.broker.holds.add('publish');
    for (const body of ['1', '2', '3']) send(body, { receipt: `r${body}` });
    await tick();
    const [one, two, three] = harness.broker.publications;
    one?.confirm.grant();
    two?.confirm.refuse(refused());
    three?.confirm.grant();
    await tick();
    expect(answers()).toEqual(['RECEIPT r1', 'ERROR publish-refused']);
    expect(client.frames.at(-1)).toMatchObject({
      headers: {
        message: 'message refused by the broker',
        'receipt-id': 'r2',
        'content-type': 'text/plain;charset=utf-8',
        'content-length': '35',
      },
    });
    expect(client.frames.at(-1)?.body.toString()).toBe('The queue is full: try again later.');
    expect(client.closed).toEqual({ code: 1013, reason: 'message refused by the broker' });
  });

  test('only the first waits for its checks, in the order of arrival', async () => {
    const { broker } = harness;
    broker.holds.add('prepare');
    for (const body of ['1', '2', '3']) send(body);
    await tick();
    expect(broker.calls).toEqual(['prepare /queue/q 1']);
    broker.preparations[0]?.grant();
    await tick();
    expect(broker.calls.slice(1)).toEqual(['publish /queue/q 1', 'prepare /queue/q 2']);
    broker.holds.clear();
    broker.preparations[1]?.grant();
    await tick();
    expect(broker.calls.slice(3)).toEqual(['publish /queue/q 2', 'prepare /queue/q 3', 'publish /queue/q 3']);
  });

  test('other frames do not wait for it', async () => {
    harness.broker.holds.add('prepare');
    send('1', { receipt: 'sent' });
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a', receipt: 'subscribed' });
    await tick();
    expect(answers()).toEqual(['RECEIPT subscribed']);
  });

  test.each([true, false])(
    'a failed check (thrown: %s) is an ERROR that answers the SEND; later SENDs are not published',
    async (thrown) => {
      const { broker } = harness;
      const error = new BrokerError('exchange-not-found', 'There is no exchange "x".');
      if (thrown) broker.refusal = error;
      else broker.holds.add('prepare');
      send('1', { receipt: 'r1' });
      send('2', { receipt: 'r2' });
      if (!thrown) broker.preparations[0]?.refuse(error);
      await tick();
      expect(answers()).toEqual(['ERROR exchange-not-found']);
      expect(client.frames.at(-1)?.headers['receipt-id']).toBe('r1');
      expect(broker.publications).toEqual([]);
    },
  );

  test('waiting SENDs are not published after a nack', async () => {
    await begin({ session: { unconfirmedMaxCount: 1 } });
    harness.broker.holds.add('publish');
    send('1');
    send('2');
    harness.broker.publications[0]?.confirm.refuse(refused());
    await tick();
    expect(harness.broker.publications).toHaveLength(1);
  });

  test('mandatory is for the broker, the other headers for the message', async () => {
    send('x', { mandatory: 'true', receipt: 'r', colour: 'blue', subscription: 'forged', 'relay-id': 'forged' });
    send('y', { mandatory: 'false' });
    await tick();
    const [one, two] = harness.broker.publications;
    expect([one?.options.mandatory, two?.options.mandatory]).toEqual([true, false]);
    expect(Object.keys(Object.fromEntries(one?.message.headers ?? []))).toEqual(['colour', 'user', 'session']);
  });

  test.each([
    ['with a login', { login: 'ann' }, 'ann'],
    ['without one', {}, 'session-1'],
  ])('the message names its user and session, also in a transaction: %s', async (_, headers, user) => {
    await begin({}, headers);
    client.sendFrame('BEGIN', { transaction: 't' });
    for (const more of [{}, { transaction: 't' }]) send('x', { user: 'admin', session: 'another', ...more });
    client.sendFrame('COMMIT', { transaction: 't' });
    await tick();
    const sent = harness.broker.publications.map(({ message }) => Object.fromEntries(message.headers));
    expect(sent).toEqual([
      { user, session: 'session-1' },
      { user, session: 'session-1' },
    ]);
  });

  test('the header session addresses one session of a user', async () => {
    for (const destination of ['/user/bob/queue/x', '/queue/q']) send('x', { destination, session: 'theirs' });
    await tick();
    const messages = harness.broker.publications.map(({ message }) => message);
    expect(messages.map(({ toSession }) => toSession)).toEqual(['theirs', undefined]);
    for (const { headers } of messages) expect(headers.get('session')).toBe('session-1');
  });

  test('a temporary queue is opened before the message is published', async () => {
    const { broker } = harness;
    broker.holds.add('openReplyQueue');
    send('request', { 'reply-to': '/temp-queue/t' });
    await tick();
    expect(broker.calls).toEqual(['openReplyQueue']);
    broker.channels[0]?.replyQueues[0]?.opened.grant('/reply-queue/xyz');
    await tick();
    expect(broker.publications[0]?.message.headers.get('reply-to')).toBe('/reply-queue/xyz');
    send('request', { 'reply-to': '/temp-queue/t' });
    send('request', { 'reply-to': '/queue/elsewhere' });
    expect(broker.publications.map(({ message }) => message.headers.get('reply-to'))).toEqual([
      '/reply-queue/xyz',
      '/reply-queue/xyz',
      '/queue/elsewhere',
    ]);
    expect(broker.channels[0]?.replyQueues).toHaveLength(1);
  });

  test.each([
    ['', 'missing-header'],
    ['/nowhere/x', 'invalid-destination'],
    ['/temp-queue/x', 'invalid-destination'],
  ])('destination "%s" is an ERROR', async (destination, code) => {
    send('x', { destination, receipt: 'r' });
    await tick();
    expect(answers()).toEqual([`ERROR ${code}`]);
    expect(client.frames.at(-1)?.headers['receipt-id']).toBe('r');
  });
});

describe('SUBSCRIBE', () => {
  const subscribe = (id: string, destination: string, headers: Record<string, string> = {}) =>
    client.sendFrame('SUBSCRIBE', { id, destination, receipt: `r-${id}`, ...headers });

  test.each([
    ['/topic/a', 'subscribe'],
    ['/queue/a', 'consume'],
  ] as const)('%s: the RECEIPT comes when it is live, and later frames wait', async (destination, held) => {
    const { broker } = harness;
    broker.holds.add(held);
    subscribe('s', destination);
    send('behind');
    await tick();
    expect(broker.calls).toEqual([`${held} ${destination}`]);
    if (held === 'subscribe') broker.subscriptions[0]?.live.grant(broker.subscriptions[0]);
    else broker.consumer(destination).live.grant(broker.consumer(destination));
    await tick();
    expect(answers()).toEqual(['RECEIPT r-s']);
    expect(broker.publications).toHaveLength(1);
  });

  test('a refusal of the broker is an ERROR that answers it', async () => {
    harness.broker.holds.add('subscribe');
    subscribe('s', '/exchange/none');
    harness.broker.subscriptions[0]?.live.refuse(new BrokerError('exchange-not-found', 'There is none.'));
    await tick();
    expect(answers()).toEqual(['ERROR exchange-not-found']);
    expect(client.frames.at(-1)?.headers['receipt-id']).toBe('r-s');
  });

  test('a refusal of the broker is an ERROR to each of the waiting sessions', async () => {
    const other = await harness.connect();
    harness.broker.holds.add('subscribe');
    for (const each of [client, other]) {
      each.sendFrame('SUBSCRIBE', { id: 's', destination: '/exchange/none', receipt: 'r' });
    }
    harness.broker.subscriptions[0]?.live.refuse(new BrokerError('exchange-not-found', 'There is none.'));
    await tick();
    for (const each of [client, other]) expect(each.summary.at(-1)).toBe('ERROR exchange-not-found');
  });

  test.each<[string, string, Record<string, string>, string]>([
    ['an id in use', 's0', {}, 'duplicate-subscription'],
    ['an unknown ack mode', 's', { ack: 'sometimes' }, 'invalid-header'],
    ['an id that is reserved for replies', '/temp-queue/x', {}, 'invalid-header'],
    ['no destination', 's', { destination: '' }, 'missing-header'],
    ['a destination that takes only SEND', 's', { destination: '/reply-queue/x' }, 'invalid-destination'],
    ['a queue argument out of range', 's', { 'x-message-ttl': '-1' }, 'invalid-header'],
  ])('%s is an ERROR', async (_, id, headers, code) => {
    subscribe('s0', '/topic/a');
    await tick();
    subscribe(id, '/topic/b', headers);
    await tick();
    expect(answers()).toEqual(['RECEIPT r-s0', `ERROR ${code}`]);
    expect(client.frames.at(-1)?.headers['receipt-id']).toBe(`r-${id}`);
  });

  test('subscriptionIdMaxBytes bounds the id', async () => {
    await begin({ session: { subscriptionIdMaxBytes: 20 } });
    subscribe('ö'.repeat(10), '/topic/a');
    subscribe('x'.repeat(21), '/topic/a');
    await tick();
    expect(answers()).toEqual([`RECEIPT r-${'ö'.repeat(10)}`, 'ERROR invalid-header']);
    expect(client.frames.at(-1)?.body.toString()).toContain('subscriptionIdMaxBytes (20)');
  });

  test('subscriptionsMax bounds their number', async () => {
    for (let i = 0; i < 6; i++) subscribe(String(i), `/topic/${i}`);
    await tick();
    expect(answers().slice(-2)).toEqual(['RECEIPT r-4', 'ERROR too-many-subscriptions']);
  });

  test('a dedicated subscription passes its headers and its owner to the broker', async () => {
    await begin({}, { login: 'ann', 'client-id': 'tab-1' });
    subscribe('s', '/topic/a', { ack: 'client', durable: 'true' });
    await tick();
    const [channel] = harness.broker.channels;
    expect(channel?.owner).toEqual({
      sessionId: 'session-1',
      user: 'ann',
      clientId: 'tab-1',
      account: 'address:192.0.2.1',
    });
    expect(channel?.consumers[0]?.options).toMatchObject({ ack: 'client', subscriptionId: 's' });
    expect(channel?.consumers[0]?.options.headers.get('durable')).toBe('true');
  });

  test('/user is the user of the session: its login or its session id', async () => {
    subscribe('s', '/user/queue/x');
    const ann = await harness.connect({ login: 'ann' });
    ann.sendFrame('SUBSCRIBE', { id: 's', destination: '/user/queue/x' });
    await tick();
    expect(harness.broker.subscriptions.map(({ destination }) => destination)).toMatchObject([
      { kind: 'user', user: 'session-1' },
      { kind: 'user', user: 'ann' },
    ]);
  });

  test('in 1.0 the destination identifies a subscription without an id', async () => {
    await begin({}, { 'accept-version': '1.0' });
    client.sendFrame('SUBSCRIBE', { destination: '/topic/a' });
    await tick();
    harness.broker.emit('a', 'x');
    await tick();
    expect(client.frames.at(-1)?.headers).not.toHaveProperty('subscription');
    client.sendFrame('SUBSCRIBE', { destination: '/topic/b' });
    client.sendFrame('UNSUBSCRIBE', { destination: '/topic/a', receipt: 'r' });
    await tick();
    expect(client.summary.at(-1)).toBe('RECEIPT r');
    expect(harness.groups.size).toBe(1);
  });
});

describe('UNSUBSCRIBE', () => {
  test('the RECEIPT follows all earlier messages, and no message follows it', async () => {
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a' });
    await tick();
    harness.broker.emit('a', '1');
    client.sendFrame('UNSUBSCRIBE', { id: 's', receipt: 'r' });
    await tick();
    harness.broker.emit('a', '2');
    await tick();
    expect(answers()).toEqual(['MESSAGE s 1', 'RECEIPT r']);
    expect(harness.groups.size).toBe(0);
  });

  test('of an unknown id is answered and counted, and ends no other subscription', async () => {
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a' });
    for (const receipt of ['1', '2']) client.sendFrame('UNSUBSCRIBE', { id: 'unknown', receipt });
    await tick();
    harness.broker.emit('a', 'x');
    await tick();
    expect(answers()).toEqual(['RECEIPT 1', 'RECEIPT 2', 'MESSAGE s x']);
    expect(harness.counters).toMatchObject({ unknownUnsubscribes: 2, errors: {} });
  });

  test.each(['durable', 'persistent'])(
    'of an unknown id with %s:true is an ERROR, because no queue was deleted',
    async (header) => {
      client.sendFrame('UNSUBSCRIBE', { id: 's', receipt: 'r', [header]: 'true' });
      await tick();
      expect(answers()).toEqual(['ERROR unknown-subscription']);
      expect(client.frames.at(-1)?.body.toString()).toMatch(/no subscription "s".*SUBSCRIBE to it first\.$/);
    },
  );

  test.each([
    [{ durable: 'true' }, true],
    [{ persistent: 'true' }, true],
    [{}, false],
  ])('with %j forgets a durable subscription: %s', async (headers, forget) => {
    await begin({}, { login: 'ann' });
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a', durable: 'true' });
    await tick();
    client.sendFrame('UNSUBSCRIBE', { id: 's', receipt: 'r', ...headers });
    await tick();
    expect(harness.broker.consumer('/topic/a').closedWith).toEqual({ forget });
    expect(answers()).toEqual(['RECEIPT r']);
  });

  test('its id can be used again', async () => {
    for (let i = 0; i < 3; i++) {
      client.sendFrame('SUBSCRIBE', { id: 's', destination: '/queue/q', receipt: `s${i}` });
      client.sendFrame('UNSUBSCRIBE', { id: 's', receipt: `u${i}` });
    }
    await tick();
    expect(answers()).toEqual(['s0', 'u0', 's1', 'u1', 's2', 'u2'].map((id) => `RECEIPT ${id}`));
  });
});

describe('ACK and NACK', () => {
  async function consuming(ack: string, version = '1.2') {
    await begin({}, { 'accept-version': version });
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/queue/q', ack });
    client.sendFrame('SUBSCRIBE', { id: 't', destination: '/queue/other', ack });
    await tick();
    const queue = harness.broker.consumer('/queue/q');
    for (const body of ['1', '2', '3']) queue.deliver(body);
    harness.broker.consumer('/queue/other').deliver('other');
    return client.fresh().map(({ headers }) => headers['ack'] ?? headers['message-id'] ?? '');
  }
  const settled = () => harness.broker.settled;

  test('client: ACK covers all earlier messages of the subscription', async () => {
    const [, second] = await consuming('client');
    client.sendFrame('ACK', { id: second!, receipt: 'r' });
    expect(settled()).toEqual(['ack 1', 'ack 2']);
    expect(client.summary.at(-1)).toBe('RECEIPT r');
  });

  test('client-individual: ACK covers one message', async () => {
    const [, second] = await consuming('client-individual');
    client.sendFrame('ACK', { id: second! });
    expect(settled()).toEqual(['ack 2']);
  });

  test('NACK requeues the message, or drops it with requeue:false', async () => {
    const [first, second, third] = await consuming('client-individual');
    client.sendFrame('NACK', { id: first! });
    client.sendFrame('NACK', { id: second!, requeue: 'false' });
    client.sendFrame('NACK', { id: third!, requeue: 'true' });
    expect(settled()).toEqual(['requeue 1', 'drop 2', 'requeue 3']);
  });

  test('an id that is unknown or was used is an ERROR, and does not reach the broker', async () => {
    const [first] = await consuming('client');
    client.sendFrame('ACK', { id: first! });
    client.sendFrame('ACK', { id: first!, receipt: 'r' });
    expect(client.summary.at(-1)).toBe('ERROR unknown-ack');
    expect(client.frames.at(-1)?.headers['receipt-id']).toBe('r');
    expect(settled()).toEqual(['ack 1']);
  });

  test('1.1 uses message-id and subscription, which must match', async () => {
    const [first, second] = await consuming('client-individual', '1.1');
    client.sendFrame('ACK', { 'message-id': first!, subscription: 's' });
    expect(settled()).toEqual(['ack 1']);
    client.sendFrame('ACK', { 'message-id': second!, subscription: 't' });
    expect(client.summary.at(-1)).toBe('ERROR unknown-ack');
  });

  test('1.2 uses id, and ignores other headers', async () => {
    const [first] = await consuming('client-individual');
    client.sendFrame('ACK', { id: first!, 'message-id': 'x', subscription: 'elsewhere' });
    expect(settled()).toEqual(['ack 1']);
  });

  test('1.0 uses only message-id', async () => {
    const [first] = await consuming('client', '1.0');
    client.sendFrame('ACK', { 'message-id': first! });
    expect(settled()).toEqual(['ack 1']);
  });

  test('count for a while after UNSUBSCRIBE; then the remaining messages are requeued', async () => {
    const [first, second] = await consuming('client-individual');
    client.sendFrame('UNSUBSCRIBE', { id: 's' });
    await pass(harness.options.ackGraceMs - 100);
    client.sendFrame('ACK', { id: first! });
    expect(settled()).toEqual(['ack 1']);
    await pass(300);
    expect(settled()).toEqual(['ack 1', 'requeue 2', 'requeue 3']);
    client.sendFrame('ACK', { id: second! });
    expect(client.summary.at(-1)).toBe('ERROR unknown-ack');
  });

  test('the end of the session during that time leaves no timer', async () => {
    await consuming('client-individual');
    client.sendFrame('UNSUBSCRIBE', { id: 's' });
    await tick();
    expect(harness.timers.size).toBe(1 + FRAME_WATCH);
    client.vanish();
    expect(harness.timers.size).toBe(0);
    expect(settled()).toEqual([]);
  });

  test('the end of the session during UNSUBSCRIBE leaves no timer', async () => {
    await consuming('client-individual');
    harness.broker.holds.add('unsubscribe');
    client.sendFrame('UNSUBSCRIBE', { id: 's' });
    harness.broker.consumer('/queue/other').end(new BrokerError('subscription-ended', 'Deleted.'));
    harness.broker.consumer('/queue/q').unsubscribed.grant();
    await tick();
    expect(harness.timers.size).toBe(0);
    expect(settled()).toEqual([]);
  });
});

describe('DISCONNECT', () => {
  test('waits for the confirms of earlier SENDs, answers and closes', async () => {
    harness.broker.holds.add('publish');
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a' });
    send('1', { receipt: 'r' });
    client.sendFrame('DISCONNECT', { receipt: 'bye' });
    await tick();
    harness.broker.emit('a', 'still here');
    harness.broker.publications[0]?.confirm.grant();
    await tick();
    expect(answers()).toEqual(['RECEIPT r', 'MESSAGE s still here', 'RECEIPT bye']);
    expect(client.closed?.code).toBe(1000);
  });

  test('the RECEIPT follows messages of the same tick', async () => {
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a' });
    await tick();
    harness.broker.emit('a', '1');
    client.sendFrame('DISCONNECT', { receipt: 'bye' });
    await tick();
    expect(answers()).toEqual(['MESSAGE s 1', 'RECEIPT bye']);
  });

  test('a nack of an earlier SEND is an ERROR instead of the RECEIPT', async () => {
    harness.broker.holds.add('publish');
    send('1', { receipt: 'r' });
    client.sendFrame('DISCONNECT', { receipt: 'bye' });
    harness.broker.publications[0]?.confirm.refuse(refused());
    await tick();
    expect(answers()).toEqual(['ERROR publish-refused']);
  });

  test('later frames are ignored', async () => {
    client.sendFrame('DISCONNECT', { receipt: 'bye' });
    send('late');
    await tick();
    expect(answers()).toEqual(['RECEIPT bye']);
    expect(harness.broker.publications).toEqual([]);
  });

  test('returns unacknowledged messages', async () => {
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/queue/q', ack: 'client' });
    await tick();
    harness.broker.consumer('/queue/q').deliver('1');
    client.sendFrame('DISCONNECT');
    await tick();
    expect(harness.broker.channels[0]?.isClosed).toBe(true);
    expect(harness.broker.settled).toEqual([]);
  });
});

describe('the policy', () => {
  const under = (allows: Policy['allows']) => begin({ policy: { allows } }, { login: 'ann' });
  const verbs = {
    SEND: () => send('x', { receipt: 'r' }),
    SUBSCRIBE: () => client.sendFrame('SUBSCRIBE', { id: 's', destination: '/topic/a', receipt: 'r' }),
  };

  test('gets the principal, the action and the destination', async () => {
    const asked: string[] = [];
    await under((principal, action, destination) => {
      asked.push(`${principal.name} ${action} ${destination.text}`);
      return true;
    });
    verbs.SEND();
    verbs.SUBSCRIBE();
    await tick();
    expect(asked).toEqual(['ann send /queue/q', 'ann subscribe /topic/a']);
  });

  test.each<[string, Readonly<Record<string, string>>, string]>([
    ['SEND', { destination: '/queue/q', 'reply-to': '/queue/other' }, 'send to /queue/other'],
    ['SEND', { destination: '/queue/q', 'reply-to': '/user/queue/mine' }, 'subscribe /user/queue/mine'],
    ['SEND', { destination: '/queue/q', 'x-message-ttl': '0' }, 'subscribe /queue/q'],
    [
      'SUBSCRIBE',
      { id: 's', destination: '/topic/a', 'x-dead-letter-exchange': 'e', 'x-dead-letter-routing-key': 'k' },
      'send to /exchange/e/k',
    ],
    ['SUBSCRIBE', { id: 's', destination: '/topic/a', 'x-queue-name': 'jobs' }, 'send to /queue/jobs'],
    [
      'SUBSCRIBE',
      { id: 's', destination: '/topic/a', durable: 'true', 'x-queue-name': 'jobs' },
      'subscribe /queue/jobs',
    ],
  ])('checks the further permissions of %s with %j', async (verb, headers, refused) => {
    const askLater = refused.length % 2 === 0;
    await under((_, action, { text }) => {
      const isAllowed = `${action} ${action === 'send' ? 'to ' : ''}${text}` !== refused;
      return askLater ? Promise.resolve(isAllowed) : isAllowed;
    });
    client.sendFrame(verb, { receipt: 'r', ...headers });
    await tick();
    expect(answers()).toEqual(['ERROR access-denied']);
    expect(client.frames.at(-1)?.body.toString()).toBe(`"ann" may not ${refused}.`);
    expect(harness.broker.calls).toEqual([]);
  });

  test('checks a SEND in a transaction when it arrives', async () => {
    await under((_, __, { text }) => text !== '/queue/other');
    client.sendFrame('BEGIN', { transaction: 't' });
    client.sendFrame('SEND', { destination: '/queue/q', transaction: 't', 'reply-to': 'other', receipt: 'r' }, 'x');
    await tick();
    expect(answers()).toEqual(['ERROR access-denied']);
  });

  test('is not asked for a temporary queue', async () => {
    const asked: string[] = [];
    await under((_, action, { text }) => asked.push(`${action} ${text}`) > 0);
    send('request', { 'reply-to': '/temp-queue/t' });
    await tick();
    expect(asked).toEqual(['send /queue/q']);
    expect(harness.broker.publications).toHaveLength(1);
  });

  describe.each(['SEND', 'SUBSCRIBE'] as const)('%s', (verb) => {
    test.each<[string, Policy['allows'], string[]]>([
      ['false', () => false, []],
      ['a promise for false', () => Promise.resolve(false), []],
      ['a rejection', () => Promise.reject(new Error('secret reason')), ['secret reason']],
      [
        'an exception',
        () => {
          throw new Error('secret reason');
        },
        ['secret reason'],
      ],
      ['nothing', () => undefined as unknown as boolean, []],
    ])('%s refuses, and the cause is only in the log', async (_, allows, warned) => {
      await under(allows);
      verbs[verb]();
      await tick();
      expect(answers()).toEqual(['ERROR access-denied']);
      expect(client.frames.at(-1)?.headers['receipt-id']).toBe('r');
      expect(client.frames.at(-1)?.body.toString()).toMatch(/^"ann" may not (send to|subscribe) \/\w+\/\w\.$/);
      expect(client.closed?.code).toBe(4403);
      expect(harness.broker.calls).toEqual([]);
      // a refusal is logged as well, without a cause
      const causes = harness.warned.map(({ details }) => (details as { err?: Error }).err?.message);
      expect(causes.filter((cause) => cause !== undefined)).toEqual(warned);
    });

    test('waits for a promise for true', async () => {
      const answer = new Decision<boolean>();
      await under(() => answer.promise);
      verbs[verb]();
      await tick();
      expect(harness.broker.calls).toEqual([]);
      answer.grant(true);
      await tick();
      expect(answers()).toEqual(['RECEIPT r']);
    });

    test('is refused without an answer in time, and a late answer has no effect', async () => {
      const answer = new Decision<boolean>();
      await under(() => answer.promise);
      verbs[verb]();
      await pass(harness.options.connectTimeoutMs + 100);
      expect(answers()).toEqual(['ERROR access-denied']);
      expect(harness.warned).toHaveLength(1);
      answer.grant(true);
      await tick();
      expect(harness.broker.calls).toEqual([]);
    });

    test('opens nothing at the broker if the answer comes after the end of the session', async () => {
      const answer = new Decision<boolean>();
      await under(() => answer.promise);
      if (verb === 'SEND') send('x', { 'reply-to': '/temp-queue/t' });
      else client.sendFrame('SUBSCRIBE', { id: 's', destination: '/queue/q' });
      await tick();
      void harness.sessions.drain(10_000);
      await pass(1_500);
      answer.grant(true);
      await tick();
      expect(harness.broker.channels).toEqual([]);
    });
  });
});
