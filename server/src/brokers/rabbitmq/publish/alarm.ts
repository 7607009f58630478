/**
 * Whether RabbitMQ blocks publishers, because it is short of memory or disk. It blocks a connection only when the
 * connection publishes, so an alarm begins here with the first message after it, and ends with the last connection.
 */
import type { BrokerAlarm } from '../../broker.js';
import type { ConnectionListener } from '../amqp/amqp-connection.js';

export class Alarm implements BrokerAlarm {
  /** The reason of each blocked connection. */
  private readonly blocked = new Map<object, string>();
  private readonly listeners: ((reason: string | undefined) => void)[] = [];
  count = 0;

  constructor(connections: readonly { listen(listener: ConnectionListener): unknown }[]) {
    for (const connection of connections) {
      connection.listen({ blocked: (reason) => this.report(connection, reason) });
    }
  }

  get reason(): string | undefined {
    const [first] = this.blocked.values();
    return first;
  }

  listen(listener: (reason: string | undefined) => void): void {
    this.listeners.push(listener);
  }

  private report(connection: object, reason: string | undefined): void {
    const wasBlocked = this.blocked.size > 0;
    if (reason === undefined) this.blocked.delete(connection);
    else this.blocked.set(connection, reason);
    const isBlocked = this.blocked.size > 0;
    if (isBlocked === wasBlocked) return;
    if (isBlocked) this.count++;
    for (const listener of this.listeners) listener(this.reason);
  }
}
