import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { BrokerError } from '../../../../server/src/brokers/broker.js';
import { Transactions } from '../../../../server/src/session/transactions.js';
import type { MemoryConnection } from '../../../support/memory-connection.js';
import { Harness, pass, tick, useFakeTime } from './harness.js';

let transactions: Transactions;
beforeEach(() => {
  transactions = new Transactions({
    transactionsMax: 2,
    transactionMaxCount: 3,
    transactionMaxBytes: 100,
    transactionsMaxBytes: 150,
  });
});

const coded = (code: string): unknown => expect.objectContaining({ code });
function codeOf(action: () => void): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('Transactions', () => {
  test('bound the frames of all open ones together; the end of one makes room', () => {
    transactions.begin('a');
    transactions.begin('b');
    transactions.get('a').reserve(90);
    transactions.get('b').reserve(60);
    expect(transactions.heldBytes).toBe(150);
    const refused = codeOf(() => transactions.get('b').reserve(1));
    expect(refused).toEqual(coded('transaction-too-large'));
    expect((refused as Error).message).toMatch(/transactionsMaxBytes \(150\) together/);
    transactions.end('a');
    expect(transactions.heldBytes).toBe(61);
    transactions.get('b').reserve(30);
    transactions.clear();
    expect([transactions.heldBytes, [...transactions.all()]]).toEqual([0, []]);
  });

  test('knows open transactions by their id', () => {
    expect(codeOf(() => transactions.get('a'))).toEqual(coded('unknown-transaction'));
    transactions.begin('a');
    expect(transactions.get('a').id).toBe('a');
    expect(codeOf(() => transactions.begin('a'))).toEqual(coded('transaction-in-use'));
    expect(transactions.end('a').id).toBe('a');
    expect(codeOf(() => transactions.end('a'))).toEqual(coded('unknown-transaction'));
    transactions.begin('a');
  });

  test('bounds the number of open transactions', () => {
    transactions.begin('a');
    transactions.begin('b');
    expect(codeOf(() => transactions.begin('c'))).toEqual(coded('too-many-transactions'));
    transactions.end('a');
    transactions.begin('c');
  });

  test('bounds frames and bytes of a transaction', () => {
    transactions.begin('a');
    const a = transactions.get('a');
    for (let i = 0; i < 3; i++) a.reserve(1);
    expect(codeOf(() => a.reserve(1))).toEqual(coded('transaction-too-large'));
    transactions.begin('b');
    const b = transactions.get('b');
    b.reserve(100);
    expect(codeOf(() => b.reserve(1))).toEqual(coded('transaction-too-large'));
  });
});

describe('transactions of a session', () => {
  let harness: Harness;
  let client: MemoryConnection;
  beforeEach(async () => {
    useFakeTime();
    harness = new Harness();
    client = await harness.connect();
  });
  afterEach(async () => {
    harness.broker.release();
    await tick();
    expect(await harness.leftovers()).toEqual([]);
    jest.useRealTimers();
  });

  const frame = (command: string, headers: Record<string, string> = {}) =>
    client.sendFrame(command, { transaction: 't', ...headers });
  const send = (body: string, headers: Record<string, string> = {}) =>
    client.sendFrame('SEND', { destination: '/queue/out', transaction: 't', ...headers }, body);
  const answers = () => client.summary.slice(1).filter((each) => !each.startsWith('MESSAGE'));
  const published = () => harness.broker.publications.map(({ message }) => message.body.toString());

  /** The ack ids of three deliveries on one cumulative subscription. */
  async function deliveries(): Promise<string[]> {
    client.sendFrame('SUBSCRIBE', { id: 's', destination: '/queue/in', ack: 'client' });
    await tick();
    for (const body of ['1', '2', '3']) harness.broker.consumer('/queue/in').deliver(body);
    return client.fresh().map(({ headers }) => headers['ack'] ?? '');
  }

  test('do nothing before COMMIT, and then apply all steps in order', async () => {
    const [first, second] = await deliveries();
    const { broker } = harness;
    frame('BEGIN', { receipt: 'begin' });
    send('a');
    frame('ACK', { id: first! });
    send('b');
    frame('NACK', { id: second! });
    await tick();
    expect(broker.calls.slice(1)).toEqual(['prepare /queue/out a', 'prepare /queue/out b']);
    expect(broker.settled).toEqual([]);
    frame('COMMIT', { receipt: 'commit' });
    await tick();
    expect(published()).toEqual(['a', 'b']);
    expect(broker.settled).toEqual(['ack 1', 'requeue 2']);
    expect(answers()).toEqual(['RECEIPT begin', 'RECEIPT commit']);
  });

  test('claim all messages that a cumulative ACK covers', async () => {
    const [first, second, third] = await deliveries();
    frame('BEGIN');
    frame('ACK', { id: second! });
    client.sendFrame('ACK', { id: third! });
    expect(harness.broker.settled).toEqual(['ack 3']);
    client.sendFrame('ACK', { id: first!, receipt: 'r' });
    expect(answers()).toEqual(['ERROR unknown-ack']);
  });

  test('delay the RECEIPT of COMMIT until all confirms have arrived', async () => {
    harness.broker.holds.add('publish');
    frame('BEGIN');
    send('a', { receipt: 'a' });
    send('b', { receipt: 'b' });
    frame('COMMIT', { receipt: 'commit' });
    await tick();
    harness.broker.publications[1]?.confirm.grant();
    await tick();
    expect(answers()).toEqual(['RECEIPT b']);
    harness.broker.publications[0]?.confirm.grant();
    await tick();
    expect(answers()).toEqual(['RECEIPT b', 'RECEIPT a', 'RECEIPT commit']);
  });

  test('of many steps are applied in several turns, in order, and later frames wait', async () => {
    useFakeTime();
    harness = new Harness({
      session: { transactionMaxCount: 250, transactionMaxBytes: 1_000_000, transactionsMaxBytes: 1_000_000 },
    });
    client = await harness.connect();
    harness.broker.holds.add('publish');
    // A hundred messages take longer than a turn.
    harness.broker.failing = ({ body }) => {
      if (String(body).endsWith('99')) jest.advanceTimersByTime(10);
      return false;
    };
    const bodies = Array.from({ length: 250 }, (_, i) => String(i));
    frame('BEGIN');
    for (const body of bodies) send(body);
    await tick();
    frame('COMMIT', { receipt: 'commit' });
    client.sendFrame('SEND', { destination: '/queue/out' }, 'behind');
    expect(published()).toEqual(bodies.slice(0, 100));
    // This message is refused before all have been published.
    harness.broker.publications[7]?.confirm.refuse(new BrokerError('publish-refused', 'No.'));
    await tick();
    expect(published()).toEqual(bodies.slice(0, 200));
    await tick();
    expect(published()).toEqual([...bodies, 'behind']);
    for (const { confirm } of harness.broker.publications) confirm.grant();
    await tick();
    expect(answers()).toEqual(['ERROR commit-failed']);
    expect(client.summary).toHaveLength(2);
  });

  test('answer COMMIT after a nack with an ERROR that has the number of applied steps', async () => {
    const [first] = await deliveries();
    harness.broker.holds.add('publish');
    frame('BEGIN');
    send('a');
    frame('ACK', { id: first! });
    send('b');
    frame('COMMIT', { receipt: 'commit' });
    await tick();
    harness.broker.publications[0]?.confirm.refuse(new Error('full'));
    await tick();
    expect(answers()).toEqual([]);
    harness.broker.publications[1]?.confirm.grant();
    await tick();
    expect(answers()).toEqual(['ERROR commit-failed']);
    const error = client.frames.at(-1);
    expect(error?.headers['receipt-id']).toBe('commit');
    expect(error?.body.toString()).toBe('2 of the 3 steps of transaction "t" were applied; then: full');
  });

  test('answer COMMIT with ERROR if a publish throws, after the results of all other steps', async () => {
    const { broker } = harness;
    broker.holds.add('publish');
    frame('BEGIN');
    for (const body of ['a', 'b']) send(body);
    broker.failing = (message) => message.body.toString() === 'b';
    frame('COMMIT', { receipt: 'commit' });
    broker.publications[0]?.confirm.refuse(new Error('full'));
    await tick();
    expect(answers()).toEqual(['ERROR commit-failed']);
    expect(client.frames.at(-1)?.body.toString()).toMatch(/^0 of the 2 steps .* full$/);
  });

  test('publish each SEND only when the broker has room for it, in order', async () => {
    const { broker } = harness;
    broker.holds.add('renew');
    frame('BEGIN');
    for (const body of ['a', 'b']) send(body);
    frame('COMMIT', { receipt: 'commit' });
    client.sendFrame('SEND', { destination: '/queue/out' }, 'after');
    await tick();
    expect(published()).toEqual([]);
    broker.renewals[0]?.grant();
    await tick();
    expect(published()).toEqual(['a']);
    broker.renewals[1]?.grant();
    await tick();
    expect(published()).toEqual(['a', 'b', 'after']);
    expect(answers()).toEqual(['RECEIPT commit']);
  });

  test('wait only once for a broker that is away', async () => {
    const { broker } = harness;
    broker.holds.add('renew');
    frame('BEGIN');
    for (const body of ['a', 'b', 'c']) send(body);
    frame('COMMIT', { receipt: 'commit' });
    await tick();
    broker.renewals[0]?.refuse(new BrokerError('broker-unavailable', 'away'));
    await tick();
    expect(broker.renewals).toHaveLength(1);
    expect(published()).toEqual([]);
    expect(client.frames.at(-1)?.body.toString()).toMatch(/^0 of the 3 steps .* away$/);
  });

  test('include SENDs whose checks are pending at COMMIT', async () => {
    const { broker } = harness;
    broker.holds.add('prepare');
    frame('BEGIN');
    send('a');
    frame('COMMIT', { receipt: 'commit' });
    client.sendFrame('SEND', { destination: '/queue/out' }, 'after');
    await tick();
    expect(published()).toEqual([]);
    broker.holds.clear();
    broker.preparations[0]?.grant();
    await tick();
    expect(published()).toEqual(['a', 'after']);
    expect(answers()).toEqual(['RECEIPT commit']);
  });

  test('check each frame when it arrives', async () => {
    frame('BEGIN');
    harness.broker.refusal = new BrokerError('exchange-not-found', 'There is none.');
    send('a', { receipt: 'r' });
    await tick();
    expect(answers()).toEqual(['ERROR exchange-not-found']);
    expect(client.frames.at(-1)?.headers['receipt-id']).toBe('r');
  });

  test('publish nothing at ABORT, and make the acks possible again', async () => {
    const [, second, third] = await deliveries();
    frame('BEGIN');
    send('a', { receipt: 'a' });
    frame('ACK', { id: second!, receipt: 'ack' });
    frame('ABORT', { receipt: 'abort' });
    await tick();
    expect(answers()).toEqual(['RECEIPT ack', 'RECEIPT a', 'RECEIPT abort']);
    expect(published()).toEqual([]);
    client.sendFrame('ACK', { id: third! });
    expect(harness.broker.settled).toEqual(['ack 1', 'ack 2', 'ack 3']);
  });

  test('return claimed messages to the broker at ABORT after UNSUBSCRIBE and its grace', async () => {
    const [first] = await deliveries();
    frame('BEGIN');
    frame('ACK', { id: first! });
    client.sendFrame('UNSUBSCRIBE', { id: 's' });
    await pass(harness.options.ackGraceMs + 200);
    expect(harness.broker.settled).toEqual(['requeue 2', 'requeue 3']);
    frame('ABORT');
    expect(harness.broker.settled).toEqual(['requeue 2', 'requeue 3', 'requeue 1']);
  });

  test('do not mix if several are open', async () => {
    frame('BEGIN');
    frame('BEGIN', { transaction: 'u' });
    send('of t');
    send('of u', { transaction: 'u' });
    frame('ABORT');
    frame('COMMIT', { transaction: 'u' });
    await tick();
    expect(published()).toEqual(['of u']);
  });

  test.each<[string, [string, Record<string, string>][], string]>([
    ['an id in use', [['BEGIN', {}]], 'transaction-in-use'],
    ['COMMIT of an unknown id', [['COMMIT', { transaction: 'x' }]], 'unknown-transaction'],
    ['ABORT of an unknown id', [['ABORT', { transaction: 'x' }]], 'unknown-transaction'],
    [
      'SEND in an unknown transaction',
      [['SEND', { transaction: 'x', destination: '/queue/q' }]],
      'unknown-transaction',
    ],
    ['ACK in an unknown transaction', [['ACK', { transaction: 'x', id: 'a' }]], 'unknown-transaction'],
    [
      'a second COMMIT',
      [
        ['COMMIT', {}],
        ['COMMIT', {}],
      ],
      'unknown-transaction',
    ],
    [
      'one transaction too many',
      [
        ['BEGIN', { transaction: 'u' }],
        ['BEGIN', { transaction: 'v' }],
      ],
      'too-many-transactions',
    ],
    [
      'too many frames',
      Array.from({ length: 6 }, () => ['SEND', { destination: '/queue/q' }]),
      'transaction-too-large',
    ],
    [
      'too many bytes of headers',
      Array.from({ length: 4 }, () => ['SEND', { destination: '/queue/q', a: 'x'.repeat(2_500) }]),
      'transaction-too-large',
    ],
  ])('%s is an ERROR', async (_, frames, code) => {
    frame('BEGIN');
    for (const [command, headers] of frames) frame(command, { ...headers, receipt: 'r' });
    await tick();
    expect(answers().at(-1)).toBe(`ERROR ${code}`);
    expect(client.frames.at(-1)?.headers['receipt-id']).toBe('r');
  });

  test.each(['DISCONNECT', 'a lost connection'])('are aborted by %s', async (end) => {
    const [first] = await deliveries();
    frame('BEGIN');
    send('a');
    frame('ACK', { id: first! });
    if (end === 'DISCONNECT') client.sendFrame('DISCONNECT');
    else client.vanish();
    await tick();
    expect(published()).toEqual([]);
    expect(harness.broker.settled).toEqual([]);
    expect(harness.broker.channels[0]?.isClosed).toBe(true);
  });
});
