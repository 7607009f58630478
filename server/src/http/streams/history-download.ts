/**
 * The answer to `GET /api/history`: the messages behind a position as JSON lines, at the pace of the client. The last
 * line is the position that they reach. An answer without that line is not complete.
 */
import type { Position, SharedDestination } from '../../brokers/broker.js';
import type { RecoveryReason, Replay, ReplayedMessage } from '../../brokers/history.js';
import type { CatchUpTurns } from '../../delivery/catch-up-turns.js';
import { CatchUp } from '../../delivery/catch-up.js';
import type { CatchUpHost, ReplayChunk } from '../../delivery/catch-up.js';
import { isForAnother } from '../../delivery/narrowed.js';
import { refusal } from '../problem-codes.js';
import type { Problem } from '../problem.js';
import type { EventEncoder } from './event-encoder.js';
import { lineOf } from './stream-format.js';
import type { Stream } from './stream.js';

/** The services that all downloads share. */
export interface DownloadSources {
  readonly turns: CatchUpTurns;
  readonly events: Pick<EventEncoder, 'jsonLine'>;
}

export class HistoryDownload implements CatchUpHost<Stream> {
  readonly turns: CatchUpTurns;

  constructor(
    private readonly destination: SharedDestination,
    private readonly sources: DownloadSources,
  ) {
    this.turns = sources.turns;
  }

  /** Returns the work, which the stream cancels when it ends. */
  start(stream: Stream, replay: Replay, position: Position): { cancel(): void } {
    const catchUp = new CatchUp<Stream>(this, stream, replay, position);
    catchUp.start(undefined);
    return catchUp;
  }

  countOf({ count }: Replay): number | undefined {
    return count;
  }

  chunkFor({ id }: Stream, messages: readonly ReplayedMessage[]): ReplayChunk {
    const { destination, sources } = this;
    const lines = messages
      .filter(({ message }) => !isForAnother(message, destination, id))
      .map(({ message, key }) => sources.events.jsonLine(destination, message, key));
    const position = messages.at(-1)?.message.position;
    return { bytes: Buffer.concat(lines), count: lines.length, tooLarge: 0, addresses: [], position };
  }

  isBehind(stream: Stream): boolean {
    return stream.isBehind;
  }

  writeTo(stream: Stream, bytes: Buffer): boolean {
    stream.write([bytes], 1);
    return !stream.isBehind;
  }

  whenDrained(stream: Stream, action: () => void): void {
    stream.whenDrained(action);
  }

  caughtUp(stream: Stream, _catchUp: unknown, position: Position): void {
    stream.complete(lineOf({ position }));
  }

  interrupted(stream: Stream, reason: RecoveryReason): void {
    stream.end(
      'replay-interrupted',
      `The rest of the history cannot be read (${reason}): ask again from the last position.`,
    );
  }
}

const LATER: ReadonlySet<RecoveryReason> = new Set(['ahead', 'busy', 'unavailable']);

/** The refusal of a position. */
export function notRecovered(reason: RecoveryReason): Problem {
  if (reason === 'not-recoverable') {
    return refusal('not-recoverable', 'The broker keeps no history of this destination (history.rules).', { reason });
  }
  if (LATER.has(reason)) {
    return refusal('history-unavailable', `The history cannot be read now (${reason}): try again later.`, { reason });
  }
  const sentence = `What followed this position cannot be had (${reason}): fetch the current state, and go on from since=now.`;
  return refusal('history-gone', sentence, { reason });
}
