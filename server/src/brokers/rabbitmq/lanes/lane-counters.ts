/** Numbers about the lanes of a relay, for its metrics. */
import type { LaneGauges } from '../../broker.js';

export class LaneCounters implements LaneGauges {
  messages = 0;
  batches = 0;
  unreadable = 0;

  sent(messages: number): void {
    this.batches++;
    this.messages += messages;
  }
}
