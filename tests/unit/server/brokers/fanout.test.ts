import { describe, expect, test } from '@jest/globals';
import { BrokerError } from '../../../../server/src/brokers/broker.js';
import type { RoutedMessage } from '../../../../server/src/brokers/broker.js';
import { Fanout, Listeners } from '../../../../server/src/brokers/fanout.js';
import { EMPTY_BODY } from '../../../../server/src/stomp/frame.js';

const message: RoutedMessage = {
  headers: new Map(),
  body: EMPTY_BODY,
  origin: { kind: 'topic', key: 'a.b' },
  resent: false,
};

describe('Fanout', () => {
  test('passes a message to each listener whose pattern matches, with the key that matched', () => {
    const fanout = new Fanout('topic');
    const seen: string[] = [];
    for (const pattern of ['a.b', 'a.*', '#', 'b.*']) fanout.add(pattern, (_, key) => seen.push(`${pattern} ${key}`));
    fanout.add('a.b', (_, key) => seen.push(`a.b again ${key}`));
    expect(fanout.deliver(message, 'a.b')).toBe(true);
    expect(seen.sort()).toEqual(['# a.b', 'a.* a.b', 'a.b a.b', 'a.b again a.b']);
  });

  test('returns whether a listener received the message', () => {
    for (const matching of ['topic', 'exact'] as const) {
      const fanout = new Fanout(matching);
      const remove = fanout.add('a', () => {});
      expect(fanout.deliver(message, 'b')).toBe(false);
      remove();
      expect(fanout.deliver(message, 'a')).toBe(false);
      expect(fanout.deliver(message, 'a', ['b'])).toBe(false);
    }
  });

  test('compares keys for equality without patterns', () => {
    const fanout = new Fanout('exact');
    const seen: string[] = [];
    fanout.add('*', (_, key) => seen.push(key));
    fanout.deliver(message, 'a');
    fanout.deliver(message, '*');
    expect(seen).toEqual(['*']);
  });

  test.each(['topic', 'exact'] as const)('delivers once when several keys match a listener (%s)', (matching) => {
    const fanout = new Fanout(matching);
    const seen: string[] = [];
    fanout.add('a', (_, key) => seen.push(`a ${key}`));
    fanout.add('b', (_, key) => seen.push(`b ${key}`));
    if (matching === 'topic') fanout.add('*', (_, key) => seen.push(`* ${key}`));
    expect(fanout.deliver(message, 'x', ['a', 'b', 'a'])).toBe(true);
    expect(seen.sort()).toEqual(matching === 'topic' ? ['* x', 'a a', 'b b'] : ['a a', 'b b']);
  });

  test('delivers once to a pattern with an alias, whichever of the two keys a message has', () => {
    const fanout = new Fanout('exact');
    const seen: string[] = [];
    const remove = fanout.add("x.o'b", (_, key) => seen.push(key), undefined, 'x.o%27b');
    fanout.deliver(message, "x.o'b");
    fanout.deliver(message, 'x.o%27b');
    fanout.deliver(message, "x.o'b", ['x.o%27b']);
    expect(seen).toEqual(["x.o'b", 'x.o%27b', "x.o'b"]);
    expect(fanout.patterns()).toEqual(["x.o'b", 'x.o%27b']);
    remove();
    expect(fanout.patterns()).toEqual([]);
  });

  test('ends a listener once, even if both of its keys are refused', () => {
    const fanout = new Fanout('exact');
    const ended: string[] = [];
    fanout.add(
      'a',
      () => {},
      ({ message: text }) => ended.push(text),
      'b',
    );
    for (const key of ['a', 'b']) fanout.end(key, new BrokerError('subscription-ended', `no ${key}`));
    expect(ended).toEqual(['no a']);
  });

  test('reports the first and the last listener of a pattern', () => {
    const reported: string[] = [];
    const fanout = new Fanout('topic', {
      first: (pattern) => reported.push(`first ${pattern}`),
      last: (pattern) => reported.push(`last ${pattern}`),
    });
    const removeOne = fanout.add('a', () => {});
    const removeTwo = fanout.add('a', () => {});
    expect(fanout.count('a')).toBe(2);
    removeOne();
    removeOne();
    expect(fanout.count('a')).toBe(1);
    removeTwo();
    removeTwo();
    expect(fanout.count('a')).toBe(0);
    const removeThree = fanout.add('a', () => {});
    removeTwo();
    expect(fanout.count('a')).toBe(1);
    removeThree();
    expect(reported).toEqual(['first a', 'last a', 'first a', 'last a']);
  });

  test('lists its patterns by number of listeners', () => {
    const fanout = new Fanout('topic');
    for (const pattern of ['one', 'three', 'two', 'three', 'two', 'three']) fanout.add(pattern, () => {});
    expect(fanout.patterns()).toEqual(['three', 'two', 'one']);
  });
});

describe('Listeners', () => {
  test('a listener that is removed during a delivery gets nothing more, an added one gets the next message', () => {
    const listeners = new Listeners();
    const seen: string[] = [];
    const removals: (() => void)[] = [];
    listeners.add(() => {
      seen.push('first');
      removals.splice(0).forEach((remove) => remove());
      if (seen.length === 1) listeners.add(() => seen.push('late'));
    });
    removals.push(listeners.add(() => seen.push('removed')));
    listeners.add(() => seen.push('last'));
    listeners.deliver(message, 'k');
    expect(seen).toEqual(['first', 'last']);
    listeners.deliver(message, 'k');
    expect(seen.slice(2)).toEqual(['first', 'last', 'late']);
    expect(listeners.size).toBe(3);
  });

  test('a listener may remove itself', () => {
    const listeners = new Listeners();
    let calls = 0;
    const remove = listeners.add(() => {
      calls++;
      remove();
    });
    listeners.deliver(message, 'k');
    listeners.deliver(message, 'k');
    expect(calls).toBe(1);
    expect(listeners.size).toBe(0);
  });

  test('keeps the order of the remaining listeners when many are removed', () => {
    const listeners = new Listeners();
    const seen: number[] = [];
    const removals = Array.from({ length: 100 }, (_, i) => listeners.add(() => seen.push(i)));
    removals.forEach((remove, i) => i % 3 !== 0 && remove());
    listeners.deliver(message, 'k');
    expect(seen).toEqual(Array.from({ length: 34 }, (_, i) => i * 3));
    expect(listeners.size).toBe(34);
  });
});
