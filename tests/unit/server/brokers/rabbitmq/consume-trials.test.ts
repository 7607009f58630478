import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { BrokerError } from '../../../../../server/src/brokers/broker.js';
import { ConsumeTrials } from '../../../../../server/src/brokers/rabbitmq/consume-trials.js';

describe('the first consumer of a queue', () => {
  let tried: string[];
  let reply: number | undefined;
  let trials: ConsumeTrials;
  beforeEach(() => {
    jest.useFakeTimers();
    // An entry of time 0 has no age
    jest.advanceTimersByTime(1);
    [tried, reply] = [[], undefined];
    trials = new ConsumeTrials((queue) => {
      tried.push(queue);
      if (reply === undefined) return Promise.resolve();
      const cause = Object.assign(new Error(), { code: reply });
      return Promise.reject(new BrokerError('queue-conflict', 'refused', { cause }));
    });
  });
  afterEach(() => void jest.useRealTimers());

  const run = () => trials.run('q', 'user:ann');
  const refused = () => expect(run()).rejects.toMatchObject({ code: 'queue-conflict' });

  test('is tried once, also if several begin at the same time', async () => {
    await Promise.all([run(), run()]);
    await run();
    expect(tried).toEqual(['q']);
  });

  test('is not tried if the relay has made the queue', async () => {
    trials.pass('q');
    await run();
    expect(tried).toEqual([]);
  });

  test('is tried again after the queue was gone', async () => {
    await run();
    trials.forget('q');
    await run();
    expect(tried).toEqual(['q', 'q']);
  });

  test('is refused for a while without another trial if RabbitMQ closed the connection', async () => {
    reply = 541;
    await refused();
    await refused();
    expect(tried).toHaveLength(1);
    jest.advanceTimersByTime(31_000);
    reply = undefined;
    await run();
    expect(tried).toHaveLength(2);
  });

  test('is tried again at once after a refusal that closed only a channel', async () => {
    reply = 403;
    await refused();
    await refused();
    expect(tried).toHaveLength(2);
  });
});
