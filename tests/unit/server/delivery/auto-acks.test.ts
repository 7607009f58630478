import { beforeEach, describe, expect, test } from '@jest/globals';
import { AutoAcks } from '../../../../server/src/delivery/auto-acks.js';
import { MemoryConnection } from '../../../support/memory-connection.js';
import { tick } from '../session/harness.js';

let settled: string[];
let watched: number[];
let afterDrain: (() => void)[];
beforeEach(() => {
  settled = [];
  watched = [];
  afterDrain = [];
});

function open(confirmsReads: boolean) {
  const connection = new MemoryConnection({ confirmsReads });
  const outbox = {
    watch: (bytes: number) => void watched.push(bytes),
    whenDrained: (action: () => void) => void afterDrain.push(action),
  };
  const acks = new AutoAcks(connection, outbox);
  const add = (...names: string[]) => {
    for (const name of names) acks.add({ settle: (outcome) => void settled.push(`${outcome} ${name}`) }, true);
  };
  return { connection, acks, add };
}

describe('over a transport that can ask', () => {
  test('deliveries of one go share a question, and its answer acknowledges them in order', async () => {
    const { connection, acks, add } = open(true);
    add('1', '2', '3');
    expect(connection.questions).toBe(0); // it is written behind all of them
    await tick();
    expect([connection.questions, acks.size, settled]).toEqual([1, 3, []]);
    connection.confirm();
    expect([connection.questions, acks.size, settled]).toEqual([1, 0, ['ack 1', 'ack 2', 'ack 3']]);
  });

  test('deliveries behind an open question wait for the next one, which follows the answer', async () => {
    const { connection, acks, add } = open(true);
    add('1');
    await tick();
    add('2', '3');
    await tick();
    expect(connection.questions).toBe(1);
    connection.confirm();
    expect([connection.questions, settled]).toEqual([2, ['ack 1']]);
    connection.confirm();
    expect([connection.questions, acks.size, settled]).toEqual([2, 0, ['ack 1', 'ack 2', 'ack 3']]);
    add('4');
    await tick();
    expect(connection.questions).toBe(3);
  });

  test('a question that stays behind starts the watch over a client that does not read', async () => {
    const { connection, add } = open(true);
    add('1');
    await tick();
    expect(watched).toEqual([]);
    connection.confirm();
    connection.bufferedBytes = 10;
    add('2');
    await tick();
    expect(watched).toEqual([0]);
  });

  test('DISCONNECT acknowledges what was taken, asked or not', async () => {
    const { acks, add } = open(true);
    add('1');
    await tick();
    add('2');
    acks.leave();
    expect([acks.size, settled]).toEqual([0, ['ack 1', 'ack 2']]);
  });

  test('DISCONNECT acknowledges nothing while bytes wait', () => {
    const { connection, acks, add } = open(true);
    add('1');
    connection.bufferedBytes = 1;
    acks.leave();
    expect([acks.size, settled]).toEqual([1, []]);
  });

  test('after the end nothing is asked, and a late answer acknowledges nothing', async () => {
    const { connection, acks, add } = open(true);
    add('1');
    await tick();
    add('2');
    acks.stop();
    connection.confirm();
    expect([connection.questions, acks.size, settled]).toEqual([1, 0, []]);
    const other = open(true);
    other.add('3');
    other.acks.stop();
    await tick();
    expect(other.connection.questions).toBe(0);
  });
});

describe('over a transport that cannot ask', () => {
  test('deliveries are acknowledged when the kernel has taken their bytes', () => {
    const { acks, add } = open(false);
    add('1');
    acks.add({ settle: (outcome) => void settled.push(`${outcome} 2`) }, false);
    expect(settled).toEqual(['ack 1']);
    for (const action of afterDrain) action();
    expect([acks.size, settled]).toEqual([0, ['ack 1', 'ack 2']]);
  });
});
