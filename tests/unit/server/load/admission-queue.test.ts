import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { AdmissionQueue } from '../../../../server/src/load/admission-queue.js';
import type { AdmissionOptions } from '../../../../server/src/load/admission-queue.js';
import { ConnectPace } from '../../../../server/src/load/connect-pace.js';
import { LimitMode } from '../../../../server/src/load/limit-mode.js';
import { RateLimiter } from '../../../../server/src/load/rate-limiter.js';
import { networkOf } from '../../../../server/src/net/ip-address.js';

const OPTIONS = { waitMaxMs: 1_000, waitingMax: 5, connectsPerSecondMax: 0 };
let clock: number;
let load: { isOverloaded: boolean };
let admissionQueue: AdmissionQueue;
let log: string[];

beforeEach(() => {
  jest.useFakeTimers();
  clock = 0;
  load = { isOverloaded: false };
  log = [];
  admissionQueue = open(OPTIONS);
});
afterEach(() => {
  admissionQueue.stop();
  jest.useRealTimers();
});

const now = () => clock;
const open = (options: AdmissionOptions, perAddressMax = 0) =>
  new AdmissionQueue(
    options,
    load,
    (perSecond) => new RateLimiter(perSecond, now),
    {
      pace: new ConnectPace(perAddressMax, new LimitMode(), now),
      accountOf: (address) => (address === '127.0.0.1' ? undefined : `address:${networkOf(address)}`),
    },
    now,
  );

/** Admitting a client takes 4 ms. */
function arrive(...names: string[]): void {
  arriveFrom('192.0.2.1', ...names);
}

function arriveFrom(address: string, ...names: string[]): void {
  for (const name of names) {
    admissionQueue.submit({
      address: () => address,
      admit() {
        clock += 4;
        log.push(name);
      },
      reject: (reason) => log.push(`not ${name}`, ...(reason === 'overloaded' ? [] : [reason])),
    });
  }
}

/** One turn of the event loop, `ms` later. */
function turn(ms = 0): void {
  clock += ms;
  jest.advanceTimersByTime(Math.max(1, ms));
}

describe('AdmissionQueue', () => {
  test('admits a single client at once', () => {
    arrive('a');
    expect(log).toEqual(['a']);
    turn();
    arrive('b');
    expect(log).toEqual(['a', 'b']);
  });

  test('admits many clients in turns, in order, including those that arrive while others wait', () => {
    arrive('a', 'b', 'c', 'd', 'e');
    expect(log.join('')).toBe('abc');
    turn();
    expect(log.join('')).toBe('abcde');
    arrive('f', 'g', 'h', 'i', 'j', 'k', 'l');
    expect(log.join('')).toBe('abcdefgh');
    jest.runOnlyPendingTimers();
    arrive('m');
    expect(log.join('')).toBe('abcdefghijk'); // l is before m
    turn();
    expect(log.join('')).toBe('abcdefghijklm');
    expect(admissionQueue.waiting).toBe(0);
    expect(admissionQueue.rejected).toBe(0);
  });

  test('networks take turns, and the largest loses its oldest client when the queue is full', () => {
    load.isOverloaded = true;
    arriveFrom('192.0.2.1', 'a', 'b', 'c', 'd', 'e');
    arriveFrom('2001:db8::1', 'v');
    arriveFrom('2001:db8::2', 'w');
    arriveFrom('192.0.2.1', 'f');
    expect(log).toEqual(['not a', 'not b', 'not f']);
    expect(admissionQueue.waiting).toBe(5);
    load.isOverloaded = false;
    for (let i = 0; i < 5; i++) turn(50);
    expect(log.slice(3).join('')).toBe('cvdwe');
    expect(admissionQueue.waiting).toBe(0);
  });

  test('with a waitingMax of 0 no client waits, and others are admitted', () => {
    admissionQueue = open({ ...OPTIONS, waitingMax: 0 });
    arrive('a', 'b', 'c', 'd');
    expect(log).toEqual(['a', 'b', 'c', 'not d']);
  });

  test('admits no client during overload, and all clients after it', () => {
    load.isOverloaded = true;
    arrive('a', 'b');
    for (let i = 0; i < 10; i++) turn(50);
    expect(log).toEqual([]);
    expect(admissionQueue.waiting).toBe(2);
    load.isOverloaded = false;
    arrive('c');
    turn(50);
    expect(log.join('')).toBe('abc');
    expect(jest.getTimerCount()).toBe(1); // the end of this turn
    turn();
    expect(jest.getTimerCount()).toBe(0); // an idle queue has no timer
  });

  test('rejects a client that has waited for too long', () => {
    load.isOverloaded = true;
    arrive('a');
    turn(500);
    arrive('b');
    turn(450);
    expect(log).toEqual([]);
    turn(50);
    expect(log).toEqual(['not a']);
    turn(500);
    expect(log).toEqual(['not a', 'not b']);
    expect(admissionQueue.rejected).toBe(2);
  });

  test('enforces connectsPerSecondMax, and rejects waiting clients with that reason', () => {
    admissionQueue = open({ waitMaxMs: 1_200, waitingMax: 5, connectsPerSecondMax: 2 });
    arrive('a', 'b', 'c', 'd', 'e', 'f', 'g');
    expect(log).toEqual(['a', 'b']);
    arrive('h');
    expect(log.splice(0)).toEqual(['a', 'b', 'not h', 'too-many-connects']);
    for (let i = 0; i < 10; i++) turn(50);
    expect(log.splice(0)).toEqual(['c']);
    for (let i = 0; i < 10; i++) turn(50);
    expect(log.splice(0)).toEqual(['d']);
    for (let i = 0; i < 5; i++) turn(50);
    expect(log).toEqual(['e', 'f', 'g'].flatMap((each) => [`not ${each}`, 'too-many-connects']));
    turn();
    expect(jest.getTimerCount()).toBe(0);
  });

  test('an address beyond its rate waits for the next second, and no other address waits with it', () => {
    admissionQueue = open({ ...OPTIONS, waitMaxMs: 1_200 }, 1);
    arriveFrom('192.0.2.1', 'a', 'b', 'c');
    expect(log).toEqual(['a']);
    arriveFrom('192.0.2.2', 'v');
    expect(log).toEqual(['a', 'v']);
    turn(50);
    arriveFrom('192.0.2.3', 'w');
    arriveFrom('127.0.0.1', 'x', 'y');
    expect(log.splice(0)).toEqual(['a', 'v', 'w', 'x', 'y']);
    for (let i = 0; i < 17; i++) turn(50);
    expect(log.splice(0)).toEqual([]);
    for (let i = 0; i < 3; i++) turn(50);
    expect(log.splice(0)).toEqual(['b']);
    for (let i = 0; i < 5; i++) turn(50);
    expect(log.splice(0)).toEqual(['not c', 'too-many-connects']);
  });

  test('a client does not overtake those of its own address that wait', () => {
    admissionQueue = open({ ...OPTIONS, waitMaxMs: 10_000 }, 1);
    arriveFrom('192.0.2.1', 'a', 'b');
    turn();
    clock += 1_000;
    arriveFrom('192.0.2.1', 'c');
    turn(50);
    turn(1_000);
    expect(log).toEqual(['a', 'b', 'c']);
  });

  test('rejects a client at once if the queue is full', () => {
    load.isOverloaded = true;
    arrive('a', 'b', 'c', 'd', 'e', 'f');
    expect(log).toEqual(['not f']);
    expect(admissionQueue.waiting).toBe(5);
  });

  test('stop rejects all waiting and all future clients', () => {
    load.isOverloaded = true;
    arrive('a', 'b');
    admissionQueue.stop();
    arrive('c');
    expect(log).toEqual(['not a', 'not b', 'not c'].flatMap((each) => [each, 'shutting-down']));
    expect(jest.getTimerCount()).toBe(0);
  });
});
