import { beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { Outcome } from '../../../../server/src/brokers/broker.js';
import { AckQueue, Acks, settle } from '../../../../server/src/delivery/acks.js';

let acks: Acks;
let settled: string[];
beforeEach(() => {
  acks = new Acks();
  settled = [];
});

function deliver(queue: AckQueue, ...ids: string[]): void {
  for (const id of ids) {
    acks.add(queue, id, { settle: (outcome: Outcome) => settled.push(`${outcome} ${id}`) });
  }
}

describe('Acks', () => {
  test('a cumulative ack covers all earlier deliveries of this subscription only', () => {
    const [one, other] = [new AckQueue('one', true), new AckQueue('other', true)];
    deliver(one, 'r-1');
    deliver(other, 'r-2');
    deliver(one, 'r-3', 'r-4');
    settle(acks.claim('r-3', undefined), 'ack');
    expect(settled).toEqual(['ack r-1', 'ack r-3']);
    expect(acks.size).toBe(2);
    settle(acks.claim('r-2', 'other'), 'drop');
    settle(acks.claim('r-4', 'one'), 'requeue');
    expect(settled.slice(2)).toEqual(['drop r-2', 'requeue r-4']);
    expect(acks.size).toBe(0);
  });

  test('an individual ack covers one message', () => {
    const queue = new AckQueue('s', false);
    deliver(queue, 'r-1', 'r-2', 'r-3');
    settle(acks.claim('r-2', undefined), 'ack');
    expect(settled).toEqual(['ack r-2']);
    settle(acks.claim('r-1', undefined), 'ack');
    expect(acks.size).toBe(1);
  });

  test.each([true, false])('an id is unknown before its delivery and after its use (cumulative: %s)', (cumulative) => {
    const queue = new AckQueue('s', cumulative);
    deliver(queue, 'r-1', 'r-2');
    expect(() => acks.claim('r-9', undefined)).toThrow('has the id "r-9"');
    acks.claim('r-2', undefined);
    expect(() => acks.claim('r-2', undefined)).toThrow('has the id "r-2"');
    if (cumulative) expect(() => acks.claim('r-1', undefined)).toThrow('has the id "r-1"');
    expect(settled).toEqual([]);
  });

  test('the named subscription must be that of the delivery', () => {
    deliver(new AckQueue('s', false), 'r-1');
    expect(() => acks.claim('r-1', 'other')).toThrow('of subscription "other"');
    deliver(new AckQueue(undefined, false), 'r-2');
    expect(() => acks.claim('r-2', 's')).toThrow('of subscription "s"');
    expect(acks.claim('r-2', undefined).settlements.size).toBe(1);
  });

  test('a restored claim returns to its place, so that a cumulative ack covers it again', () => {
    const queue = new AckQueue('s', true);
    const ids = ['r-8', 'r-9', 'r-a', 'r-z', 'r-10', 'r-11']; // a counter in base 36
    deliver(queue, ...ids.slice(0, 4));
    const claim = acks.claim('r-9', undefined);
    deliver(queue, ...ids.slice(4));
    const second = acks.claim('r-a', undefined);
    acks.restore([second]);
    acks.restore([claim]);
    expect([...queue.unsettled.keys()]).toEqual(ids);
    settle(acks.claim('r-10', undefined), 'ack');
    expect(settled).toEqual(ids.slice(0, 5).map((id) => `ack ${id}`));
  });

  test.each([
    [true, 1],
    [false, 0],
  ])('many restored claims cost one pass over the other deliveries at most (cumulative: %s)', (cumulative, passes) => {
    const queue = new AckQueue('s', cumulative);
    deliver(queue, 'r-1', 'r-2', 'r-3', 'r-4', 'r-5');
    const claims = ['r-1', 'r-2', 'r-3'].map((id) => acks.claim(id, undefined));
    const pass = jest.spyOn(queue.unsettled, Symbol.iterator);
    acks.restore(claims);
    expect(pass).toHaveBeenCalledTimes(passes);
    pass.mockRestore();
    expect([...queue.unsettled.keys()].sort()).toEqual(['r-1', 'r-2', 'r-3', 'r-4', 'r-5']);
    expect(acks.size).toBe(5);
  });

  test('the end of a subscription requeues restored deliveries in their order', () => {
    const queue = new AckQueue('s', false);
    deliver(queue, 'r-1', 'r-2', 'r-3');
    acks.restore([acks.claim('r-1', undefined)]);
    acks.giveBack(queue);
    expect(settled).toEqual(['requeue r-1', 'requeue r-2', 'requeue r-3']);
  });

  test('the end of a subscription requeues its deliveries once, and a later restored claim goes to the broker', () => {
    const queue = new AckQueue('s', false);
    deliver(queue, 'r-1', 'r-2', 'r-3');
    const claim = acks.claim('r-2', undefined);
    acks.giveBack(queue);
    expect(settled).toEqual(['requeue r-1', 'requeue r-3']);
    expect(acks.size).toBe(0);
    expect(() => acks.claim('r-1', undefined)).toThrow('r-1');
    acks.restore([claim]);
    expect(settled).toEqual(['requeue r-1', 'requeue r-3', 'requeue r-2']);
    acks.giveBack(queue);
    expect(settled).toHaveLength(3);
  });
});
