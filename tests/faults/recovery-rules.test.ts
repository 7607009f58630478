/** The rules about recovery find planted violations, and report none in valid histories. */
import { describe, expect, test } from '@jest/globals';
import type { Effect } from './faults.js';
import { nameOf } from './history.js';
import type { KeptDelivery, Returned } from './history.js';
import { KeptLog } from './kept-log.js';
import { Script } from './script.js';

const KEPT = '/topic/kept.a';
const [MARKER, OTHER] = ['m', 'o'];
const positionAt = (offset: number, marker = MARKER): string => `${offset.toString(36)}.0.0.${marker}`;

/** A marker at offset 0, and then the messages 1 to `count` of one publisher. */
function logOf(count: number, marker = MARKER): KeptLog {
  const log = new KeptLog('kept');
  log.add({ offset: 0, marker });
  for (let n = 1; n <= count; n++) log.add({ offset: n, message: nameOf('p#1', KEPT, n) });
  return log;
}

class KeptScript extends Script {
  constructor(...logs: KeptLog[]) {
    super();
    this.history.logs = logs;
    for (const log of logs) {
      for (const { message } of log.entries.values()) {
        if (message === undefined) continue;
        this.add({ kind: 'sent', session: 'p#1', message }).add({ kind: 'confirmed', session: 'p#1', message });
      }
      return;
    }
  }
  returned(more: Partial<Returned>): this {
    const about = { session: 's#1', subscription: 'sub', rule: 'kept', destinations: [KEPT] };
    return this.add({ kind: 'returned', ...about, ...more });
  }
  live(offset = 0): this {
    return this.returned({ position: positionAt(offset) });
  }
  get(number: number, more: Partial<KeptDelivery> & { offset?: number } = {}): this {
    const { offset = number, ...marks } = more;
    const kept = { subscription: 'sub', position: positionAt(offset), isReplayed: false, isAfterGap: false, ...marks };
    const message = nameOf('p#1', KEPT, number);
    const common = { session: 's#1', destination: KEPT, redelivered: false, resent: false };
    return this.add({ kind: 'delivered', message, ...common, kept });
  }
  gap(from: number, to: string, reason: string): this {
    return this.add({ kind: 'gap', session: 's#1', subscription: 'sub', from: positionAt(from), to, reason });
  }
}

const script = (count = 5): KeptScript => new KeptScript(logOf(count));

test('messages in the order of the log have no violation, live and replayed', () => {
  expect(script().live().get(1).get(2).broken).toEqual([]);
  const returned = script()
    .live()
    .get(1)
    .returned({ since: positionAt(1), recovered: true });
  expect(returned.get(2, { isReplayed: true }).get(3, { isReplayed: true }).get(4).broken).toEqual([]);
});

describe('a return is exact', () => {
  const rule = 'a return is exact';
  const returned = (): KeptScript =>
    script()
      .live()
      .get(1)
      .returned({ since: positionAt(1), recovered: true });
  test('a message that the replay leaves out is found', () => {
    expect(returned().get(3, { isReplayed: true }).broken).toEqual([rule]);
    expect(returned().get(2, { isReplayed: true }).get(4, { isReplayed: true }).broken).toEqual([rule]);
  });
  test('an end before the last message is no violation', () => {
    expect(returned().get(2, { isReplayed: true }).broken).toEqual([]);
  });
});

describe('a hole is reported', () => {
  const rule = 'a hole is reported';
  test('a message that a live subscription misses is found', () => {
    expect(script().live().get(1).get(3).broken).toEqual([rule]);
    expect(script().live().get(2).broken).toEqual([rule]);
  });
  test('a hole between the replay and the live messages is found', () => {
    const returned = script().returned({ since: positionAt(0), recovered: true });
    expect(returned.get(1, { isReplayed: true }).get(3).broken).toEqual([rule]);
  });
  test('a gap that was reported is no violation, but what is missing before it is', () => {
    const cut = (): KeptScript => {
      const log = logOf(5);
      log.firstOffset = 4;
      return new KeptScript(log).fault(99, 'cuts a history').live();
    };
    expect(cut().get(1).gap(1, positionAt(3), 'too-old').get(4).broken).toEqual([]);
    expect(cut().gap(1, positionAt(3), 'too-old').get(4).broken).toEqual([rule]);
    expect(script().live().get(1).get(4, { isAfterGap: true }).broken).toEqual([]);
  });
  test('messages of another log without a report are found', () => {
    const [before, after] = [logOf(5), logOf(0, OTHER)];
    before.isDeleted = true;
    after.add({ offset: 1, message: nameOf('p#1', KEPT, 6) });
    const both = (): KeptScript => {
      const sent = new KeptScript(before, after).send(6, KEPT).confirm(6, KEPT);
      return sent.fault(99, 'replaces a history').live().get(1);
    };
    const six = { offset: 1, position: positionAt(1, OTHER) };
    expect(both().get(6, six).broken).toEqual([rule]);
    expect(both().gap(1, positionAt(0, OTHER), 'other-history').get(6, six).broken).toEqual([]);
  });
  test('a message of the calm that a listener never gets is found', () => {
    const log = logOf(1);
    log.add({ offset: 2, message: nameOf('p#1', KEPT, 2) });
    const calm = (): KeptScript => {
      const made = new KeptScript(logOf(1));
      made.history.logs = [log];
      return made.live().get(1).add({ kind: 'calm' }).send(2, KEPT).confirm(2, KEPT);
    };
    expect(calm().broken).toEqual([rule]);
    expect(calm().get(2).broken).toEqual([]);
    expect(calm().close('s#1', true).broken).toEqual([rule]);
    expect(calm().close('s#1').broken).not.toContain(rule);
  });
});

describe('order is one for all', () => {
  const rule = 'order is one for all';
  test('a message that comes at another place than in the log is found', () => {
    expect(script().live().get(2, { offset: 1 }).broken).toEqual([rule]);
  });
  test('a message that comes late or again is found', () => {
    const again = script()
      .returned({ position: positionAt(0) })
      .get(1)
      .get(2);
    expect(again.returned({ since: positionAt(2), recovered: true }).get(2, { isReplayed: true }).broken).toEqual([
      'only a marked message comes twice',
      rule,
    ]);
  });
  test('the unread end of a deleted stream proves nothing', () => {
    const log = logOf(2);
    log.isDeleted = true;
    const late = new KeptScript(log).fault(99, 'replaces a history').send(3, KEPT).confirm(3, KEPT);
    expect(late.live().get(1).get(2).get(3).broken).toEqual([]);
  });
});

test("a log keeps its publishers' order", () => {
  const swapped = new KeptLog('kept');
  for (const [offset, n] of [2, 1].entries()) swapped.add({ offset, message: nameOf('p#1', KEPT, n) });
  expect(new KeptScript(swapped).broken).toEqual(["a log keeps its publishers' order"]);
  const resent = logOf(2);
  resent.add({ offset: 3, message: nameOf('p#1', KEPT, 1) });
  expect(new KeptScript(resent).broken).not.toContain("a log keeps its publishers' order");
  const late = (isResent: boolean, ...effects: Effect[]): string[] => {
    const log = new KeptLog('kept');
    log.add({ offset: 0, message: nameOf('p#1', KEPT, 2) });
    log.add({ offset: 1, message: nameOf('p#1', KEPT, 1), isResent });
    const script = new KeptScript();
    script.history.logs = [log];
    for (const n of [1, 2]) script.send(n, KEPT);
    return script.fault(99, ...effects).broken.filter((rule) => rule === "a log keeps its publishers' order");
  };
  expect(late(true, 'unbinds a history')).toEqual([]);
  expect(late(false, 'unbinds a history')).toHaveLength(1);
  expect(late(true, 'loses messages', 'hides RabbitMQ')).toHaveLength(1);
});

describe('a verdict is true', () => {
  const rule = 'a verdict is true';
  const refused = (reason: string, made: KeptScript = script()): string[] =>
    made.returned({ since: positionAt(1), position: positionAt(5), recovered: false, reason }).broken;
  test.each(['too-old', 'other-history', 'ahead', 'busy', 'unavailable', 'too-much', 'unknown-position'])(
    'a refusal with %s without a fault is found',
    (reason) => {
      expect(refused(reason)).toEqual([rule]);
    },
  );
  test('a fault of another kind explains nothing', () => {
    expect(refused('other-history', script().fault(99, 'hides RabbitMQ', 'cuts a history'))).toEqual([rule]);
    expect(refused('too-old', script().fault(99, 'hides RabbitMQ', 'cuts a history'))).toEqual([rule]);
    expect(refused('busy', script().fault(99, 'cuts a history'))).toEqual([rule]);
  });
  test('a position that is gone, and RabbitMQ that is away, explain it', () => {
    const [cut, deleted] = [logOf(5), logOf(5)];
    cut.firstOffset = 2;
    deleted.isDeleted = true;
    expect(refused('too-old', new KeptScript(cut))).toEqual([]);
    expect(refused('other-history', new KeptScript(deleted))).toEqual([]);
    expect(refused('unavailable', script().fault(99, 'hides RabbitMQ'))).toEqual([]);
  });
  test('it holds for reported gaps too', () => {
    expect(script().live().get(1).gap(1, positionAt(1), 'other-history').get(2).broken).toEqual([rule]);
  });
});

test("the relay's count equals the client's", () => {
  const counted = (delivered: number): string[] =>
    script().add({ kind: 'checked', session: 's#1', subscription: 'sub', delivered, received: 2 }).broken;
  expect(counted(2)).toEqual([]);
  expect(counted(3)).toEqual(["the relay's count equals the client's"]);
});

test('a confirmed message is kept', () => {
  const rule = 'a confirmed message is kept';
  const sent = (made: KeptScript): string[] => made.send(6, KEPT).confirm(6, KEPT).live(5).broken;
  expect(sent(script())).toEqual([rule]);
  expect(sent(script().fault(99, 'loses messages', 'hides RabbitMQ'))).toEqual([rule]);
  expect(sent(script().fault(99, 'unbinds a history'))).toEqual([]);
});
