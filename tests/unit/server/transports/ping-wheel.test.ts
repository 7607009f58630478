import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { PingWheel } from '../../../../server/src/transports/ping-wheel.js';

const INTERVAL_MS = 1_600;
/** The longest ping: a header of two bytes, and a number of nine digits. */
const PING_BYTES = 11;

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** The calls for a silent client, for whom `bufferedBytes` wait, in three intervals. */
function callsFor(bufferedBytes: number): string[] {
  const wheel = new PingWheel(INTERVAL_MS, () => undefined);
  const calls: string[] = [];
  const ping = () => void calls.push('ping');
  const cutOff = () => void calls.push('cut off');
  wheel.add({ unansweredPings: 0, isPaused: false, bufferedBytes, ping, cutOff });
  jest.advanceTimersByTime(3 * INTERVAL_MS);
  wheel.stop();
  return calls;
}

describe('a silent client', () => {
  test.each([0, 3 * PING_BYTES])('is cut off after two pings if only pings wait for it (%d bytes)', (bytes) => {
    expect(callsFor(bytes)).toEqual(['ping', 'ping', 'cut off']);
  });

  test('gets no ping while other bytes wait for it', () => {
    expect(callsFor(3 * PING_BYTES + 1)).toEqual([]);
  });
});
