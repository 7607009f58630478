import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { expect as npmExpect } from 'expect';
import type { describe as nodeDescribe, test as nodeTest } from 'node:test';
import type { BrokerCapabilities, Publication } from 'stomp-relay';
import { brokerContract, type ContractReport, KEY_LIMITS, type TestHarness } from 'stomp-relay/contract';
import { MEMORY_CAPABILITIES } from '../../../../server/src/brokers/memory/memory-broker.js';
import { RABBITMQ_CAPABILITIES } from '../../../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import { TopicsBroker } from '../../../support/topics-broker.js';
import { RecordedRun } from './recorded-run.js';

/** The contract for brokers that declare this, whatever they have. `told` is what the tests are chosen by. */
function contractOf(
  declared: BrokerCapabilities,
  Kind: typeof TopicsBroker = TopicsBroker,
  told = declared,
): { run: RecordedRun; report: ContractReport; made: TopicsBroker[] } {
  const run = new RecordedRun();
  const made: TopicsBroker[] = [];
  const make = async () => {
    const broker = new Kind(KEY_LIMITS, declared);
    made.push(broker);
    await broker.start();
    return { broker, another: () => Promise.resolve(broker), close: () => broker.close() };
  };
  const report = brokerContract(run, { name: 'the broker', capabilities: told, make });
  return { run, report, made };
}

describe('a broker of topics and users alone', () => {
  test('passes, and what its capabilities leave out is named', async () => {
    const { run, report } = contractOf({});
    expect(await run.failures()).toEqual([]);
    expect(run.titles).toEqual(
      expect.arrayContaining([
        'topics > a message reaches every listener on every instance, once',
        'users > which session is meant goes along to all of them, and is no header',
        'messages > headers and properties arrive as they were sent (topic)',
        'life > says what it is without credentials, and is down when closed',
      ]),
    );
    expect(report.leftOut).toEqual([
      'capabilities > shared: there is more than one instance (needs shared)',
      'capabilities > deliversInSend: a listener has the message when SEND has been handed over (needs deliversInSend)',
      'capabilities > streams: each consumer reads from where it asks (needs streams, queues, acks)',
      'topics > /exchange/amq.direct/#.#.# costs too much to match, and is refused however it is subscribed to (needs exchanges)',
      expect.stringMatching(/^topics > \/exchange\/e\/\.{32} costs too much .* \(needs exchanges\)$/),
      'exchanges (needs exchanges)',
      'messages > headers and properties arrive as they were sent (queue) (needs queues)',
      expect.stringMatching(/^messages > a key of too many words is refused: \/exchange\/amq\.topic\/.*exchanges\)$/),
      expect.stringMatching(/^messages > a key of too many words is refused: \/exchange\/amq\.fanout\/.*exchanges\)$/),
      expect.stringMatching(/^messages > a key of too many words is refused: \/queue\/.* \(needs queues\)$/),
      expect.stringMatching(/^messages > a key of too many words is refused: \/amq\/queue\/.* \(needs queues\)$/),
      expect.stringMatching(/^messages > a key of too many words is refused: \/reply-queue\/.* \(needs replies\)$/),
      'confirms > mandatory: an error where nobody takes the message (needs mandatory)',
      'confirms > mandatory: none where somebody does (needs mandatory)',
      'confirms > of many at once each gets its own answer (needs mandatory)',
      'queues (needs queues, acks)',
      'settling (needs queues, acks)',
      'a queue of its own (needs acks)',
      'replies (needs replies)',
      'dead letters (needs queues, acks, queueArguments, exchanges)',
      'one SEND stays one message for each subscription (needs queues, acks, queueArguments, exchanges)',
      'queue headers (needs queues, acks, queueArguments)',
      'durable subscriptions (needs durable, acks)',
      'x-queue-name (needs durable, acks)',
    ]);
  });

  test('is made by the first test, and closed by the last where the runner has no afterAll', async () => {
    const { run, made } = contractOf({});
    expect(made).toEqual([]);
    expect(run.titles.at(-1)).toBe('the broker closes');
    await run.failures();
    expect(made.length).toBeGreaterThan(0);
    expect(made.map(({ isUp }) => isUp)).toEqual(made.map(() => false));
  });

  test('is closed by afterAll where the runner has it', async () => {
    const run = new RecordedRun();
    const ends: (() => Promise<void>)[] = [];
    const harness: TestHarness = {
      describe: run.describe,
      test: run.test,
      expect,
      afterAll: (action) => ends.push(action),
    };
    const made: TopicsBroker[] = [];
    const make = async () => {
      const broker = new TopicsBroker(KEY_LIMITS);
      made.push(broker);
      await broker.start();
      return { broker, another: () => Promise.resolve(broker), close: () => broker.close() };
    };
    brokerContract(harness, { name: 'the broker', capabilities: {}, make });
    expect(run.titles).not.toContain('the broker closes');
    expect(await run.failures()).toEqual([]);
    expect(made[0]!.isUp).toBe(true);
    for (const end of ends) await end();
    expect(made[0]!.isUp).toBe(false);
  });

  test('needs nothing to be closed where no test has run', async () => {
    const ends: (() => Promise<void>)[] = [];
    const nothing = (): void => {};
    const harness: TestHarness = {
      describe: (_, body) => body(),
      test: nothing,
      expect,
      afterAll: (action) => ends.push(action),
    };
    const make = () => Promise.reject(new Error('not asked for'));
    brokerContract(harness, { name: 'the broker', capabilities: {}, make });
    for (const end of ends) await end();
    expect(ends).toHaveLength(1);
  });
});

describe('a broker that claims what it does not have', () => {
  /** It delivers in a later turn. */
  class Late extends TopicsBroker {
    override publication(...args: Parameters<TopicsBroker['publication']>): Publication {
      const publication = super.publication(...args);
      const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
      return { ready: undefined, send: () => nextTurn().then(() => publication.send()) };
    }
  }

  test.each<[keyof BrokerCapabilities, typeof TopicsBroker, readonly string[]]>([
    [
      'mandatory',
      TopicsBroker,
      [
        'confirms > mandatory: an error where nobody takes the message',
        'confirms > mandatory: none where somebody does',
        'confirms > of many at once each gets its own answer',
      ],
    ],
    ['shared', TopicsBroker, ['capabilities > shared: there is more than one instance']],
    [
      'deliversInSend',
      Late,
      ['capabilities > deliversInSend: a listener has the message when SEND has been handed over'],
    ],
  ])('%s: fails in the tests of it alone', async (capability, Kind, failing) => {
    const { run } = contractOf({ [capability]: true }, Kind);
    expect(await run.failures()).toEqual(failing);
  });

  test.each<[string, BrokerCapabilities, readonly string[]]>([
    ['exchanges', { exchanges: true }, ['exchanges > a direct exchange compares keys']],
    ['queues and acks', { queues: true, acks: true }, ['queues > keep messages until somebody comes, in order']],
    ['acks', { acks: true }, ['a queue of its own > stands behind topic with real acks']],
    [
      'durable',
      { durable: true, acks: true },
      ['durable subscriptions > keep what comes while nobody is there (topic)'],
    ],
    ['replies', { replies: true }, ['replies > have names that differ and cannot be guessed']],
    [
      'streams',
      { streams: true, queues: true, acks: true },
      ['capabilities > streams: each consumer reads from where it asks'],
    ],
    [
      'queueArguments',
      { queueArguments: true, queues: true, acks: true },
      ['queue headers > x-max-priority brings urgent messages first'],
    ],
  ])('%s: fails', async (_, claimed, failing) => {
    expect(await contractOf(claimed).run.failures()).toEqual(expect.arrayContaining([...failing]));
  });

  test('other capabilities to the tests than to the relay: fails', async () => {
    const { run } = contractOf({ queues: false }, TopicsBroker, { exchanges: false });
    expect(await run.failures()).toEqual([]);
    const hiding = contractOf({ shared: true }, TopicsBroker, {});
    expect(await hiding.run.failures()).toEqual(['capabilities > are those that the tests were chosen by']);
  });
});

test('node:test with the package expect is a runner by its types', () => {
  type Node = { describe: typeof nodeDescribe; test: typeof nodeTest; expect: typeof npmExpect };
  const asHarness = (node: Node): TestHarness => node;
  expect(asHarness).toBeDefined();
});

test('a broker that cannot be started fails every test', async () => {
  const run = new RecordedRun();
  const make = () => Promise.reject(new Error('It cannot be reached.'));
  brokerContract(run, { name: 'the broker', capabilities: {}, make });
  expect(await run.failures()).toHaveLength(run.titles.length);
});

test('docs/brokers.md explains every capability', () => {
  const page = readFileSync(path.resolve(__dirname, '../../../../docs/brokers.md'), 'utf8');
  const [, section = ''] = page.split('## Capabilities');
  const explained = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, name]) => name);
  const known = new Set([...Object.keys(MEMORY_CAPABILITIES), ...Object.keys(RABBITMQ_CAPABILITIES)]);
  expect(explained.sort()).toEqual([...known].sort());
});
