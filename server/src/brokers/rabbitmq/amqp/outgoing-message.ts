/**
 * A message to RabbitMQ. One pass over its headers checks them, sorts them into AMQP properties and the headers table,
 * and counts them. The result can be sent again without another pass.
 */
import type { Options } from 'amqplib';
import type { KeyLimits } from '../../../destinations/key-limits.js';
import { BrokerError } from '../../broker.js';
import type { Message } from '../../broker.js';
import { bytesInMemory, checkHeader, checkHeaders } from '../../message-checks.js';
import { PERSISTENT, PROPERTIES, RELAY_ID, RELAY_RESENT, RELAY_SESSION } from './amqp-message.js';
import type { PropertyName } from './amqp-message.js';
import { TableColumns } from './header-tables.js';
import type { HeaderTables } from './header-tables.js';

const PROPERTY_OF: ReadonlyMap<string, PropertyName> = new Map(PROPERTIES);
const NUMBERS: ReadonlySet<PropertyName> = new Set(['priority', 'timestamp']);

/** amqplib encodes a headers table into a buffer of this size. */
export const TABLE_MAX_BYTES = 65_536;
/** Maximum size of the table's length, `relay-id`, `relay-resent` and the name of `relay-session`. */
const OWN_TABLE_BYTES = 120;
/** The name's length, the type tag and the value's length of an entry. */
export const ENTRY_BYTES = 6;
/** The frame, class, body size and flags of a content header. */
const FRAME_BYTES = 32;

/** A message as a publisher sends it to RabbitMQ, once or more often. */
export interface AmqpContent {
  readonly body: Buffer;
  /** An estimate of the memory that the message takes. */
  readonly bytes: number;
  /**
   * Options for amqplib, valid until the next call for any message with the same `tables`. `id` becomes `relay-id`;
   * `resent` marks a message that may have arrived before.
   */
  optionsFor(id: string, resent: boolean, mandatory: boolean, tables: HeaderTables): Options.Publish;
}

/** The AMQP properties and the headers table of a message, with the entries of the relay. */
export class ContentOptions {
  readonly properties: Record<string, unknown> = {};
  readonly table = new TableColumns();
  private isMarkedResent = false;

  optionsFor(id: string, resent: boolean, mandatory: boolean, tables: HeaderTables): Options.Publish {
    const { properties, table } = this;
    table.set(RELAY_ID, id);
    if (resent) this.markResent();
    properties['headers'] = tables.with(table);
    properties['mandatory'] = mandatory;
    return properties;
  }

  /** The message may have arrived before. */
  markResent(): void {
    if (this.isMarkedResent) return;
    this.isMarkedResent = true;
    this.table.add(RELAY_RESENT, 'true');
  }
}

export class OutgoingMessage extends ContentOptions implements AmqpContent {
  readonly body: Buffer;
  readonly bytes: number;

  /** Throws a BrokerError `invalid-header`. `frameMax` is that of the publishing connection. */
  constructor(message: Message, limits: KeyLimits, frameMax: number) {
    super();
    const { headers, body, toSession } = message;
    let characters = 0;
    for (const [name, value] of headers) {
      characters += name.length + value.length;
      checkHeader(name, value, limits);
      this.add(name, value);
    }
    checkHeaders(headers, characters);
    checkFrame(message, characters, frameMax);
    this.body = body;
    this.bytes = bytesInMemory(headers.size, characters, body);
    this.table.add(RELAY_ID, '');
    if (toSession !== undefined) this.table.add(RELAY_SESSION, toSession);
  }

  private add(name: string, value: string): void {
    const { properties } = this;
    const property = PROPERTY_OF.get(name);
    if (property) properties[property] = NUMBERS.has(property) ? Number(value) : value;
    else if (name !== 'persistent') this.table.add(name, value);
    else if (value === 'true' || value === 'True') properties['deliveryMode'] = PERSISTENT;
  }
}

/** Throws `invalid-header` if the headers, with those of the relay, do not fit into one AMQP frame. */
function checkFrame(message: Message, characters: number, frameMax: number): void {
  // An exact count is expensive and rarely needed: a character has at most three bytes in UTF-8
  const charactersMax = characters + (message.toSession?.length ?? 0);
  const atMost = OWN_TABLE_BYTES + FRAME_BYTES + message.headers.size * ENTRY_BYTES + charactersMax * 3;
  if (atMost > Math.min(TABLE_MAX_BYTES, frameMax)) checkExactly(message, frameMax);
}

function checkExactly(message: Message, frameMax: number): void {
  let table = OWN_TABLE_BYTES + Buffer.byteLength(message.toSession ?? '');
  let properties = FRAME_BYTES;
  for (const [name, value] of message.headers) {
    if (PROPERTY_OF.has(name)) properties += ENTRY_BYTES + Buffer.byteLength(value);
    else table += ENTRY_BYTES + Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  const limit = Math.min(TABLE_MAX_BYTES, frameMax - properties);
  if (table <= limit) return;
  throw new BrokerError(
    'invalid-header',
    `The headers need ${table} bytes in AMQP's encoding, and at most ${limit} fit into a frame (frame_max ${frameMax}): ` +
      'use the body.',
  );
}
