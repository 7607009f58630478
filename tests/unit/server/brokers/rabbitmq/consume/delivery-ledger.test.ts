import { inspect } from 'node:util';
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { RequeueTurns } from '../../../../../../server/src/brokers/requeue-turns.js';
import { RecordedLedger } from '../recorded-ledger.js';

test('each delivery is settled with its outcome, in any order', () => {
  const recorded = new RecordedLedger();
  const [a, b, c] = [recorded.deliver(1), recorded.deliver(2), recorded.deliver(3)];
  b.settle('requeue');
  c.settle('drop');
  a.settle('ack');
  expect(recorded.calls).toEqual(['requeue 2', 'drop 3', 'ack 1']);
  expect(recorded.ledger.size).toBe(0);
});

test('a settled or unknown tag does not reach AMQP', () => {
  const recorded = new RecordedLedger();
  const delivery = recorded.deliver(1);
  delivery.settle('ack');
  delivery.settle('requeue');
  recorded.ledger.settle(99, 'ack');
  expect(recorded.calls).toEqual(['ack 1']);
});

test('settling on a lost channel does not reach AMQP', () => {
  const recorded = new RecordedLedger();
  const delivery = recorded.deliver(1);
  recorded.ledger.end();
  delivery.settle('ack');
  expect(recorded.calls).toEqual([]);
});

test('a closing channel counts as gone', () => {
  const recorded = new RecordedLedger();
  const [a, b] = [recorded.deliver(1), recorded.deliver(2)];
  recorded.isClosing = true;
  a.settle('ack');
  b.settle('ack');
  expect(recorded.calls).toEqual([]);
  expect(recorded.ledger.size).toBe(0);
});

test('a settlement settles like its delivery, and holds nothing of the message', () => {
  const recorded = new RecordedLedger();
  const delivery = recorded.deliver(1);
  const { settlement, message } = delivery;
  expect(inspect(settlement, { depth: Infinity })).not.toContain(inspect(message.body));
  settlement.settle('ack');
  delivery.settle('requeue');
  expect(recorded.calls).toEqual(['ack 1']);
});

describe('a requeue of a redelivered message', () => {
  /** Turns in which requeues wait until the test calls them. */
  class HeldTurns {
    readonly held = new Set<() => void>();
    enter(requeue: () => void): void {
      this.held.add(requeue);
    }
    leave(requeue: () => void): void {
      this.held.delete(requeue);
    }
  }
  let turns: HeldTurns;
  let recorded: RecordedLedger;
  beforeEach(() => {
    turns = new HeldTurns();
    recorded = new RecordedLedger(turns as unknown as RequeueTurns);
  });

  test('waits for its turn; other outcomes and the first requeue do not', () => {
    const first = recorded.deliver(1);
    const [again, acked, dropped] = [2, 3, 4].map((tag) => recorded.deliver(tag, true));
    again!.settle('requeue');
    acked!.settle('ack');
    dropped!.settle('drop');
    first.settle('requeue');
    expect(recorded.calls).toEqual(['ack 3', 'drop 4', 'requeue 1']);
    expect(recorded.ledger.size).toBe(1);
    for (const requeue of turns.held) requeue();
    expect(recorded.calls.at(-1)).toBe('requeue 2');
    expect(recorded.ledger.size).toBe(0);
  });

  test('is settled while it waits: a second outcome does nothing', () => {
    const delivery = recorded.deliver(1, true);
    delivery.settle('requeue');
    delivery.settle('ack');
    expect(recorded.calls).toEqual([]);
    expect(turns.held.size).toBe(1);
  });

  test('does not wait after the end of its consumer, to which it cannot come back', () => {
    const delivery = recorded.deliver(1, true);
    recorded.receiver.isEnded = true;
    delivery.settle('requeue');
    expect(recorded.calls).toEqual(['requeue 1']);
  });

  test('gives its turn up if the channel is lost', () => {
    recorded.deliver(1, true).settle('requeue');
    recorded.ledger.end();
    expect([turns.held.size, recorded.ledger.size]).toEqual([0, 0]);
  });
});
