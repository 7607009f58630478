import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import type { SharedDestination } from '../../../../../server/src/brokers/broker.js';
import { HistoryFile } from '../../../../../server/src/brokers/memory/history-file.js';
import { MemoryBroker } from '../../../../../server/src/brokers/memory/memory-broker.js';
import { createConfig } from '../../../../../server/src/config.js';
import { publishTo } from '../../../../../server/src/contract/publish-to.js';
import { parseDestination } from '../../../../../server/src/destinations/destination.js';
import { messageOf } from '../history/scripted-log.js';

const RULES = [
  { name: 'r', match: '/topic/t.#', maxBytes: 2 ** 20 },
  { name: 'u', match: '/user/queue/in', maxBytes: 2 ** 20 },
];
const TOPIC = parseDestination('/topic/t.a', 'subscribe') as SharedDestination;

let folder: string;
const brokers: MemoryBroker[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'history-'));
});
afterEach(async () => {
  jest.useRealTimers();
  for (const broker of brokers.splice(0)) await broker.close();
  rmSync(folder, { recursive: true });
});

function makeBroker(file: string | undefined, rules: typeof RULES = RULES): MemoryBroker {
  const { memory, topicExchange, topics, queues, history } = createConfig({ history: { rules } });
  const shared = { topicExchange, topics, queueArguments: queues.arguments, history };
  const broker = new MemoryBroker({
    ...memory,
    ...shared,
    historyFile: file,
  });
  brokers.push(broker);
  return broker;
}

async function started(file: string | undefined, rules?: typeof RULES): Promise<MemoryBroker> {
  const broker = makeBroker(file, rules);
  await broker.start();
  return broker;
}

/** Sends, and returns the positions. */
async function send(broker: MemoryBroker, bodies: readonly (string | Buffer)[], key = 'a'): Promise<string[]> {
  const positions: string[] = [];
  for (const body of bodies) {
    const message = { headers: new Map([['correlation-id', 'c']]), body: Buffer.from(body) };
    await publishTo(broker, parseDestination(`/topic/t.${key}`, 'send'), message);
    positions.push(broker.historyOf(TOPIC)!.position);
  }
  return positions;
}

async function missed(broker: MemoryBroker, position: string): Promise<string[] | string> {
  const resumption = await broker.historyOf(TOPIC)!.resume(TOPIC, position);
  if (!resumption.recovered) return resumption.reason;
  const step = resumption.replay.next(1_000_000);
  return step.kind === 'messages' ? step.messages.map(({ message }) => message.body.toString()) : [];
}

describe('without a file', () => {
  test('a restart is another history', async () => {
    const before = await started(undefined);
    const [first = ''] = await send(before, ['1', '2']);
    await before.close();
    const after = await started(undefined);
    await send(after, ['1', '2', '3']);
    expect(await missed(after, first)).toBe('other-history');
  });
});

describe('with a file', () => {
  test('positions survive restarts, with headers, bytes and users', async () => {
    const file = path.join(folder, 'history');
    const before = await started(file);
    const [first = ''] = await send(before, ['1', Buffer.from([0, 255]), '3']);
    const user = parseDestination('/user/ada/queue/in', 'send');
    await publishTo(before, user, { headers: new Map(), body: Buffer.from('x'), toSession: 's' });
    await before.close();
    const after = await started(file);
    await send(after, ['4']);
    const resumption = await after.historyOf(TOPIC)!.resume(TOPIC, first);
    const step = resumption.recovered ? resumption.replay.next(1_000_000) : undefined;
    const messages = step?.kind === 'messages' ? step.messages.map(({ message }) => message) : [];
    expect(messages.map(({ body }) => body)).toEqual([Buffer.from([0, 255]), Buffer.from('3'), Buffer.from('4')]);
    expect([...messages[0]!.headers]).toEqual([['correlation-id', 'c']]);
    expect(messages[0]!.origin).toEqual(messages[2]!.origin);
    await after.close();
    const third = await started(file);
    expect(await missed(third, first)).toHaveLength(3);
  });

  test('wherever a crash cuts the file, a verdict is exact or other-history, even for equal messages', async () => {
    const file = path.join(folder, 'history');
    const before = await started(file);
    const positions = await send(before, Array(6).fill('tick'));
    await before.close();
    const whole = readFileSync(file);
    const kept = new Set<number>();
    for (let length = whole.length; length >= 0; length -= 17) {
      const cut = path.join(folder, `cut-${length}`);
      writeFileSync(cut, whole.subarray(0, length));
      const after = await started(cut);
      await send(after, Array(8).fill('tick'));
      const verdicts = await Promise.all(positions.map((position) => missed(after, position)));
      const recovered = verdicts.filter((each) => typeof each !== 'string');
      kept.add(recovered.length);
      // The recovered positions are the first ones, and each later one misses a message less
      recovered.forEach((bodies, index) => expect(bodies).toHaveLength(recovered.length - 1 - index + 8));
      for (const verdict of verdicts.slice(recovered.length)) expect(verdict).toBe('other-history');
      await after.close();
    }
    expect(kept.size).toBe(7);
  });

  test('a foreign and a damaged file are refused by name, and stay as they are', async () => {
    const file = path.join(folder, 'history');
    writeFileSync(file, 'precious');
    await expect(makeBroker(file).start()).rejects.toThrow('is not a history of a relay');
    expect(readFileSync(file, 'utf8')).toBe('precious');
    rmSync(file);
    const before = await started(file);
    await send(before, ['1', '2', '3']);
    await before.close();
    for (const at of [24, 33, 60]) {
      const content = readFileSync(file);
      content[at]! ^= 1;
      const damaged = path.join(folder, `damaged-${at}`);
      writeFileSync(damaged, content);
      await expect(makeBroker(damaged).start()).rejects.toThrow('is damaged at byte 22, before its end');
      expect(readFileSync(damaged).equals(content)).toBe(true);
    }
  });

  test('an empty file is a new one', async () => {
    const file = path.join(folder, 'history');
    writeFileSync(file, '');
    const before = await started(file);
    const [first = ''] = await send(before, ['1', '2']);
    await before.close();
    expect(await missed(await started(file), first)).toEqual(['2']);
  });

  test('a file that cannot be written is reported once, and nothing throws', () => {
    jest.useFakeTimers();
    const errors: Error[] = [];
    const file = new HistoryFile({
      file: path.join(folder, 'history'),
      topicExchange: 'amq.topic',
      maxAgeMsOf: () => 1_000,
      kept: () => {
        throw new Error('the disk is full');
      },
      failed: (error) => errors.push(error),
    });
    file.open();
    const store = file.storeOf('r');
    const message = { ...messageOf('x'), body: Buffer.alloc(2 ** 21) };
    store.append({ offset: 0, key: 'k', message });
    jest.advanceTimersByTime(1_000);
    store.append({ offset: 1, key: 'k', message });
    jest.advanceTimersByTime(10_000);
    expect(errors.map((error) => error.message)).toEqual(['the disk is full']);
    file.close();
  });

  test('a message is in the file before its sender knows of it, so the death of the process loses nothing', async () => {
    const file = path.join(folder, 'history');
    const [first = ''] = await send(await started(file), ['1', '2']);
    const copy = path.join(folder, 'copy');
    writeFileSync(copy, readFileSync(file));
    expect(await missed(await started(copy), first)).toEqual(['2']);
  });

  test('two relays on one file: the one that finds it changed stops, so the file stays whole', async () => {
    const file = path.join(folder, 'history');
    const errors: string[] = [];
    const open = (): HistoryFile => {
      const kept = () => ({ bytes: 0, entries: () => [] });
      const failed = ({ message }: Error): void => void errors.push(message);
      const opened = new HistoryFile({ file, topicExchange: 'amq.topic', maxAgeMsOf: () => 60_000, kept, failed });
      opened.open();
      return opened;
    };
    const [one, two] = [open(), open()];
    const append = async (to: HistoryFile, offset: number): Promise<void> => {
      to.storeOf('r').append({ offset, key: 'k', message: messageOf(`x${offset}`) });
      await Promise.resolve();
    };
    await append(one, 0);
    await append(two, 0);
    await append(one, 1);
    await append(two, 1);
    for (const each of [one, two]) each.close();
    expect(errors).toEqual([expect.stringContaining('was changed by another process')]);
    const third = open();
    expect(
      third
        .storeOf('r')
        .load()
        .entries.map(({ offset }) => offset),
    ).toEqual([0, 1]);
    third.close();
  });

  test('a blank end, which a power failure can leave, is cut off', async () => {
    const file = path.join(folder, 'history');
    const before = await started(file);
    const [first = ''] = await send(before, ['1', '2']);
    await before.close();
    writeFileSync(file, Buffer.concat([readFileSync(file), Buffer.alloc(5_000)]));
    expect(await missed(await started(file), first)).toEqual(['2']);
  });

  test('is rewritten when most of it has been dropped, and keeps what the relay keeps', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const file = path.join(folder, 'history');
    const before = await started(file);
    const large = 'x'.repeat(100_000);
    let sent = 0;
    let largest = 0;
    for (let round = 0; round < 20; round++) {
      await send(before, Array(4).fill(large));
      sent += 400_000;
      // A second that finds the file being synced does not rewrite it
      for (let second = 0; second < 10_000 && statSync(file).size > 3_000_000; second++) {
        jest.advanceTimersByTime(1_000);
        await new Promise(setImmediate);
      }
      largest = Math.max(largest, statSync(file).size);
    }
    expect(sent).toBeGreaterThan(7_000_000);
    expect(largest).toBeLessThan(4_000_000);
    const [position = ''] = await send(before, ['last']);
    await send(before, ['behind']);
    await before.close();
    jest.useRealTimers();
    expect(await missed(await started(file), position)).toEqual(['behind']);
  });

  test('messages of rules that were removed are not loaded', async () => {
    const file = path.join(folder, 'history');
    const before = await started(file);
    await send(before, ['1']);
    await before.close();
    const after = await started(file, [RULES[1]!]);
    expect(after.historyOf(TOPIC)).toBeUndefined();
    await after.close();
  });
});

/** The file is synced by a thread of its own: waits for a round of it. */
