import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { describe as nodeDescribe, test as nodeTest } from 'node:test';
import { describe, expect, test } from '@jest/globals';
import type { expect as npmExpect } from 'expect';
import type { BrokerCapabilities, Publication } from 'stomp-relay';
import { brokerContract, KEY_LIMITS } from 'stomp-relay/contract';
import type { ContractReport, TestHarness } from 'stomp-relay/contract';
import { MEMORY_CAPABILITIES } from '../../../../server/src/brokers/memory/memory-broker.js';
import { RABBITMQ_CAPABILITIES } from '../../../../server/src/brokers/rabbitmq/rabbitmq-broker.js';
import { TopicsBroker } from '../../../support/topics-broker.js';
import { RecordedRun } from './recorded-run.js';

/** Runs the contract for a broker that declares these capabilities. `selected` selects the tests. */
function contractOf(
  declared: BrokerCapabilities,
  Kind: typeof TopicsBroker = TopicsBroker,
  selected = declared,
): { run: RecordedRun; report: ContractReport; made: TopicsBroker[] } {
  const run = new RecordedRun();
  const made: TopicsBroker[] = [];
  const make = async () => {
    const broker = new Kind(KEY_LIMITS, declared);
    made.push(broker);
    await broker.start();
    return { broker, another: () => Promise.resolve(broker), close: () => broker.close() };
  };
  const report = brokerContract(run, { name: 'the broker', capabilities: selected, make });
  return { run, report, made };
}

describe('a broker with topics and users only', () => {
  test('passes, and the report names the skipped tests', async () => {
    const { run, report } = contractOf({});
    expect(await run.failures()).toEqual([]);
    expect(run.titles).toEqual(
      expect.arrayContaining([
        'topics > a message reaches every listener on every instance, once',
        'users > the target session travels with the message to all sessions, and is no header',
        'messages > headers and properties arrive as they were sent (topic)',
        'lifecycle > describes itself without credentials, and is down after close',
      ]),
    );
    expect(report.leftOut).toEqual([
      'capabilities > shared: there is more than one instance (needs shared)',
      'capabilities > deliversInSend: a listener has the message when send() returns (needs deliversInSend)',
      'capabilities > streams: each consumer reads from its requested offset (needs streams, queues, acks)',
      'topics > /exchange/amq.direct/#.#.# is too expensive to match, and is refused in every kind of subscription (needs exchanges)',
      expect.stringMatching(/^topics > \/exchange\/e\/\.{32} is too expensive .* \(needs exchanges\)$/),
      'exchanges (needs exchanges)',
      'messages > headers and properties arrive as they were sent (queue) (needs queues)',
      'messages > a header named __proto__ passes through (queue) (needs queues)',
      expect.stringMatching(/^messages > a key with too many words is refused: \/exchange\/amq\.topic\/.*exchanges\)$/),
      expect.stringMatching(
        /^messages > a key with too many words is refused: \/exchange\/amq\.fanout\/.*exchanges\)$/,
      ),
      expect.stringMatching(/^messages > a key with too many words is refused: \/queue\/.* \(needs queues\)$/),
      expect.stringMatching(/^messages > a key with too many words is refused: \/amq\/queue\/.* \(needs queues\)$/),
      expect.stringMatching(/^messages > a key with too many words is refused: \/reply-queue\/.* \(needs replies\)$/),
      'confirms > mandatory: an error if no queue or listener receives the message (needs mandatory)',
      'confirms > mandatory: no error if a queue or listener receives the message (needs mandatory)',
      'confirms > each of many concurrent messages gets its own answer (needs mandatory)',
      'queues (needs queues, acks)',
      'settling (needs queues, acks)',
      'a dedicated queue (needs acks)',
      'replies (needs replies)',
      'dead letters (needs queues, acks, queueArguments, exchanges)',
      'one SEND stays one message for each subscription (needs queues, acks, queueArguments, exchanges)',
      'queue headers (needs queues, acks, queueArguments)',
      'durable subscriptions (needs durable, acks)',
      'x-queue-name (needs durable, acks)',
      'histories: rules (needs history)',
      'histories: live deliveries (needs history)',
      'histories: return (needs history)',
      'histories: refusals (needs history)',
    ]);
  });

  test('is created by the first test, and closed by the last one if the runner has no afterAll', async () => {
    const { run, made } = contractOf({});
    expect(made).toEqual([]);
    expect(run.titles.at(-1)).toBe('the broker closes');
    await run.failures();
    expect(made.length).toBeGreaterThan(0);
    expect(made.map(({ isUp }) => isUp)).toEqual(made.map(() => false));
  });

  test('is closed by afterAll if the runner has it', async () => {
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

  test('needs no close if no test has run', async () => {
    const ends: (() => Promise<void>)[] = [];
    const nothing = (): void => {};
    const harness: TestHarness = {
      describe: (_, body) => body(),
      test: nothing,
      expect,
      afterAll: (action) => ends.push(action),
    };
    const make = () => Promise.reject(new Error('unexpected call'));
    brokerContract(harness, { name: 'the broker', capabilities: {}, make });
    for (const end of ends) await end();
    expect(ends).toHaveLength(1);
  });
});

describe('a broker that declares a missing capability', () => {
  /** Delivers in a later turn. */
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
        'confirms > mandatory: an error if no queue or listener receives the message',
        'confirms > mandatory: no error if a queue or listener receives the message',
        'confirms > each of many concurrent messages gets its own answer',
      ],
    ],
    ['shared', TopicsBroker, ['capabilities > shared: there is more than one instance']],
    ['deliversInSend', Late, ['capabilities > deliversInSend: a listener has the message when send() returns']],
  ])('%s: fails only in its tests', async (capability, Kind, failing) => {
    const { run } = contractOf({ [capability]: true }, Kind);
    expect(await run.failures()).toEqual(failing);
  });

  test.each<[string, BrokerCapabilities, readonly string[]]>([
    ['exchanges', { exchanges: true }, ['exchanges > a direct exchange compares keys']],
    ['queues and acks', { queues: true, acks: true }, ['queues > keep messages in order until a consumer comes']],
    ['acks', { acks: true }, ['a dedicated queue > serves a subscription to a topic, with real acks']],
    [
      'durable',
      { durable: true, acks: true },
      ['durable subscriptions > keep messages while their client is away (topic)'],
    ],
    ['replies', { replies: true }, ['replies > have unique and unguessable queue names']],
    [
      'streams',
      { streams: true, queues: true, acks: true },
      ['capabilities > streams: each consumer reads from its requested offset'],
    ],
    [
      'queueArguments',
      { queueArguments: true, queues: true, acks: true },
      ['queue headers > x-max-priority delivers urgent messages first'],
    ],
  ])('%s: fails', async (_, claimed, failing) => {
    expect(await contractOf(claimed).run.failures()).toEqual(expect.arrayContaining([...failing]));
  });

  test('fails if the tests are selected by other capabilities', async () => {
    const { run } = contractOf({ queues: false }, TopicsBroker, { exchanges: false });
    expect(await run.failures()).toEqual([]);
    const hiding = contractOf({ shared: true }, TopicsBroker, {});
    expect(await hiding.run.failures()).toEqual(['capabilities > match the capabilities that selected the tests']);
  });
});

test('the types accept node:test with the package expect as a runner', () => {
  type Node = { describe: typeof nodeDescribe; test: typeof nodeTest; expect: typeof npmExpect };
  const asHarness = (node: Node): TestHarness => node;
  expect(asHarness).toBeDefined();
});

test('a broker that cannot start fails every test', async () => {
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
