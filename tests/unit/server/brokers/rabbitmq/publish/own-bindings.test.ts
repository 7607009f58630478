import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { BrokerError } from '../../../../../../server/src/brokers/broker.js';
import { OwnBindings } from '../../../../../../server/src/brokers/rabbitmq/publish/own-bindings.js';

const MAX_MS = 1_000;
const [topics, users] = [{}, {}];

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

function make(ping: () => Promise<unknown> = () => Promise.resolve()) {
  const bindings = new OwnBindings(MAX_MS, ping);
  const whole: string[] = [];
  bindings.listen(() => whole.push('whole'));
  return { bindings, whole };
}

async function isHeld(held: Promise<void>): Promise<boolean> {
  let isOver = false;
  void held.then(() => (isOver = true));
  await jest.advanceTimersByTimeAsync(0);
  return !isOver;
}

test('are whole without a loss, and again when each part has its bindings again', () => {
  const { bindings, whole } = make();
  expect(bindings.areWhole).toBe(true);
  bindings.report(topics, false);
  bindings.report(users, false);
  bindings.report(topics, true);
  expect([bindings.areWhole, whole]).toEqual([false, []]);
  bindings.report(users, true);
  expect([bindings.areWhole, whole]).toEqual([true, ['whole']]);
});

test('a reconnected publisher waits for them', async () => {
  const { bindings } = make();
  bindings.report(topics, false);
  const held = bindings.hold();
  expect(await isHeld(held)).toBe(true);
  bindings.report(topics, true);
  expect(await isHeld(held)).toBe(false);
});

test('a reconnected publisher waits for a ping, because a loss may be unnoticed', async () => {
  let answer = (): void => undefined;
  const { bindings } = make(() => new Promise<void>((resolve) => (answer = resolve)));
  const held = bindings.hold();
  expect(await isHeld(held)).toBe(true);
  bindings.report(topics, false);
  answer();
  expect(await isHeld(held)).toBe(true);
  bindings.report(topics, true);
  expect(await isHeld(held)).toBe(false);
});

test('the wait has a limit, which starts when a publisher reconnects', async () => {
  const { bindings, whole } = make();
  bindings.report(topics, false);
  await jest.advanceTimersByTimeAsync(MAX_MS);
  expect([bindings.areWhole, whole]).toEqual([true, ['whole']]);
  const held = bindings.hold();
  expect([await isHeld(held), bindings.areWhole]).toEqual([true, false]);
  await jest.advanceTimersByTimeAsync(MAX_MS);
  expect([await isHeld(held), bindings.areWhole]).toEqual([false, true]);
});

test('a failed ping ends the wait', async () => {
  const { bindings } = make(() => Promise.reject(new Error('no such exchange')));
  expect(await isHeld(bindings.hold())).toBe(false);
});

test('close ends all waits, and leaves no timer', async () => {
  const { bindings } = make();
  bindings.report(topics, false);
  const held = bindings.hold();
  bindings.close();
  expect(await isHeld(held)).toBe(false);
  bindings.report(users, false);
  expect(await isHeld(bindings.hold())).toBe(false);
  expect(jest.getTimerCount()).toBe(0);
});

test('a stream that is still unbound after the longest wait refuses its messages, and no others', async () => {
  const { bindings } = make();
  const stream = {
    keeps: ({ key }: { key: string }) => key === 'prices',
    refusal: () => new BrokerError('broker-unavailable', 'not kept'),
  };
  const refused = (key: string) => bindings.refusalOf({ exchange: 'amq.topic', key })?.message;
  bindings.report(stream, false);
  bindings.reportStream(stream, false);
  expect(refused('prices')).toBeUndefined();
  await jest.advanceTimersByTimeAsync(MAX_MS);
  expect([refused('prices'), refused('news')]).toEqual(['not kept', undefined]);
  bindings.reportStream(stream, true);
  expect(refused('prices')).toBeUndefined();
});

test('gaps are counted', () => {
  const { bindings } = make();
  expect(bindings.gaps).toBe(0);
  bindings.reportGap();
  bindings.reportGap();
  expect(bindings.gaps).toBe(2);
});
