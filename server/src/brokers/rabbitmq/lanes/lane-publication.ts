/** A checked message for a lane. */
import type { Publication } from '../../broker.js';
import { whenReady } from '../publish/publication.js';
import type { Publisher } from '../publish/publisher.js';
import type { Route } from '../publish/route.js';
import { BatchMessage } from './batch-message.js';
import type { LaneSend } from './lane-writer.js';

export class LanePublication implements Publication {
  readonly ready: Promise<void> | undefined;
  private readonly route: Route;

  constructor(
    private readonly publisher: Publisher,
    exchange: string,
    private readonly laneSend: LaneSend,
  ) {
    this.route = { exchange, key: laneSend.shard };
    this.ready = this.renew();
  }

  renew(): Promise<void> | undefined {
    const { bytes, options } = this.laneSend;
    return whenReady(this.publisher, this.route, bytes, options);
  }

  send(): Promise<void> {
    const { lanes } = this.publisher;
    // next: brokers/rabbitmq/publish/publisher
    if (lanes) return lanes.add(this.laneSend);
    // A sender with a channel of its own
    const { message, bytes, options } = this.laneSend;
    return this.publisher.publish(this.route, BatchMessage.of(message, bytes), options);
  }
}
