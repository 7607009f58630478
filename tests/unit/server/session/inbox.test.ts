import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { FrameRateLimit } from '../../../../server/src/load/frame-rate-limit.js';
import { FrameScheduler } from '../../../../server/src/load/frame-scheduler.js';
import { RateLimiter } from '../../../../server/src/load/rate-limiter.js';
import { Inbox } from '../../../../server/src/session/inbox.js';
import type { FrameHandler } from '../../../../server/src/session/inbox.js';
import { SendQueue } from '../../../../server/src/session/send-queue.js';
import { SessionCounters } from '../../../../server/src/session/session-counters.js';
import type { Frame } from '../../../../server/src/stomp/frame.js';
import { TimerWheel } from '../../../../server/src/timing/timer-wheel.js';

const LIMITS = {
  commandMaxBytes: 32,
  headerMaxCount: 10,
  headerLineMaxBytes: 100,
  headersMaxBytes: 200,
  bodyMaxBytes: 1_000,
};
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** Records its calls. `handle` returns the `answers`, one for each frame. */
class Recorder implements FrameHandler {
  readonly turnsAs = 'user:ann';
  isBehind = false;
  readonly log: string[] = [];
  answers: (Promise<void> | undefined | Error)[] = [];
  inbox: Inbox | undefined;
  survives = false;

  handle(frame: Frame): Promise<void> | undefined {
    this.log.push(frame.headers.get('n') ?? frame.command);
    const answer = this.answers.shift();
    if (answer instanceof Error) throw answer;
    return answer;
  }
  fail(error: unknown): void {
    this.log.push(`failed -: ${(error as Error).message}`);
    this.inbox?.close();
  }
  refuse(error: unknown, frame: Frame): boolean {
    this.log.push(`failed ${frame.headers.get('n') ?? '-'}: ${(error as Error).message}`);
    if (!this.survives) this.inbox?.close();
    return this.survives;
  }
  pauseReading(): void {
    this.log.push('pause');
  }
  resumeReading(): void {
    this.log.push('resume');
  }
  onProgress(): void {
    this.log.push('progress');
  }
}

let clock: number;
let load: { isOverloaded: boolean };
let turns: FrameScheduler;
let handler: Recorder;
let sends: SendQueue;
let inbox: Inbox;

beforeEach(() => {
  clock = 0;
  load = { isOverloaded: false };
  handler = new Recorder();
  const options = {
    sendQueueMaxCount: 1,
    sendQueueMaxBytes: 1_000,
    sendQueuesMaxBytes: 10_000,
    unconfirmedMaxCount: 10,
  };
  sends = new SendQueue(options, new SessionCounters(), { onSendProgress: () => inbox.onSendProgress() });
  turns = new FrameScheduler(
    load,
    () => undefined,
    () => clock,
  );
  inbox = open();
  inbox.useVersion('1.2', LIMITS);
  handler.inbox = inbox;
});

const open = (rateLimit?: FrameRateLimit): Inbox =>
  new Inbox(handler, { sendQueue: sends, scheduler: turns, limits: LIMITS, maxBytes: 100, rateLimit });

const push = (...numbers: number[]) =>
  inbox.push(Buffer.from(numbers.map((n) => `SEND\nn:${n}\ndestination:/queue/a\n\n\0`).join('')));

describe('frames', () => {
  test('are handled in order', () => {
    push(1, 2);
    push(3);
    expect(handler.log).toEqual(['1', '2', '3']);
    expect(inbox.isIdle).toBe(true);
  });

  test('wait for a pending frame, and are handled when it is done', async () => {
    let done = (): void => undefined;
    handler.answers = [new Promise<void>((resolve) => (done = resolve))];
    push(1, 2);
    push(3);
    await turn();
    expect(handler.log).toEqual(['1']);
    expect(inbox.isIdle).toBe(false);
    done();
    await turn();
    expect(handler.log).toEqual(['1', '2', '3', 'progress']);
  });

  test('behind one that throws or rejects are not handled', async () => {
    handler.answers = [undefined, new Error('no')];
    push(1, 2, 3);
    expect(handler.log).toEqual(['1', '2', 'failed 2: no']);
    push(4);
    await turn();
    expect(handler.log).toHaveLength(3);
  });

  test('are counted by the chunks in which they arrive', () => {
    push(1, 2);
    push(3);
    expect(turns.chunksRead).toBe(2);
  });

  test('are reported with their account during a flood of another one', () => {
    const frameOf = jest.spyOn(turns, 'frameOf');
    push(1);
    expect(frameOf).not.toHaveBeenCalled();
    jest.spyOn(turns, 'isFlooded', 'get').mockReturnValue(true);
    push(2);
    expect(frameOf.mock.calls).toEqual([['user:ann']]);
  });

  test('that cannot be parsed fail without a frame', () => {
    inbox.push(Buffer.from('NONSENSE\n\n\0'));
    expect(handler.log).toEqual([expect.stringMatching(/^failed -: .*NONSENSE/)]);
  });
});

describe('a sender whose account is behind', () => {
  test('waits until the account has caught up, and is not read meanwhile', async () => {
    push(1);
    handler.isBehind = true;
    push(2, 3);
    expect(handler.log).toEqual(['1', 'pause']);
    for (let i = 0; i < 20; i++) await turn();
    expect(handler.log.filter((each) => each !== 'progress')).toEqual(['1', 'pause']);
    handler.isBehind = false;
    await turn();
    expect(handler.log.filter((each) => each !== 'progress')).toEqual(['1', 'pause', '2', '3', 'resume']);
  });

  test('sends a frame in 100 turns even if the account never catches up', async () => {
    push(1);
    handler.isBehind = true;
    push(2, 3);
    for (let i = 0; i < 150; i++) await turn();
    expect(handler.log.filter((each) => /\d/.test(each))).toEqual(['1', '2']);
    for (let i = 0; i < 100; i++) await turn();
    expect(handler.log.filter((each) => /\d/.test(each))).toEqual(['1', '2', '3']);
  });

  test('does not wait with frames other than SEND', () => {
    handler.isBehind = true;
    const ack = (n: number) => inbox.push(Buffer.from(`ACK\nn:${n}\nid:1\n\n\0`));
    ack(1);
    ack(2);
    expect(handler.log).toEqual(['1', '2']);
  });
});

describe('a turn whose time is used up', () => {
  test('leaves the remaining frames to later turns', async () => {
    const handle = handler.handle.bind(handler);
    handler.handle = (frame) => {
      clock += 1.2;
      return handle(frame);
    };
    push(1, 2, 3, 4);
    expect(handler.log).toEqual(['1', '2', 'pause']);
    expect(inbox.isIdle).toBe(false);
    await turn();
    expect(handler.log).toEqual(['1', '2', 'pause', '3', '4', 'resume', 'progress']);
    await turn();
    expect(inbox.isIdle).toBe(true);
  });

  test('does not delay the first frame of another client', () => {
    expect(turns.isTurnOver).toBe(false);
    clock = 20;
    expect(turns.isTurnOver).toBe(true);
    push(1);
    push(2);
    expect(handler.log).toEqual(['1', 'pause']);
  });

  test('during overload delays even the first frame of a sender, but not of other clients', async () => {
    const frame = (command: string) =>
      inbox.push(Buffer.from(`${command}\nn:${command}\nid:1\ndestination:/queue/a\n\n\0`));
    load.isOverloaded = true;
    frame('ACK');
    await turn();
    expect(turns.isTurnOver).toBe(false);
    clock = 20;
    frame('ACK'); // this turn is over
    frame('SEND');
    await turn();
    expect(handler.log).toEqual(['ACK', 'ACK', 'pause', 'SEND', 'resume', 'progress']);
    expect(turns.isTurnOver).toBe(false);
    clock = 40;
    frame('SEND');
    expect(handler.log.slice(6)).toEqual(['pause']);
    await turn();
    expect(handler.log.slice(6)).toEqual(['pause', 'SEND', 'resume', 'progress']);
  });

  test('during overload handles one frame of each sender', async () => {
    load.isOverloaded = true;
    let isQueued = true;
    const other = (): void => {
      clock++;
      if (isQueued) turns.enqueue(other, 'other');
    };
    turns.enqueue(other, 'other');
    push(1, 2, 3);
    expect(handler.log).toEqual(['1', 'pause']);
    await turn();
    await turn();
    expect(handler.log).toEqual(['1', 'pause', '2', 'progress']);
    isQueued = false;
    while (!inbox.isIdle) await turn();
    expect(handler.log).toEqual(['1', 'pause', '2', 'progress', '3', 'resume', 'progress']);
  });

  test('serves another queued session after 16 frames', async () => {
    const order: string[] = [];
    turns.enqueue(() => order.push(`other after ${handler.log.filter((each) => each !== 'pause').length}`), 'other');
    push(...Array.from({ length: 40 }, (_, index) => index));
    while (!inbox.isIdle) await turn();
    expect(order).toEqual(['other after 16']);
    expect(handler.log.filter((each) => /\d/.test(each))).toHaveLength(40);
  });

  test('does not resume a closed inbox', async () => {
    const handle = handler.handle.bind(handler);
    handler.handle = (frame) => {
      clock += 20;
      return handle(frame);
    };
    push(1, 2, 3);
    inbox.close();
    await turn();
    expect(handler.log).toEqual(['1', 'pause', 'progress']);
  });
});

describe('reading', () => {
  test('pauses while more than maxBytes wait, and resumes after that', async () => {
    let done = (): void => undefined;
    handler.answers = [new Promise<void>((resolve) => (done = resolve))];
    push(1);
    push(2, 3);
    expect(inbox.isPaused).toBe(false);
    push(4, 5);
    expect(handler.log).toEqual(['1', 'pause']);
    done();
    await turn();
    expect(handler.log).toEqual(['1', 'pause', '2', '3', '4', '5', 'resume', 'progress']);
  });

  test('pauses when too many SENDs wait; with far too many, even frames that were read wait', async () => {
    const steps: (() => void)[] = [];
    const handle = handler.handle.bind(handler);
    handler.handle = (frame) => {
      const start = () => new Promise<void>((resolve) => steps.push(resolve));
      sends.add({ start, bytes: 1, failed: () => false });
      return handle(frame);
    };
    push(1, 2, 3, 4, 5, 6);
    // One SEND is in progress and sendQueueMaxCount is 1, so three more exceed twice the bound.
    expect(handler.log).toEqual(['1', '2', '3', '4', 'pause']);
    steps.shift()?.();
    await turn();
    await turn();
    expect(handler.log).toEqual(['1', '2', '3', '4', 'pause', '5', 'progress']);
    inbox.close();
  });
});

describe('framesPerSecondMax', () => {
  const perSecond = (policy: 'pause' | 'disconnect') => {
    const options = { framesPerSecondMax: 2, framesPerSecondPolicy: policy };
    const rateLimit = new FrameRateLimit(new RateLimiter(2, () => clock), options, timers);
    inbox = open(rateLimit);
    inbox.useVersion('1.2', LIMITS);
    handler.inbox = inbox;
  };
  let timers: TimerWheel;
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['setImmediate'] });
    timers = new TimerWheel();
  });
  afterEach(() => {
    timers.close();
    jest.useRealTimers();
  });
  const pass = async (ms: number) => {
    clock += ms;
    jest.advanceTimersByTime(ms);
    await turn();
  };

  test('pauses a client that sends faster, and loses no frame', async () => {
    perSecond('pause');
    push(1, 2);
    expect(handler.log.splice(0)).toEqual(['1', '2']);
    push(3, 4);
    push(5);
    expect(handler.log.splice(0)).toEqual(['pause']);
    for (let i = 0; i < 20; i++) await pass(100);
    expect(handler.log.filter((each) => each !== 'progress')).toEqual(['3', '4', '5', 'resume']);
    expect(inbox.isIdle).toBe(true);
    expect(timers.size).toBe(0);
  });

  test('does not count heart-beats or the time between frames', async () => {
    perSecond('disconnect');
    push(1, 2);
    inbox.push(Buffer.from('\n\n\n'));
    await pass(500);
    push(3);
    expect(handler.log).toEqual(['1', '2', '3']);
  });

  test('with the policy disconnect ends a client that sends faster', () => {
    perSecond('disconnect');
    push(1, 2, 3, 4);
    expect(handler.log).toEqual(['1', '2', expect.stringMatching(/^failed 3: .*framesPerSecondMax \(2 a second\)/)]);
  });

  test('handles all frames of a client that leaves during a pause', async () => {
    perSecond('pause');
    push(1, 2, 3);
    expect(inbox.isIdle).toBe(false); // the session waits for it
    for (let i = 0; i < 10; i++) await pass(100);
    expect(handler.log).toContain('3');
    expect(inbox.isIdle).toBe(true);
  });
});

test('before login the relay does not read ahead', async () => {
  inbox = open();
  handler.inbox = inbox;
  let done = (): void => undefined;
  handler.answers = [new Promise<void>((resolve) => (done = resolve))];
  inbox.push(Buffer.from('CONNECT\nn:1\n\n\0\n'));
  expect(handler.log.splice(0)).toEqual(['1', 'pause']);
  inbox.useVersion('1.2', LIMITS);
  done();
  await turn();
  expect(handler.log).toEqual(['resume', 'progress']);
});

test('pending frames use up the time of a turn, too', async () => {
  handler.answers = Array.from({ length: 4 }, () => Promise.resolve());
  push(1, 2, 3, 4);
  clock += 11; // their promises are settled before the next turn
  for (let i = 0; i < 20; i++) await Promise.resolve();
  expect(handler.log.filter((each) => /\d/.test(each))).toEqual(['1']);
  await turn();
  await turn();
  await turn();
  await turn();
  expect(handler.log.filter((each) => /\d/.test(each))).toEqual(['1', '2', '3', '4']);
});
