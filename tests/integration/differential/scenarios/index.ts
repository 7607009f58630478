/** All scenarios, by subject. */
import type { Scenario } from '../stage.js';
import { scenarios as acknowledging } from './acknowledging.js';
import { scenarios as connecting } from './connecting.js';
import { scenarios as destinations } from './destinations.js';
import { scenarios as disconnecting } from './disconnecting.js';
import { scenarios as frames } from './frames.js';
import { scenarios as heartBeats } from './heart-beats.js';
import { scenarios as properties } from './properties.js';
import { scenarios as receipts } from './receipts.js';
import { scenarios as replies } from './replies.js';
import { scenarios as subscribing } from './subscribing.js';
import { scenarios as transactions } from './transactions.js';

export const SCENARIOS: readonly Scenario[] = [
  connecting,
  heartBeats,
  frames,
  destinations,
  subscribing,
  acknowledging,
  transactions,
  receipts,
  properties,
  replies,
  disconnecting,
].flat();
