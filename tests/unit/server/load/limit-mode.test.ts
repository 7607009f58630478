import { expect, test } from '@jest/globals';
import { LimitMode } from '../../../../server/src/load/limit-mode.js';
import { recordingLog } from '../../../support/recording-log.js';

test('a new limit refuses in the mode enforce, and is logged in the mode report', () => {
  const log = recordingLog();
  expect(new LimitMode('enforce', log).refuses('limits.x', {})).toBe(true);
  expect(log.lines).toEqual([]);
  expect(new LimitMode('report', log).refuses('limits.x', {})).toBe(false);
  expect(log.lines.length).toBe(1);
});
