import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { Broker } from '../../../server/src/brokers/broker.js';
import { createConfig } from '../../../server/src/config.js';
import type { ConfigInput } from '../../../server/src/config.js';
import { createBroker } from '../../../server/src/create-broker.js';
import { SharedPots } from '../../../server/src/load/shared-pots.js';
import { problemsOf } from '../../support/config-problems.js';
import { TestLog } from '../../support/rabbitmq-brokers.js';

describe('rabbitmq.lanes', () => {
  let log: TestLog;
  let brokers: Broker[];

  beforeEach(() => {
    log = new TestLog();
    brokers = [];
  });
  afterEach(() => Promise.all(brokers.map((broker) => broker.close())));

  function create(lanes: string[], more: ConfigInput = {}): void {
    const rabbitmq = { ...more.rabbitmq, lanes };
    const config = createConfig({ broker: 'amqp://127.0.0.1', ...more, rabbitmq });
    brokers.push(createBroker(config, 'me', log, new SharedPots()));
  }

  test('are logged at the start, because AMQP consumers do not get their messages', () => {
    create(['/user/#', '/topic/ui.#']);
    expect(log.lines).toEqual([expect.stringMatching(/^info AMQP consumers do not get .*"\/topic\/ui\.#"/)]);
  });

  test('that are only read are not', () => {
    create(['/topic/ui.#'], { rabbitmq: { lanesReadOnly: true } });
    create([]);
    expect(log.lines).toEqual([]);
  });

  test.each([
    ['/topic/#', '/topic/prices.#'],
    ['/topic/prices.*', '/topic/prices.#'],
    ['/user/#', '/user/queue/news'],
  ])('%s is refused beside a history of %s', (lane, match) => {
    const history = { rules: [{ name: 'kept', match }] };
    expect(problemsOf(() => create([lane], { history }))).toEqual([
      `rabbitmq.lanes covers a part of history.rules "kept" (${match}): messages of lanes are not kept`,
    ]);
  });

  test('beside a history of other destinations are accepted', () => {
    const history = { rules: [{ name: 'kept', match: '/topic/prices.#' }] };
    create(['/topic/ui.#', '/user/#'], { history });
    expect(brokers).toHaveLength(1);
  });

  test('with more wildcards than topics.patternHashesMax are refused', () => {
    expect(problemsOf(() => create(['/topic/a.#.b.#']))).toEqual([
      expect.stringMatching(/^rabbitmq\.lanes cannot be used: /),
    ]);
  });

  test('need names of exchanges that leave room for a shard', () => {
    const topicExchange = 'x'.repeat(241);
    expect(problemsOf(() => create(['/topic/#'], { topicExchange }))).toEqual([
      expect.stringMatching(/^rabbitmq\.lanes needs names of exchanges with at most 240 bytes/),
    ]);
  });
});
