import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { FrameWatch } from '../../../../server/src/session/frame-watch.js';
import type { FrameSender } from '../../../../server/src/session/frame-watch.js';
import { TimerWheel } from '../../../../server/src/timing/timer-wheel.js';
import { Harness, pass, tick, useFakeTime } from './harness.js';

class Sender implements FrameSender {
  unfinishedBytes = 0;
  framesTaken = 0;
  failure: string | undefined;
  fail({ code }: { code: string }): void {
    this.failure = code;
    this.unfinishedBytes = 0;
  }
}

describe('an unfinished frame', () => {
  let sender: Sender;
  let watch: FrameWatch<Sender>;
  beforeEach(() => {
    jest.useFakeTimers();
    sender = new Sender();
    watch = new FrameWatch([sender], 10_000, new TimerWheel());
    watch.start();
  });
  afterEach(() => {
    watch.stop();
    jest.useRealTimers();
  });
  const half = (): void => void jest.advanceTimersByTime(5_150);

  test('ends its session when nothing follows', () => {
    sender.unfinishedBytes = 100;
    half();
    expect(sender.failure).toBeUndefined();
    half();
    expect(sender.failure).toBe('frame-timeout');
  });

  test('may take as long as it needs while a sixteenth follows in each half of the time', () => {
    sender.unfinishedBytes = 100_000;
    for (let i = 0; i < 50; i++) {
      half();
      sender.unfinishedBytes = Math.ceil(sender.unfinishedBytes * (17 / 16));
    }
    expect(sender.failure).toBeUndefined();
  });

  test('cannot be kept by a byte now and then', () => {
    sender.unfinishedBytes = 100_000;
    half();
    sender.unfinishedBytes += 6_000;
    half();
    expect(sender.failure).toBe('frame-timeout');
  });

  test('that is small must grow by some bytes too', () => {
    sender.unfinishedBytes = 10;
    half();
    sender.unfinishedBytes = 11;
    half();
    expect(sender.failure).toBe('frame-timeout');
  });

  test('after a complete one has the whole time', () => {
    sender.unfinishedBytes = 100;
    half();
    sender.framesTaken++;
    half();
    expect(sender.failure).toBeUndefined();
    half();
    expect(sender.failure).toBe('frame-timeout');
  });

  test('does not count while the relay does not read', () => {
    sender.unfinishedBytes = 100;
    half();
    sender.unfinishedBytes = 0;
    half();
    sender.unfinishedBytes = 100;
    half();
    expect(sender.failure).toBeUndefined();
  });

  test('is not watched after the stop', () => {
    sender.unfinishedBytes = 100;
    watch.stop();
    for (let i = 0; i < 4; i++) half();
    expect(sender.failure).toBeUndefined();
  });
});

describe('a session', () => {
  let harness: Harness;
  beforeEach(() => {
    useFakeTime();
    harness = new Harness({ session: { frameTimeoutMs: 10_000 } });
  });
  afterEach(async () => {
    expect(await harness.leftovers()).toEqual([]);
    jest.useRealTimers();
  });

  test('with half a SEND ends with frame-timeout; an idle one and one that sends whole frames stay', async () => {
    const [stalled, idle, busy] = [await harness.connect(), await harness.connect(), await harness.connect()];
    stalled.send('SEND\ndestination:/topic/a\ncontent-length:50000\n\nhalf');
    for (let i = 0; i < 8; i++) {
      await pass(2_500);
      busy.sendFrame('SEND', { destination: '/topic/a' });
      busy.send('SEND\ndestination:/topic/a\n\n');
      busy.send('rest\0');
    }
    expect(stalled.summary.at(-1)).toBe('ERROR frame-timeout');
    expect(stalled.closed?.code).toBe(4408);
    expect([idle.closed, busy.closed]).toEqual([undefined, undefined]);
  });

  test('with half a WebSocket message ends too', async () => {
    const stalled = await harness.connect();
    stalled.unfinishedBytes = 4_000_000;
    await pass(11_000);
    await tick();
    expect(stalled.summary.at(-1)).toBe('ERROR frame-timeout');
  });

  test('that the relay does not read from stays', async () => {
    const held = await harness.connect();
    held.send('SEND\ndestination:/topic/a\n\nhalf');
    for (const holder of harness.sessions.holders()) holder.holdBack(true);
    expect(held.isPaused).toBe(true);
    await pass(30_000);
    expect(held.summary).toEqual(['CONNECTED']);
    for (const holder of harness.sessions.holders()) holder.holdBack(false);
    expect(held.isPaused).toBe(false);
    await pass(11_000);
    expect(held.summary.at(-1)).toBe('ERROR frame-timeout');
  });
});
