/** An exchange: the local listeners and the queues of each binding, found with one lookup. */
import type { BindingArguments } from '../../destinations/binding-arguments.js';
import type { Listener } from '../broker.js';
import { Listeners } from '../fanout.js';
import type { ExchangeType } from './memory-options.js';
import type { MemoryQueue } from './memory-queue.js';
import { makeRoutingTable } from './routing-table.js';
import type { RoutingTable } from './routing-table.js';

/** The receivers of one binding. */
export interface Route {
  readonly listeners: Listeners;
  readonly queues: Set<MemoryQueue>;
}

export class MemoryExchange {
  private readonly routes: RoutingTable<Route>;

  constructor(
    readonly name: string,
    readonly type: ExchangeType,
  ) {
    this.routes = makeRoutingTable(type);
  }

  /** Returns the function that removes the listener. */
  listen(key: string, bindingArguments: BindingArguments, listener: Listener): () => void {
    const remove = this.routeFor(key, bindingArguments).listeners.add(listener);
    return () => {
      remove();
      this.discardIfUnused(key, bindingArguments);
    };
  }

  /** Binding the same queue again changes nothing. */
  bind(key: string, bindingArguments: BindingArguments, queue: MemoryQueue): void {
    const { queues } = this.routeFor(key, bindingArguments);
    if (queues.has(queue)) return;
    queues.add(queue);
    queue.whenDeleted(() => {
      this.routes.get(key, bindingArguments)?.queues.delete(queue);
      this.discardIfUnused(key, bindingArguments);
    });
  }

  match(key: string, headers: ReadonlyMap<string, string>): readonly Route[] {
    return this.routes.match(key, headers);
  }

  private routeFor(key: string, bindingArguments: BindingArguments): Route {
    let route = this.routes.get(key, bindingArguments);
    if (!route) {
      route = { listeners: new Listeners(), queues: new Set() };
      this.routes.set(key, bindingArguments, route);
    }
    return route;
  }

  private discardIfUnused(key: string, bindingArguments: BindingArguments): void {
    const route = this.routes.get(key, bindingArguments);
    if (route?.listeners.size === 0 && route.queues.size === 0) this.routes.delete(key, bindingArguments);
  }
}
