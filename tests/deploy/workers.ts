/** Consumers of the queue of orders, which acknowledge each message: half of them stompjs, half the SDK. */
import { Client as StompClient } from '@stomp/stompjs';
import { createClient } from 'stomp-relay-client';
import { WebSocket } from 'ws';
import { ORDERS } from './publishers.js';

export class Workers {
  /** Number of deliveries of each order that no header marks as a possible repetition. */
  readonly unmarked = new Map<string, number>();
  /** All orders that were delivered. */
  readonly delivered = new Set<string>();
  private readonly leave: (() => Promise<unknown>)[] = [];
  private connected = 0;

  constructor(
    address: string,
    private readonly count: number,
  ) {
    for (let i = 0; i < count; i++) {
      if (i % 2 === 0) this.openStompjs(address);
      else this.openSdk(address);
    }
  }

  get areUp(): boolean {
    return this.connected >= this.count;
  }

  async close(): Promise<void> {
    await Promise.all(this.leave.map((each) => each()));
  }

  private openStompjs(address: string): void {
    const client = new StompClient({
      webSocketFactory: () => new WebSocket(`ws://${address}/ws`, ['v12.stomp']),
      onConnect: () => {
        client.watchForReceipt('orders', () => this.connected++);
        const headers = { ack: 'client-individual', receipt: 'orders' };
        client.subscribe(
          ORDERS,
          (message) => {
            this.add(message.body, message.headers);
            message.ack();
          },
          headers,
        );
      },
    });
    client.activate();
    this.leave.push(() => client.deactivate());
  }

  private openSdk(address: string): void {
    const client = createClient({
      url: `ws://${address}/ws`,
      createWebSocket: (url, protocols) => new WebSocket(url, protocols),
    });
    const subscription = client.subscribe<string>(
      ORDERS,
      (message) => {
        this.add(message.data, message.headers);
        message.ack();
      },
      { ack: 'client-individual' },
    );
    void subscription.ready.then(() => this.connected++);
    this.leave.push(() => client.close());
  }

  private add(order: string, headers: Readonly<Record<string, string | undefined>>): void {
    this.delivered.add(order);
    if (headers['redelivered'] === 'true' || headers['relay-resent'] === 'true') return;
    this.unmarked.set(order, (this.unmarked.get(order) ?? 0) + 1);
  }
}
