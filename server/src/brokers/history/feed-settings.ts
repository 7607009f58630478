/** The settings of a feed. Defaults and ranges are in `config/history-options.ts`. */
import type { KeyLimits } from '../../destinations/key-limits.js';
import type { HistoryRule } from '../history.js';
import type { MarkerSettings } from './marker-schedule.js';

/** The section `history` of the configuration, as far as brokers read it. */
export interface HistorySettings extends MarkerSettings {
  readonly rules: readonly HistoryRule[];
  readonly ringMaxBytes: number;
  readonly ringMaxCount: number;
  readonly warmUpMs: number;
  readonly warmUpTimeoutMs: number;
  readonly catchUpTimeoutMs: number;
  readonly readersMax: number;
  readonly replayWaitMs: number;
  readonly replayMaxBytes: number;
  readonly replayTimeoutMs: number;
  readonly replayBufferMaxBytes: number;
  readonly catchUpsMaxBytes: number;
}

export interface FeedOptions {
  readonly history: HistorySettings;
  readonly topics: KeyLimits;
  /** True for a log in this process: it keeps everything in the ring, and cannot fall silent. */
  readonly isEmbedded: boolean;
}
