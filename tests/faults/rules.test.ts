/** Each rule finds what is planted, and nothing in histories that are as they may be. */
import { describe, expect, test } from '@jest/globals';
import { History, type HistoryEvent, nameOf } from './history.js';
import { check } from './rules.js';
import { describeViolations } from './timeline.js';

const QUEUE = '/queue/work';
const TOPIC = '/topic/news';

/** A history in which a step is a millisecond, written by hand. */
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
  deliver(number: number, how: { to?: string; destination?: string; redelivered?: true; resent?: true } = {}): this {
    const { to = 's#1', destination = QUEUE, redelivered = false, resent = false } = how;
    const message = nameOf('p#1', destination, number);
    return this.add({ kind: 'delivered', session: to, destination, message, redelivered, resent });
  }
  close(session = 'p#1', wanted = false): this {
    return this.add({ kind: 'closed', session, code: 1006, wanted });
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

/** Three messages through a queue, all as it should be. */
const clean = (): Script => [1, 2, 3].reduce((script, n) => script.send(n).confirm(n).deliver(n), new Script());

test('a clean history breaks nothing', () => {
  expect(clean().broken).toEqual([]);
});

describe('a confirmed message to a queue is delivered', () => {
  const rule = 'a confirmed message to a queue is delivered';
  test('one that is confirmed and gone is found', () => {
    expect(clean().send(4).confirm(4).broken).toEqual([rule]);
  });
  test('one that was refused, or never answered on a connection that ended, may be gone', () => {
    expect(clean().send(4).refuse(4).send(5).fault(0).close().broken).toEqual([]);
  });
  test('a topic keeps nothing for those who are away', () => {
    expect(clean().send(1, TOPIC).confirm(1, TOPIC).broken).toEqual([]);
  });
});

describe('only a marked message comes twice', () => {
  const rule = 'only a marked message comes twice';
  test('a second copy without a mark is found, also at another subscriber', () => {
    expect(clean().deliver(3).broken).toEqual([rule]);
    expect(clean().deliver(3, { to: 's#2' }).broken).toEqual([rule]);
  });
  test('a marked one may be', () => {
    expect(clean().deliver(3, { redelivered: true }).deliver(3, { resent: true, to: 's#2' }).broken).toEqual([]);
  });
  test('the marked copy of two may be the one that is seen first', () => {
    expect(new Script().send(1).confirm(1).deliver(1, { resent: true }).deliver(1, { to: 's#2' }).broken).toEqual([]);
  });
  test('every subscriber of a topic has its own copy, and no more', () => {
    const topic = (): Script => new Script().send(1, TOPIC).confirm(1, TOPIC).deliver(1, { destination: TOPIC });
    expect(topic().deliver(1, { destination: TOPIC, to: 's#2' }).broken).toEqual([]);
    expect(topic().deliver(1, { destination: TOPIC }).broken).toEqual([rule]);
  });
});

describe('order is kept', () => {
  const sent = (destination = QUEUE): Script =>
    [1, 2, 3].reduce((script, n) => script.send(n, destination).confirm(n, destination), new Script());
  const rule = 'order is kept';

  test.each([QUEUE, TOPIC])('two messages to %s in each other’s place are found', (destination) => {
    const script = sent(destination);
    for (const n of [2, 1, 3]) script.deliver(n, { destination });
    expect(script.broken).toEqual([rule]);
  });
  test('what comes back to a queue may come late', () => {
    expect(sent().deliver(2).deliver(1, { redelivered: true }).deliver(3).broken).toEqual([]);
  });
  test('a second copy may come late, one that was only published again may not', () => {
    const late = (): Script => sent().deliver(2).deliver(1, { resent: true }).deliver(3);
    expect(late().broken).toEqual([rule]);
    expect(late().deliver(1, { to: 's#2', redelivered: true }).broken).toEqual([]);
  });
  test('in a topic also messages that were published again stand in order', () => {
    const script = sent(TOPIC);
    for (const n of [2, 1, 3]) script.deliver(n, { destination: TOPIC, resent: true });
    expect(script.broken).toEqual([rule]);
  });
  test('another session of the publisher is another stream', () => {
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
  test('no answer on a connection that lives is found', () => {
    expect(clean().send(4).broken).toEqual([rule]);
  });
  test('two answers are found, of either kind', () => {
    expect(clean().confirm(3).broken).toEqual([rule]);
    expect(clean().refuse(3).broken).toEqual([rule]);
  });
});

describe('nothing is delivered that was not sent there', () => {
  const rule = 'nothing is delivered that was not sent there';
  test('a message of nobody is found', () => {
    expect(clean().deliver(9).broken).toEqual([rule]);
  });
  test('a message at another destination is found', () => {
    const message = nameOf('p#1', QUEUE, 3);
    const astray = { kind: 'delivered', session: 's#2', destination: TOPIC, message } as const;
    expect(clean().add({ ...astray, redelivered: false, resent: false }).broken).toEqual([rule]);
  });
});

describe('in the calm after the faults everybody gets everything', () => {
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
    expect(listening().broken).toEqual(['in the calm after the faults everybody gets everything']);
  });
  test('before the calm, messages may be missed; and who has gone needs none', () => {
    expect(listening().deliver(2, { destination: TOPIC, to: 's#2' }).broken).toEqual([]);
    expect(listening().fault(0).close('s#2').broken).toEqual([]);
  });
});

describe('an ERROR has a reason', () => {
  test('one that no fault explains is found', () => {
    expect(clean().send(4).refuse(4, 'internal-error').broken).toEqual(['an ERROR has a reason']);
  });
});

describe('sessions end only of what was done to them', () => {
  const rule = 'sessions end only of what was done to them';
  test('an end out of nothing is found', () => {
    expect(clean().close().broken).toEqual([rule]);
  });
  test('a fault that does not touch connections is no excuse', () => {
    expect(clean().fault(20, false).close().broken).toEqual([rule]);
  });
  test('nor is a refusal that should have ended nothing', () => {
    expect(clean().send(4).refuse(4, 'broker-unavailable', true).close().broken).toEqual([rule]);
  });
  test('an ERROR, a fault that cuts, and the client’s own wish are', () => {
    expect(clean().send(4).refuse(4).close().broken).toEqual([]);
    expect(clean().fault(20).close().broken).toEqual([]);
    expect(clean().close('p#1', true).broken).toEqual([]);
  });
});

test('what was broken is told with the faults and the story of the messages', () => {
  const { history } = clean().fault(12).send(4).confirm(4).close('p#1', true);
  const text = describeViolations(check(history), history);
  expect(text).toBe(`Broken 1 times: a confirmed message to a queue is delivered

    0.009 s to   0.012 s |${' '.repeat(38)}############ | planted

a confirmed message to a queue is delivered: p#1 /queue/work 4: confirmed and never delivered
    0.009 s  ---- planted, until 0.012 s
    0.010 s  p#1 SEND p#1 /queue/work 4
    0.011 s  p#1 RECEIPT of p#1 /queue/work 4
    0.012 s  p#1 left`);
  const kinds = new Set(history.events.map(({ kind }: HistoryEvent) => kind));
  expect(kinds).toEqual(new Set(['sent', 'confirmed', 'delivered', 'fault', 'closed']));
});
