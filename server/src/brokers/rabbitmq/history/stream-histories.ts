/** The histories of `history.rules` on RabbitMQ: a stream for each rule, and readers for all of them. */
import type { HistoryGauges, SharedDestination } from '../../broker.js';
import type { HistorySettings } from '../../history/feed-settings.js';
import { Histories } from '../../history/histories.js';
import type { HistoryFeed } from '../../history.js';
import type { Link } from '../consume/channel-pool.js';
import type { OwnBindings } from '../publish/own-bindings.js';
import type { Publishers } from '../publish/publishers.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { streamOf } from './history-stream.js';
import { StreamLog } from './stream-log.js';
import { StreamReaders } from './stream-readers.js';
import { StreamRecords } from './stream-records.js';

export interface StreamHistoriesParts {
  readonly link: Link;
  readonly own: OwnBindings;
  readonly publishers: Publishers;
  readonly ensureExchange: (exchange: string) => Promise<void>;
}

export class StreamHistories {
  private readonly histories: Histories;
  private readonly readers: StreamReaders;

  constructor(history: HistorySettings, { publishers, ...parts }: StreamHistoriesParts, options: RabbitMqOptions) {
    const { warmUpMs } = history;
    const readers = new StreamReaders(options);
    const records = new StreamRecords(publishers, options);
    this.readers = readers;
    this.histories = new Histories({ history, topics: options.topics, isEmbedded: false }, (place) => {
      const stream = streamOf(place, options);
      const ensureExchange = (): Promise<void> => parts.ensureExchange(stream.exchange);
      return new StreamLog(stream, { ...parts, ensureExchange, readers, records, warmUpMs }, options);
    });
  }

  get gauges(): HistoryGauges | undefined {
    return this.histories.gauges;
  }

  /** Resolves when all are live, or after `warmUpTimeoutMs`. Rejects with a BrokerError. */
  start(): Promise<void> {
    return this.histories.start();
  }

  historyOf(destination: SharedDestination): HistoryFeed | undefined {
    return this.histories.historyOf(destination);
  }

  async close(): Promise<void> {
    await Promise.all([this.histories.close(), this.readers.close()]);
  }
}
