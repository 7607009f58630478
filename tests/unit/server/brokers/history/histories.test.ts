import { expect, test } from '@jest/globals';
import { Histories } from '../../../../../server/src/brokers/history/histories.js';
import { createConfig } from '../../../../../server/src/config.js';
import { settle, topic } from './feed-harness.js';
import { ManualClock } from './manual-clock.js';
import { BrokerLog } from './scripted-log.js';

const RULES = [
  { name: 'narrow', match: '/topic/a.b.#' },
  { name: 'wide', match: '/topic/a.#' },
];

function stage(rules = RULES) {
  const { history, topics } = createConfig({ history: { rules } });
  const brokers = rules.map(() => new BrokerLog());
  const clock = new ManualClock();
  let next = 0;
  const histories = new Histories({ history, topics, isEmbedded: false }, () => brokers[next++]!.open(), clock);
  return { brokers, clock, histories };
}

test('the first rule that covers all of a destination applies', () => {
  const { histories } = stage();
  const nameOf = (to: string) => histories.historyOf(topic(to))?.rule.name;
  expect(['/topic/a.b.c', '/topic/a.b', '/topic/a.c', '/topic/a.#', '/topic/b'].map(nameOf)).toEqual([
    'narrow',
    'narrow',
    'wide',
    'wide',
    undefined,
  ]);
});

test('without rules there is nothing to start, and there are no numbers', async () => {
  const { histories } = stage([]);
  await histories.start();
  expect([histories.gauges, histories.heldBytes]).toEqual([undefined, 0]);
});

test('starts when all logs are live, and counts the bytes of all', async () => {
  const { brokers, histories } = stage();
  brokers[0]!.append('a.b', 'x');
  await histories.start();
  expect(histories.heldBytes).toBeGreaterThan(500);
  expect(histories.gauges?.ringBytes).toBe(histories.heldBytes);
  await histories.close();
  expect(histories.historyOf(topic('/topic/a.b'))?.state).toBe('closed');
});

test('a log that cannot be read fails the start', async () => {
  const { brokers, histories } = stage();
  brokers[1]!.isAway = true;
  await expect(histories.start()).rejects.toMatchObject({ code: 'broker-unavailable' });
});

test('a log that is slow does not hold up the start for ever, and is tried again', async () => {
  const { brokers, clock, histories } = stage();
  const { feed, fail } = slowOpen(histories);
  const starting = histories.start();
  await clock.pass(30_000);
  await starting;
  expect(feed.state).toBe('new');
  brokers[0]!.isAway = true;
  fail();
  await settle();
  brokers[0]!.isAway = false;
  await clock.pass(5_000);
  expect(feed.state).toBe('live');
});

/** The log of the first rule answers nothing at first. */
function slowOpen(histories: Histories) {
  const feed = histories.historyOf(topic('/topic/a.b'))!;
  const start = feed.start.bind(feed);
  let fail = (): void => undefined;
  feed.start = () => {
    feed.start = start;
    return new Promise((_, reject) => (fail = () => reject(new Error('the log was deleted'))));
  };
  return { feed, fail: () => fail() };
}
