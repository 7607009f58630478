/**
 * Frames of the relay itself to a client: RECEIPT, ERROR, and MESSAGEs about the session (`subscription:relay`,
 * destination `/relay/SUBJECT`).
 */
import type { MessageEncoder } from '../delivery/message-encoder.js';
import type { Outbox } from '../delivery/outbox.js';
import { encodeFrame } from '../stomp/encoder.js';
import { EMPTY_BODY } from '../stomp/frame.js';
import type { Frame, Version } from '../stomp/frame.js';
import { NO_EXTENSIONS } from '../stomp/negotiation.js';
import type { Extensions } from '../stomp/negotiation.js';
import type { Connection } from '../transports/connection.js';
import { errorHeaders, refusalHeaders } from './error-frame.js';
import type { ErrorReport, RefusedFrame } from './error-frame.js';

type Headers = readonly [string, string][];

/** The part of a session that replies need. */
export interface ReplyTarget {
  readonly connection: Connection;
  readonly outbox: Outbox;
  readonly context: { readonly messages: MessageEncoder };
  /** Undefined before CONNECTED. */
  readonly identity: { readonly version: Version; readonly extensions?: Extensions } | undefined;
  readonly canDeliver: boolean;
}

/** The extensions that CONNECT asked for and the relay granted. */
export function extensionsOf({ identity }: ReplyTarget): Extensions {
  return identity?.extensions ?? NO_EXTENSIONS;
}

/** Sends a RECEIPT if `frame` requests one. */
export function receipt(target: ReplyTarget, frame: Frame): void {
  sendReceipt(target, frame.headers.get('receipt'));
}

/** Sends a RECEIPT with this id. Does nothing if the id is undefined. */
export function sendReceipt(target: ReplyTarget, id: string | undefined, headers: Headers = []): void {
  if (id !== undefined && target.canDeliver) writeFrame(target, 'RECEIPT', [['receipt-id', id], ...headers]);
}

/** Sends a MESSAGE about the session to `/relay/SUBJECT`. The caller checks that the client has its extension. */
export function notify(target: ReplyTarget, subject: string, headers: Headers, sentence: string): void {
  if (!target.canDeliver) return;
  const common: Headers = [
    ['subscription', 'relay'],
    ['message-id', target.context.messages.nextId()],
    ['destination', `/relay/${subject}`],
    ['content-type', 'text/plain;charset=utf-8'],
  ];
  writeFrame(target, 'MESSAGE', [...common, ...headers], Buffer.from(sentence));
}

/** Reports a refused frame to a client that has soft-errors. Does nothing for others. */
export function notifyRefused(target: ReplyTarget, { code, sentence }: ErrorReport, frame: RefusedFrame): void {
  if (extensionsOf(target).has('soft-errors')) notify(target, 'errors', refusalHeaders(code, frame), sentence);
}

/**
 * Asks a client with the extension `drain` to move to another relay. False if the client does not have the extension.
 */
export function askToMove(target: ReplyTarget, moveInMs: number, closeInMs: number): boolean {
  if (!extensionsOf(target).has('drain')) return false;
  const sentence =
    `This relay is shutting down: connect again in ${moveInMs} ms, then close this session; ` +
    `the relay closes it in ${closeInMs} ms.`;
  const headers: Headers = [
    ['move-in-ms', String(moveInMs)],
    ['close-in-ms', String(closeInMs)],
  ];
  notify(target, 'drain', headers, sentence);
  return true;
}

/**
 * Reports the begin of an alarm at the broker, or without a reason its end, to a client that has the extension `blocked`.
 */
export function reportAlarm(target: ReplyTarget, reason: string | undefined): void {
  if (!extensionsOf(target).has('blocked')) return;
  if (reason === undefined) return notify(target, 'unblocked', [], 'The broker takes messages again.');
  const sentence = `The broker takes no messages for now (${reason}): SENDs wait, and are answered later.`;
  notify(target, 'blocked', [['reason', reason]], sentence);
}

/** Writes ERROR as the answer to `frame`. An error of the parser has no frame, but may have its receipt. */
export function writeError(target: ReplyTarget, report: ErrorReport, frame: RefusedFrame | undefined): void {
  const receiptId = frame?.headers.get('receipt') ?? report.receipt;
  writeFrame(target, 'ERROR', errorHeaders(report.code, receiptId), Buffer.from(report.sentence));
}

export function writeFrame(target: ReplyTarget, command: string, headers: Headers, body: Buffer = EMPTY_BODY): void {
  const { connection, outbox, identity } = target;
  const frame = encodeFrame(command, headers, body, identity?.version);
  const wrapped = connection.encoding.wrap(frame, true);
  if (!connection.write(wrapped)) outbox.onBackPressure(wrapped.length);
}
