/** Converts a delivery of a history's stream into an entry of the log. Pure. */
import type { ConsumeMessage } from 'amqplib';
import { isMarkerId } from '../../history/position.js';
import type { LogEntry } from '../../history.js';
import { RELAY_ID, toRoutedMessage } from '../amqp/amqp-message.js';
import { canaryOf } from '../consume/canaries.js';

const OFFSET = 'x-stream-offset';
/** The header of a marker. Clients and the relay's publishers for clients cannot set headers of this kind. */
export const MARKER = 'relay-history-marker';

/** Undefined for a delivery whose headers cannot be read. */
export function offsetOf({ properties }: ConsumeMessage): number | undefined {
  const offset = properties.headers?.[OFFSET] as unknown;
  return typeof offset === 'number' ? offset : undefined;
}

export function entryOf(offset: number, message: ConsumeMessage, topicExchange: string): LogEntry {
  const { fields, properties } = message;
  const key = fields.routingKey;
  // Only relays reach the stream without an exchange
  if (fields.exchange === '') {
    return { offset, key, message: undefined, marker: markerOf(properties.headers?.[MARKER]) };
  }
  if (canaryOf(message) !== undefined) return { offset, key, message: undefined };
  return { offset, key, message: toRoutedMessage(message, topicExchange, false, OFFSET) };
}

/** A back end may write there too. Its text must not get into positions, which are headers of frames. */
function markerOf(id: unknown): string | undefined {
  return typeof id === 'string' && isMarkerId(id) ? id : undefined;
}

/** Whether two deliveries of one offset are the same entry: the offset was not given to another message. */
export function isSameEntry(one: ConsumeMessage, other: ConsumeMessage): boolean {
  return (
    one.fields.exchange === other.fields.exchange &&
    one.fields.routingKey === other.fields.routingKey &&
    one.content.equals(other.content) &&
    identityOf(one) === identityOf(other)
  );
}

/** Distinguishes messages with the same key and body. */
function identityOf({ properties: { headers, ...properties } }: ConsumeMessage): string {
  const parts: unknown[] = [headers?.[RELAY_ID], headers?.[MARKER], properties.messageId, properties.timestamp];
  return parts.map(String).join(' ');
}
