/** Each rule finds a planted violation, and reports none in valid histories. */
import { describe, expect, test } from '@jest/globals';
import { AFTERMATH_MS, JUDGE_MS } from './error-reasons.js';
import type { Effect } from './faults.js';
import { nameOf } from './history.js';
import type { HistoryEvent } from './history.js';
import { check, PUBLISH_TIMEOUT_MS } from './rules.js';
import { clean, QUEUE, Script, TOPIC } from './script.js';
import { describeViolations } from './timeline.js';

test('a valid history has no violation', () => {
  expect(clean().broken).toEqual([]);
});

describe('a confirmed message to a queue is delivered', () => {
  const rule = 'a confirmed message to a queue is delivered';
  test('a confirmed and lost message is found', () => {
    expect(clean().send(4).confirm(4).broken).toEqual([rule]);
  });
  test('a refused message, or an unanswered one of an ended connection, may be lost', () => {
    const script = clean()
      .fault(2 * PUBLISH_TIMEOUT_MS, 'hides RabbitMQ', 'ends sessions')
      .send(4)
      .send(5);
    expect(script.wait(PUBLISH_TIMEOUT_MS).refuse(4).close().broken).toEqual([]);
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
    const late = clean()
      .fault(2 * PUBLISH_TIMEOUT_MS, 'hides RabbitMQ')
      .send(4)
      .wait(PUBLISH_TIMEOUT_MS)
      .refuse(4);
    expect(late.confirm(4).deliver(4).broken).toEqual([rule]);
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

describe('a SEND is unavailable only after its deadline', () => {
  const rule = 'a SEND is unavailable only after its deadline';
  const refused = (afterMs: number, ...effects: Effect[]): Script =>
    new Script()
      .fault(5 * PUBLISH_TIMEOUT_MS, ...effects)
      .send(1)
      .wait(afterMs)
      .refuse(1, 'broker-unavailable', true);

  test('an early refusal is found', () => {
    expect(refused(PUBLISH_TIMEOUT_MS / 2, 'hides RabbitMQ').broken).toEqual([rule]);
    expect(refused(PUBLISH_TIMEOUT_MS, 'hides RabbitMQ').broken).toEqual([]);
  });
  test('the time of an alarm does not count, unless RabbitMQ was away', () => {
    expect(refused(2 * PUBLISH_TIMEOUT_MS, 'blocks publishers').broken).toEqual([rule]);
    expect(refused(2 * PUBLISH_TIMEOUT_MS, 'blocks publishers', 'hides RabbitMQ').broken).toEqual([]);
    const afterAlarm = new Script()
      .fault(PUBLISH_TIMEOUT_MS, 'blocks publishers')
      .send(1)
      .wait(2 * PUBLISH_TIMEOUT_MS);
    expect(afterAlarm.refuse(1, 'overloaded', true).broken).not.toContain(rule);
    expect(afterAlarm.broken).toEqual(['an ERROR has a reason']);
  });
  test('a stream that is out of reach refuses after half of the deadline, and not without a fault', () => {
    const unkept = (afterMs: number, ...effects: Effect[]): string[] => {
      const script = new Script().fault(PUBLISH_TIMEOUT_MS, ...effects).wait(afterMs);
      const sentence = 'RabbitMQ does not keep messages in the stream "s" at present: try again later.';
      return script.send(1).refuse(1, 'broker-unavailable', true, sentence).broken;
    };
    expect(unkept(PUBLISH_TIMEOUT_MS / 2, 'hides RabbitMQ')).toEqual([]);
    expect(unkept(PUBLISH_TIMEOUT_MS / 4, 'hides RabbitMQ')).toEqual([rule]);
    expect(unkept(PUBLISH_TIMEOUT_MS / 2, 'blocks publishers')).toEqual([rule]);
  });
  test('a later SEND of the session may be refused with the first', () => {
    const both = (gapMs: number): Script => {
      const script = new Script()
        .fault(9 * PUBLISH_TIMEOUT_MS, 'hides RabbitMQ')
        .send(1)
        .wait(9_000)
        .send(2);
      return script.wait(1_000).refuse(1, 'broker-unavailable', true).wait(gapMs).refuse(2, 'broker-unavailable', true);
    };
    expect(both(0).broken).toEqual([]);
    expect(both(5_000).broken).toEqual([rule]);
  });
});

describe('a client without room is answered', () => {
  const rule = 'a client without room is answered';
  const [accepted, refused] = ['HTTP/1.1 101 Switching Protocols', 'HTTP/1.1 503 Service Unavailable'];
  test('a client without an answer, or with another one, is found', () => {
    expect(new Script().crowd(accepted, refused, '').broken).toEqual([rule]);
    expect(new Script().crowd(accepted, refused, 'HTTP/1.1 500 Internal Server Error').broken).toEqual([rule]);
  });
  test('a crowd that has room is found', () => {
    expect(new Script().crowd(accepted, accepted).broken).toEqual([rule]);
    expect(new Script().crowd(accepted, refused).broken).toEqual([]);
  });
});

describe('an ERROR has a reason', () => {
  const rule = 'an ERROR has a reason';
  test('an ERROR that no fault can explain is found', () => {
    const script = clean().fault(9_999, 'hides RabbitMQ', 'ends sessions', 'blocks publishers').send(4);
    expect(script.refuse(4, 'internal-error').broken).toEqual([rule]);
  });
  test('an ERROR that no fault explains at the time is found', () => {
    expect(clean().send(4).refuse(4, 'heart-beat-timeout').broken).toEqual([rule]);
    expect(clean().fault(20, 'blocks publishers').send(4).refuse(4, 'heart-beat-timeout').broken).toEqual([rule]);
    expect(clean().fault(20, 'ends sessions').send(4).refuse(4, 'heart-beat-timeout').broken).toEqual([]);
  });
  test('RabbitMQ that was hidden at a SEND explains its refusal at the deadline, and not that of a later SEND', () => {
    const refused = (afterMs: number): string[] => {
      const script = clean().fault(20, 'hides RabbitMQ').wait(afterMs).send(4);
      return script.wait(PUBLISH_TIMEOUT_MS).refuse(4).broken;
    };
    expect(refused(AFTERMATH_MS)).toEqual([]);
    expect(refused(AFTERMATH_MS + 20)).toEqual([rule]);
  });
});

describe('an interrupted replay has a reason', () => {
  const rule = 'an ERROR has a reason';
  const interrupted = (script: Script, reason: string): string[] =>
    script.add({
      kind: 'error',
      session: 's#1',
      code: 'replay-interrupted',
      isSoft: false,
      sentence: `No (${reason}).`,
    }).broken;
  const after = (ms: number, ...effects: Effect[]): Script =>
    clean()
      .fault(20, ...effects)
      .wait(ms);

  test.each(['other-history', 'too-old', 'unavailable', 'busy', 'too-much'])(
    '%s without a fault is found',
    (reason) => {
      expect(interrupted(clean(), reason)).toEqual([rule]);
    },
  );
  test('a fault of another kind is no reason', () => {
    expect(interrupted(after(0, 'hides RabbitMQ', 'cuts a history'), 'other-history')).toEqual([rule]);
    expect(interrupted(after(0, 'blocks publishers', 'ends sessions'), 'too-old')).toEqual([rule]);
    expect(interrupted(after(0, 'cuts a history', 'ends sessions'), 'unavailable')).toEqual([rule]);
    expect(interrupted(after(0, 'cuts a history', 'replaces a history'), 'too-much')).toEqual([rule]);
  });
  test('a stream that was deleted lately is a reason, and one that was deleted long ago is none', () => {
    expect(interrupted(after(JUDGE_MS, 'replaces a history'), 'other-history')).toEqual([]);
    expect(interrupted(after(JUDGE_MS + 20, 'replaces a history'), 'other-history')).toEqual([rule]);
  });
  test('a relay that RabbitMQ was hidden from since then finds out later', () => {
    const hidden = (ms: number): Script => after(0, 'replaces a history').fault(JUDGE_MS, 'hides RabbitMQ').wait(ms);
    expect(interrupted(hidden(1.5 * JUDGE_MS), 'other-history')).toEqual([]);
    expect(interrupted(hidden(2 * JUDGE_MS), 'other-history')).toEqual([rule]);
  });
});

describe('the end of a session has a reason', () => {
  const rule = 'the end of a session has a reason';
  const fault = (...effects: Effect[]): Script =>
    clean()
      .fault(9_999, ...effects)
      .send(4);
  test('an end without a reason is found', () => {
    expect(clean().close().broken).toEqual([rule]);
  });
  test('a fault that does not end sessions is no reason', () => {
    expect(fault('hides RabbitMQ', 'loses messages', 'blocks publishers').confirm(4).deliver(4).close().broken).toEqual(
      [rule],
    );
  });
  test('a soft error is no reason', () => {
    expect(fault('hides RabbitMQ').refuse(4, 'overloaded', true).close().broken).toEqual([rule]);
  });
  test('an ERROR, a fault that ends sessions, and the client itself are reasons', () => {
    expect(fault('hides RabbitMQ').refuse(4, 'overloaded').close().broken).toEqual([]);
    expect(fault('ends sessions').close().broken).toEqual([]);
    expect(clean().close('p#1', true).broken).toEqual([]);
  });
});

test('the report contains the violations, the faults and the events of the messages', () => {
  const { history } = clean().fault(12, 'ends sessions').send(4).confirm(4).close('p#1', true);
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
