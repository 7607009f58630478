/** Each rule finds a planted violation, and reports none in valid histories. */
import { describe, expect, test } from '@jest/globals';
import { History, nameOf } from './history.js';
import type { HistoryEvent } from './history.js';
import { check } from './rules.js';
import { describeViolations } from './timeline.js';

const QUEUE = '/queue/work';
const TOPIC = '/topic/news';

/** Builds a history by hand, with one millisecond per step. */
class Script {
  private time = 0;
  readonly history = new History(() => this.time++);

  send(number: number, destination = QUEUE, session = 'p#1'): this {
    return this.add({ kind: 'sent', session, message: nameOf(session, destination, number) });
  }
  confirm(number: number, destination = QUEUE, session = 'p#1'): this {
    return this.add({ kind: 'confirmed', session, message: nameOf(session, destination, number) });
  }
  refuse(number: number, code = 'broker-unavailable', isSoft = false): this {
    return this.add({ kind: 'error', session: 'p#1', code, isSoft, message: nameOf('p#1', QUEUE, number) });
  }
  deliver(
    number: number,
    options: { to?: string; destination?: string; redelivered?: true; resent?: true } = {},
  ): this {
    const { to = 's#1', destination = QUEUE, redelivered = false, resent = false } = options;
    const message = nameOf('p#1', destination, number);
    return this.add({ kind: 'delivered', session: to, destination, message, redelivered, resent });
  }
  close(session = 'p#1', intended = false): this {
    return this.add({ kind: 'closed', session, code: 1006, intended });
  }
  fault(untilMs: number, cuts = true): this {
    return this.add({ kind: 'fault', name: 'planted', untilMs, cuts });
  }
  add(event: Parameters<History['add']>[0]): this {
    this.history.add(event);
    return this;
  }
  get broken(): string[] {
    return check(this.history).map(({ rule }) => rule);
  }
}

/** Three messages through a queue, without a violation. */
const clean = (): Script => [1, 2, 3].reduce((script, n) => script.send(n).confirm(n).deliver(n), new Script());

test('a valid history has no violation', () => {
  expect(clean().broken).toEqual([]);
});

describe('a confirmed message to a queue is delivered', () => {
  const rule = 'a confirmed message to a queue is delivered';
  test('a confirmed and lost message is found', () => {
    expect(clean().send(4).confirm(4).broken).toEqual([rule]);
  });
  test('a refused message, or an unanswered one of an ended connection, may be lost', () => {
    expect(clean().send(4).refuse(4).send(5).fault(0).close().broken).toEqual([]);
  });
  test('a topic keeps no messages for absent clients', () => {
    expect(clean().send(1, TOPIC).confirm(1, TOPIC).broken).toEqual([]);
  });
});

describe('only a marked message comes twice', () => {
  const rule = 'only a marked message comes twice';
  test('a second copy without a mark is found, even at another subscriber', () => {
    expect(clean().deliver(3).broken).toEqual([rule]);
    expect(clean().deliver(3, { to: 's#2' }).broken).toEqual([rule]);
  });
  test('a marked copy is allowed', () => {
    expect(clean().deliver(3, { redelivered: true }).deliver(3, { resent: true, to: 's#2' }).broken).toEqual([]);
  });
  test('the marked copy may arrive first', () => {
    expect(new Script().send(1).confirm(1).deliver(1, { resent: true }).deliver(1, { to: 's#2' }).broken).toEqual([]);
  });
  test('each subscriber of a topic may have one copy', () => {
    const topic = (): Script => new Script().send(1, TOPIC).confirm(1, TOPIC).deliver(1, { destination: TOPIC });
    expect(topic().deliver(1, { destination: TOPIC, to: 's#2' }).broken).toEqual([]);
    expect(topic().deliver(1, { destination: TOPIC }).broken).toEqual([rule]);
  });
});

describe('order is kept', () => {
  const sent = (destination = QUEUE): Script =>
    [1, 2, 3].reduce((script, n) => script.send(n, destination).confirm(n, destination), new Script());
  const rule = 'order is kept';

  test.each([QUEUE, TOPIC])('two swapped messages to %s are found', (destination) => {
    const script = sent(destination);
    for (const n of [2, 1, 3]) script.deliver(n, { destination });
    expect(script.broken).toEqual([rule]);
  });
  test('a redelivered message of a queue may be late', () => {
    expect(sent().deliver(2).deliver(1, { redelivered: true }).deliver(3).broken).toEqual([]);
  });
  test('a second copy may be late, a resent message without a first copy may not', () => {
    const late = (): Script => sent().deliver(2).deliver(1, { resent: true }).deliver(3);
    expect(late().broken).toEqual([rule]);
    expect(late().deliver(1, { to: 's#2', redelivered: true }).broken).toEqual([]);
  });
  test('resent messages of a topic must be in order', () => {
    const script = sent(TOPIC);
    for (const n of [2, 1, 3]) script.deliver(n, { destination: TOPIC, resent: true });
    expect(script.broken).toEqual([rule]);
  });
  test('each session of a publisher has its own order', () => {
    const script = sent().send(1, QUEUE, 'p#2').confirm(1, QUEUE, 'p#2').deliver(2);
    const other = nameOf('p#2', QUEUE, 1);
    script.add({
      kind: 'delivered',
      session: 's#1',
      destination: QUEUE,
      message: other,
      redelivered: false,
      resent: false,
    });
    expect(script.deliver(3).deliver(1, { to: 's#2' }).broken).toEqual([]);
  });
});

describe('a SEND with a receipt is answered once', () => {
  const rule = 'a SEND with a receipt is answered once';
  test('a missing answer on an open connection is found', () => {
    expect(clean().send(4).broken).toEqual([rule]);
  });
  test('a second answer of any kind is found', () => {
    expect(clean().confirm(3).broken).toEqual([rule]);
    expect(clean().refuse(3).broken).toEqual([rule]);
  });
});

describe('every delivered message was sent to that destination', () => {
  const rule = 'every delivered message was sent to that destination';
  test('an unknown message is found', () => {
    expect(clean().deliver(9).broken).toEqual([rule]);
  });
  test('a message at another destination is found', () => {
    const message = nameOf('p#1', QUEUE, 3);
    const astray = { kind: 'delivered', session: 's#2', destination: TOPIC, message } as const;
    expect(clean().add({ ...astray, redelivered: false, resent: false }).broken).toEqual([rule]);
  });
});

describe('after the faults every listener gets every message', () => {
  const listening = (): Script =>
    new Script()
      .add({ kind: 'subscribed', session: 's#1', destination: TOPIC })
      .add({ kind: 'subscribed', session: 's#2', destination: TOPIC })
      .send(1, TOPIC)
      .confirm(1, TOPIC)
      .add({ kind: 'calm' })
      .send(2, TOPIC)
      .confirm(2, TOPIC)
      .deliver(2, { destination: TOPIC });
  test('a listener without its message is found', () => {
    expect(listening().broken).toEqual(['after the faults every listener gets every message']);
  });
  test('messages may be missed before the calm, and by closed sessions', () => {
    expect(listening().deliver(2, { destination: TOPIC, to: 's#2' }).broken).toEqual([]);
    expect(listening().fault(0).close('s#2').broken).toEqual([]);
  });
});

describe('an ERROR has a reason', () => {
  test('an ERROR that no fault explains is found', () => {
    expect(clean().send(4).refuse(4, 'internal-error').broken).toEqual(['an ERROR has a reason']);
  });
});

describe('the end of a session has a reason', () => {
  const rule = 'the end of a session has a reason';
  test('an end without a reason is found', () => {
    expect(clean().close().broken).toEqual([rule]);
  });
  test('a fault that does not cut connections is no reason', () => {
    expect(clean().fault(20, false).close().broken).toEqual([rule]);
  });
  test('a soft error is no reason', () => {
    expect(clean().send(4).refuse(4, 'broker-unavailable', true).close().broken).toEqual([rule]);
  });
  test('an ERROR, a fault that cuts connections, and the client itself are reasons', () => {
    expect(clean().send(4).refuse(4).close().broken).toEqual([]);
    expect(clean().fault(20).close().broken).toEqual([]);
    expect(clean().close('p#1', true).broken).toEqual([]);
  });
});

test('the report contains the violations, the faults and the events of the messages', () => {
  const { history } = clean().fault(12).send(4).confirm(4).close('p#1', true);
  const text = describeViolations(check(history), history);
  expect(text).toBe(`1 violations: a confirmed message to a queue is delivered

    0.009 s to   0.012 s |${' '.repeat(38)}############ | planted

a confirmed message to a queue is delivered: p#1 /queue/work 4: confirmed and never delivered
    0.009 s  ---- planted, until 0.012 s
    0.010 s  p#1 SEND p#1 /queue/work 4
    0.011 s  p#1 RECEIPT of p#1 /queue/work 4
    0.012 s  p#1 left`);
  const kinds = new Set(history.events.map(({ kind }: HistoryEvent) => kind));
  expect(kinds).toEqual(new Set(['sent', 'confirmed', 'delivered', 'fault', 'closed']));
});
