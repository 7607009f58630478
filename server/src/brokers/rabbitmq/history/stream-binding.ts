/**
 * Declares and binds the stream of a history, and binds it again at intervals: deleting an exchange deletes its bindings,
 * without an event.
 *
 * After an outage, publishers wait until the stream can be declared again (`OwnBindings`). RabbitMQ may have been
 * replaced by an empty one. One that starts confirms messages before it knows its streams again, and drops them. So a
 * stream that stays away longer than that wait refuses its messages.
 */
import { matches } from '../../../destinations/topic-pattern.js';
import { BrokerError } from '../../broker.js';
import type { Link } from '../consume/channel-pool.js';
import type { KeepingStream, OwnBindings } from '../publish/own-bindings.js';
import type { Route } from '../publish/route.js';
import type { RabbitMqOptions } from '../rabbitmq-options.js';
import { bindStream, declareStream } from './history-stream.js';
import type { HistoryStream } from './history-stream.js';

const CHECK_MS = 10_000;
const RETRY_MS = 1_000;

export interface StreamBindingParts {
  readonly link: Link;
  readonly own: OwnBindings;
  readonly ensureExchange: () => Promise<void>;
}

export class StreamBinding implements KeepingStream {
  private timer: NodeJS.Timeout | undefined;
  private hasWarned = false;
  private isBound = false;
  private isClosed = false;
  private readonly unlisten: () => void;

  constructor(
    private readonly stream: HistoryStream,
    private readonly parts: StreamBindingParts,
    private readonly options: RabbitMqOptions,
  ) {
    this.unlisten = parts.link.connection.listen({ down: () => this.lost() });
  }

  /** Rejects with a BrokerError. */
  async provide(): Promise<void> {
    this.stop();
    const { scratch } = this.parts.link;
    if (!this.isBound) this.parts.own.reportStream(this, false);
    try {
      const declared = await declareStream(scratch, this.stream);
      if (declared === 'with-other-limits') this.warn();
      await this.bind();
    } catch (error) {
      // Publishers need not wait for a stream that RabbitMQ refuses
      if ((error as BrokerError).code !== 'broker-unavailable') this.parts.own.report(this, true);
      throw error;
    }
    this.bindLater(CHECK_MS);
  }

  /** The binding may be gone. */
  lost(): void {
    this.stop();
    if (!this.isBound || this.isClosed) return;
    this.isBound = false;
    this.parts.own.reportStream(this, false);
    this.parts.own.report(this, false);
  }

  keeps({ exchange, key }: Pick<Route, 'exchange' | 'key'>): boolean {
    return exchange === this.stream.exchange && this.stream.keys.some((pattern) => matches(pattern, key));
  }

  refusal(): BrokerError {
    const sentence = `RabbitMQ does not keep messages in the stream "${this.stream.name}" at present: try again later.`;
    return new BrokerError('broker-unavailable', sentence);
  }

  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private async bind(): Promise<void> {
    await this.parts.ensureExchange();
    await bindStream(this.parts.link.scratch, this.stream);
    if (this.isClosed) return;
    this.isBound = true;
    this.parts.own.reportStream(this, true);
    this.parts.own.report(this, true);
  }

  private bindLater(ms: number): void {
    this.stop();
    if (!this.isClosed) this.timer = setTimeout(() => void this.bindAgain(), ms);
  }

  private async bindAgain(): Promise<void> {
    const { timer } = this;
    const error = await this.bind().then(
      () => undefined,
      (cause: unknown) => cause as BrokerError,
    );
    if (error) {
      const details = { stream: this.stream.name, reason: error.message };
      this.options.log.warn(details, 'RabbitMQ did not bind a history again');
    }
    // Unless it was stopped meanwhile
    if (this.timer === timer) this.bindLater(error ? RETRY_MS : CHECK_MS);
  }

  private warn(): void {
    if (this.hasWarned) return;
    this.hasWarned = true;
    const details = { stream: this.stream.name, wanted: this.stream.arguments };
    const sentence =
      'the stream of a history exists with other limits, and is used as it is: change them by a policy, or give the rule another name';
    this.options.log.warn(details, sentence);
  }

  close(): void {
    this.isClosed = true;
    this.stop();
    this.unlisten();
    this.parts.own.reportStream(this, true);
    this.parts.own.report(this, true);
  }
}
