/** The steps of a transaction. They are collected first and sent in one go, so that no transaction stays half open. */
import type { Declared, Undeclared } from './destinations.js';
import { outgoing, ReceivedMessage } from './message.js';
import type { OutgoingOptions, RawMessage } from './message.js';
import type { Step } from './stomp-link.js';

export interface Transaction<D extends object> {
  publish<K extends Declared<D>>(destination: K, data: D[K], options?: OutgoingOptions): void;
  publish(destination: Undeclared<D>, data: unknown, options?: OutgoingOptions): void;
  ack(message: RawMessage): void;
  nack(message: RawMessage): void;
}

export function collectSteps(collect: (transaction: Transaction<object>) => void, newId: () => string): Step[] {
  const steps: Step[] = [];
  const settle = (kind: 'ack' | 'nack', message: RawMessage): void => {
    if (message instanceof ReceivedMessage) steps.push({ settle: kind, message });
  };
  collect({
    publish(destination: string, data: unknown, options: OutgoingOptions = {}): void {
      steps.push({ send: outgoing(destination, data, options, newId) });
    },
    ack: (message) => settle('ack', message),
    nack: (message) => settle('nack', message),
  });
  return steps;
}
