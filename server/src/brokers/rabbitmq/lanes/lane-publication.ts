/** A checked message for a lane. */
import type { Publication } from '../../broker.js';
import type { Publisher } from '../publish/publisher.js';
import { BatchMessage } from './batch-message.js';
import type { LaneSend } from './lane-writer.js';

export class LanePublication implements Publication {
  readonly ready: Promise<void> | undefined;

  constructor(
    private readonly publisher: Publisher,
    private readonly exchange: string,
    private readonly laneSend: LaneSend,
  ) {
    this.ready = this.renew();
  }

  renew(): Promise<void> | undefined {
    const { bytes, options } = this.laneSend;
    const admission = this.publisher.admit(bytes, options.isHurried);
    return !admission && this.isKnown ? undefined : this.prepare(admission);
  }

  private get isKnown(): boolean {
    return this.publisher.topology.exchanges.knows(this.exchange);
  }

  private async prepare(admission: Promise<void> | undefined): Promise<void> {
    await admission;
    if (!this.isKnown) await this.publisher.topology.exchanges.ensureOwn(this.exchange);
  }

  send(): Promise<void> {
    const { lanes } = this.publisher;
    // next: brokers/rabbitmq/publish/publisher
    return lanes ? lanes.add(this.laneSend) : this.sendAlone();
  }

  /** For a sender with a channel of its own. */
  private sendAlone(): Promise<void> {
    const { message, shard, bytes, options } = this.laneSend;
    return this.publisher.publish({ exchange: this.exchange, key: shard }, BatchMessage.of(message, bytes), options);
  }
}
