/**
 * The verbs of a connected session. When a command is called, `stomp/rules` has checked that the frame may come now and has
 * its required headers.
 *
 * A command returns nothing when it is done, or a promise when later frames have to wait for it. What it throws or rejects
 * with refuses its frame.
 */
import { acknowledge } from './acknowledge.js';
import type { Command } from './command.js';
import { disconnect } from './disconnect.js';
import { send } from './send-frame.js';
import { subscribe } from './subscribe.js';
import { abort, begin, commit } from './transaction.js';
import { unsubscribe } from './unsubscribe.js';

export const COMMANDS: Readonly<Record<string, Command>> = {
  SEND: send, // next: session/commands/send-frame
  SUBSCRIBE: subscribe,
  UNSUBSCRIBE: unsubscribe,
  ACK: acknowledge,
  NACK: acknowledge,
  BEGIN: begin,
  COMMIT: commit,
  ABORT: abort,
  DISCONNECT: disconnect,
};
