import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { OutgoingMessage } from '../../../../../../server/src/brokers/rabbitmq/amqp/outgoing-message.js';
import type { Outgoing } from '../../../../../../server/src/brokers/rabbitmq/publish/outgoing.js';
import { Outstanding } from '../../../../../../server/src/brokers/rabbitmq/publish/outstanding.js';
import { PublishClock } from '../../../../../../server/src/brokers/rabbitmq/publish/publish-clock.js';
import { message, rabbitOptions } from '../../../../../support/rabbitmq-brokers.js';

const TIMEOUT_MS = 1_000;
const { topics } = rabbitOptions('amqp://nowhere');
beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

function outgoing(id: string): Outgoing {
  return {
    id,
    route: { exchange: '', key: id },
    message: new OutgoingMessage(message(id), topics, 131_072),
    mandatory: false,
    user: '',
    since: performance.now(),
    blockedBefore: 0,
    isHurried: false,
    resolve: () => undefined,
    reject: () => undefined,
    phase: 'queued',
    wasSent: false,
    returned: undefined,
    repairs: 0,
    nacks: 0,
  };
}

function setUp() {
  const expired: string[] = [];
  const clock = new PublishClock({ publishTimeoutMs: TIMEOUT_MS, blockedTimeoutMs: 10 * TIMEOUT_MS });
  const outstanding: Outstanding = new Outstanding(clock, (each) => {
    expired.push(each.id);
    outstanding.remove(each);
  });
  return { outstanding, expired, clock };
}

test('counts messages and their bytes, each once', () => {
  const { outstanding } = setUp();
  const [a, b] = [outgoing('a'), outgoing('b')];
  outstanding.add(a);
  outstanding.add(b);
  expect([outstanding.count, outstanding.bytes]).toEqual([2, a.message.bytes + b.message.bytes]);
  outstanding.remove(a);
  outstanding.remove(a);
  expect([outstanding.count, outstanding.bytes]).toEqual([1, b.message.bytes]);
  expect([...outstanding.all()]).toEqual([outstanding.get('b')]);
  outstanding.close();
});

test('each message expires at its own deadline', () => {
  const { outstanding, expired } = setUp();
  outstanding.add(outgoing('a'));
  jest.advanceTimersByTime(TIMEOUT_MS / 2);
  outstanding.add(outgoing('b'));
  jest.advanceTimersByTime(TIMEOUT_MS / 2);
  expect(expired).toEqual(['a']);
  jest.advanceTimersByTime(TIMEOUT_MS / 2);
  expect(expired).toEqual(['a', 'b']);
  expect(jest.getTimerCount()).toBe(0);
});

test('an alarm gives each message its time', () => {
  const { outstanding, expired, clock } = setUp();
  outstanding.add(outgoing('a'));
  clock.block(true);
  outstanding.checkDeadlines();
  jest.advanceTimersByTime(5 * TIMEOUT_MS);
  clock.block(false);
  outstanding.checkDeadlines();
  expect(expired).toEqual([]);
  jest.advanceTimersByTime(TIMEOUT_MS);
  expect(expired).toEqual(['a']);
});

test('nothing expires after the end', () => {
  const { outstanding, expired } = setUp();
  outstanding.add(outgoing('a'));
  outstanding.close();
  jest.advanceTimersByTime(2 * TIMEOUT_MS);
  expect(expired).toEqual([]);
});
