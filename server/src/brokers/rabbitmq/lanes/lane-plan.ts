/**
 * The destinations whose messages travel in lanes (`rabbitmq.lanes`). A message belongs to a shard: a routing key of the
 * lanes' exchange. The queue of a relay is bound to the shards of its subscriptions, so a relay without subscribers in a
 * shard gets none of its messages.
 */
import { parseDestination } from '../../../destinations/destination.js';
import { checkPattern } from '../../../destinations/key-limits.js';
import type { KeyLimits } from '../../../destinations/key-limits.js';
import { covers, overlapsWords, TopicTrie, wordsOf } from '../../../destinations/topic-pattern.js';
import { keysOf } from '../../queue-plan.js';
import type { QueueBinding } from '../../queue-plan.js';
import { hashOf } from '../text-hash.js';

export interface LaneSettings {
  /** `/user/#`, or `/topic/` with a pattern. */
  readonly lanes: readonly string[];
  /** The exchange behind `/topic`. */
  readonly topicExchange: string;
  /** The exchange behind `/user`. */
  readonly userExchange: string;
}

/** The keys that a subscription needs: on its own exchange, and on that of the lanes. */
export interface LaneKeys {
  readonly own: readonly string[];
  readonly shards: readonly string[];
}

type Address = Pick<QueueBinding, 'exchange' | 'key'>;

/** All relays have to agree on it. */
const SHARDS = 64;
const USERS = '/user/#';
const ANY_WORD: ReadonlySet<string> = new Set(['*', '#']);

export class LanePlan {
  /** The exchange of the lanes, direct and durable. Deployments with other exchanges have lanes of their own. */
  readonly exchange: string;
  private readonly patterns: readonly string[];
  private readonly trie = new TopicTrie<true>();
  private readonly hasUsers: boolean;

  /** Throws an Error whose message is the rule that a lane breaks. */
  constructor(
    private readonly settings: LaneSettings,
    limits: KeyLimits,
  ) {
    const { lanes, userExchange } = settings;
    this.exchange = `${userExchange}.lanes`;
    this.hasUsers = lanes.includes(USERS);
    this.patterns = lanes.filter((lane) => lane !== USERS).map(patternOfLane);
    for (const pattern of this.patterns) {
      checkPattern(pattern, limits);
      this.trie.set(pattern, true);
    }
  }

  /** The shard of a message; undefined if it travels by itself. */
  shardOf({ exchange, key }: Address): string | undefined {
    const { topicExchange, userExchange } = this.settings;
    if (exchange === topicExchange) return this.trie.match(key).length > 0 ? this.topicShard(key) : undefined;
    return exchange === userExchange && this.hasUsers ? this.userShard(key) : undefined;
  }

  /**
   * A lane has one binding for all of its subscriptions, by which they get the messages of AMQP publishers. Users have a
   * binding each, because AMQP publishers may reach any of them.
   */
  keysFor(binding: Pick<QueueBinding, 'exchange' | 'key' | 'otherKey'>): LaneKeys {
    const { exchange, key } = binding;
    if (exchange !== this.settings.topicExchange) {
      return { own: keysOf(binding), shards: this.hasUsers ? [this.userShard(key)] : [] };
    }
    const wide = this.patterns.find((pattern) => covers(pattern, key));
    const lanes = this.patterns.filter((pattern) => overlapsWords(wordsOf(pattern), wordsOf(key)));
    return { own: [wide ?? key], shards: [...new Set(lanes.flatMap((lane) => this.shardsIn(lane, key)))] };
  }

  /** Whether a subscription can get messages that travel in lanes. */
  overlaps({ exchange, key }: Address): boolean {
    const { topicExchange, userExchange } = this.settings;
    if (exchange === userExchange) return this.hasUsers;
    return exchange === topicExchange && this.patterns.some((lane) => overlapsWords(wordsOf(lane), wordsOf(key)));
  }

  /** The shards of all keys that match both patterns. */
  private shardsIn(lane: string, pattern: string): readonly string[] {
    const word = [pattern, lane].map((each) => wordsOf(each)[0] ?? '').find((each) => !ANY_WORD.has(each));
    if (word !== undefined) return [this.topicShard(word)];
    return Array.from({ length: SHARDS }, (_, shard) => `${this.settings.topicExchange}.${shard}`);
  }

  private topicShard(key: string): string {
    const dot = key.indexOf('.');
    return `${this.settings.topicExchange}.${hashOf(dot === -1 ? key : key.slice(0, dot)) % SHARDS}`;
  }

  private userShard(key: string): string {
    return `${this.settings.userExchange}.${hashOf(key) % SHARDS}`;
  }
}

function patternOfLane(lane: string): string {
  const destination = parseDestination(lane, 'subscribe');
  if (destination.kind !== 'topic')
    throw new Error(`"${lane}" is no lane: it must be ${USERS}, or begin with /topic/.`);
  return destination.key;
}

/** For the check of the configuration: the destination of a history can be in no lane. */
export function isInLane(lanes: readonly string[], kind: 'topic' | 'user', pattern: string): boolean {
  if (kind === 'user') return lanes.includes(USERS);
  return lanes.some((lane) => lane !== USERS && overlapsWords(wordsOf(patternOfLane(lane)), wordsOf(pattern)));
}
