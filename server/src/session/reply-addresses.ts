/**
 * The addresses of RabbitMQ's direct reply-to that a session has received. Such an address belongs to one requester, so
 * a session may only reply to addresses that RabbitMQ has sent to it.
 */
import { LRUCache } from 'lru-cache';

export class ReplyAddresses {
  /** Most sessions never receive one. */
  private received: LRUCache<string, true> | undefined;

  constructor(private readonly max: number) {}

  /** Beyond the limit, the address that was received or used least recently is forgotten. */
  add(address: string): void {
    this.received ??= new LRUCache<string, true>({ max: this.max });
    this.received.set(address, true);
  }

  has(address: string): boolean {
    return this.received?.get(address) === true;
  }
}
