import { describe, expect, test } from '@jest/globals';
import { StompError } from '../../../../server/src/stomp/errors.js';
import {
  chooseSubProtocol,
  grantExtensions,
  negotiateHeartBeat,
  negotiateVersion,
  parseHeartBeat,
  SUB_PROTOCOLS,
} from '../../../../server/src/stomp/negotiation.js';

describe('negotiateVersion', () => {
  test.each([
    [undefined, '1.0'],
    ['1.0', '1.0'],
    ['1.2', '1.2'],
    ['1.0,1.1,1.2', '1.2'],
    ['1.2,1.1,1.0', '1.2'],
    ['1.0,1.1,2.0', '1.1'],
    ['1.1, 1.2', '1.2'],
    [' 1.1 ,\t1.0 ', '1.1'],
    ['1.1,,', '1.1'],
    ['1.10', undefined],
    ['1', undefined],
    ['', undefined],
    ['2.0', undefined],
    ['1.1;1.2', undefined],
    ['V1.2', undefined],
  ])('%j gives %j', (acceptVersion, expected) => {
    expect(negotiateVersion(acceptVersion)).toBe(expected);
  });

  test.each([
    ['1.0,1.1,1.2', ['1.0', '1.1'] as const, '1.1'],
    [undefined, ['1.1', '1.2'] as const, undefined],
    ['1.1,1.2', ['1.2', '1.1'] as const, '1.2'],
    ['1.2', [], undefined],
  ])('%j with %j allowed gives %j', (acceptVersion, allowed, expected) => {
    expect(negotiateVersion(acceptVersion, allowed)).toBe(expected);
  });
});

describe('grantExtensions', () => {
  test.each([
    ['soft-errors', ['soft-errors']],
    [' drain , soft-errors,drain', ['soft-errors', 'drain']],
    ['time-travel,drain', ['drain']],
  ])('%j grants %j', (asked, granted) => {
    expect([...(grantExtensions(asked) ?? [])]).toEqual(granted);
  });

  test.each([undefined, '', 'time-travel', 'Drain', 'soft-errors;drain'])('%j grants nothing', (asked) => {
    expect(grantExtensions(asked)).toBeUndefined();
  });
});

describe('parseHeartBeat', () => {
  test.each([
    [undefined, 0, 0],
    ['0,0', 0, 0],
    ['10000,20000', 10_000, 20_000],
    ['10000, 20000', 10_000, 20_000],
    [' 1 , 2 ', 1, 2],
    ['0005,0', 5, 0],
    ['2147483647,2147483647', 2_147_483_647, 2_147_483_647],
  ])('%j', (value, canSendMs, wantsMs) => {
    expect(parseHeartBeat(value)).toEqual({ canSendMs, wantsMs });
  });

  test.each([
    '',
    ',',
    '1',
    '1,',
    ',1',
    '1,2,3',
    '-1,0',
    '+1,0',
    '1.5,0',
    '1e3,0',
    '0x10,0',
    'a,b',
    '1;2',
    '1\n,2',
    '１,2',
    '2147483648,0',
    '0,2147483648',
    '99999999999999999999,0',
  ])('refuses %j', (value) => {
    let error: unknown;
    try {
      parseHeartBeat(value);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(StompError);
    expect(error).toMatchObject({ code: 'invalid-header', message: expect.stringContaining('heart-beat') });
  });
});

test.each([
  // client can, wants; server can, wants; server sends every, expects every
  [0, 0, 0, 0, 0, 0],
  [0, 0, 10, 20, 0, 0],
  [10, 20, 0, 0, 0, 0],
  [10, 20, 30, 40, 30, 40],
  [50, 20, 10, 40, 20, 50],
  [0, 20, 10, 40, 20, 0],
  [10, 0, 10, 40, 0, 40],
  [10, 20, 0, 5, 0, 10],
])('client %d,%d and server %d,%d agree on %d,%d', (cx, cy, sx, sy, sendEveryMs, expectEveryMs) => {
  const agreed = negotiateHeartBeat({ canSendMs: cx, wantsMs: cy }, { canSendMs: sx, wantsMs: sy });
  expect(agreed).toEqual({ sendEveryMs, expectEveryMs });
});

describe('sub-protocols', () => {
  test.each([
    [['v10.stomp', 'v11.stomp', 'v12.stomp'], 'v12.stomp'],
    [['v12.stomp', 'v10.stomp'], 'v12.stomp'],
    [['v10.stomp', 'v11.stomp'], 'v11.stomp'],
    [['mqtt', 'v10.stomp'], 'v10.stomp'],
    [['v13.stomp', 'V12.STOMP'], undefined],
    [[], undefined],
  ])('from %j it chooses %j', (offered, expected) => {
    expect(chooseSubProtocol(offered)).toBe(expected);
  });

  test('each has a version', () => {
    expect([...SUB_PROTOCOLS.values()]).toEqual(['1.0', '1.1', '1.2']);
  });
});
