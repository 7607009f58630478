/**
 * The rules for clients that read more slowly than messages come. A shared subscription follows the first rule of the
 * configuration whose `match` covers everything that the subscription can get, else `disconnect`.
 */
import type { SharedDestination } from '../brokers/broker.js';
import { parseDestination } from '../destinations/destination.js';
import { covers } from '../destinations/topic-pattern.js';

/**
 * - `disconnect`: nothing is left out; beyond `outboxMaxBytes` the session ends with ERROR `slow-consumer`.
 * - `drop-oldest`: messages wait in order; without room, the oldest is dropped.
 * - `latest`: as `drop-oldest`, but only the newest message of each destination waits.
 */
export type SlowPolicy = 'disconnect' | 'drop-oldest' | 'latest';

export interface SlowConsumerRule {
  /** `/topic/...`, `/exchange/...` or `/user/queue/...`, with `*` and `#`. */
  readonly match: string;
  readonly policy: SlowPolicy;
}

export class SlowPolicies {
  private readonly rules: readonly { readonly kind: string; readonly pattern: string; readonly policy: SlowPolicy }[];

  /** @throws DestinationError */
  constructor(rules: readonly SlowConsumerRule[]) {
    this.rules = rules.map(({ match, policy }) => ({
      ...placeOf(parseDestination(match, 'subscribe') as SharedDestination),
      policy,
    }));
  }

  of(destination: SharedDestination): SlowPolicy {
    const { kind, pattern } = placeOf(destination);
    const rule = this.rules.find((each) => each.kind === kind && covers(each.pattern, pattern));
    return rule?.policy ?? 'disconnect';
  }
}

/** The part that must be equal (`kind`), and the part that is compared as a pattern of words. */
function placeOf(destination: SharedDestination): { readonly kind: string; readonly pattern: string } {
  switch (destination.kind) {
    case 'topic':
      return { kind: 'topic', pattern: destination.key };
    case 'exchange':
      return { kind: `exchange ${destination.exchange}`, pattern: destination.key };
    case 'user':
      return { kind: 'user', pattern: destination.name.replaceAll('/', '.') };
  }
}
