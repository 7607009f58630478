/**
 * The commands of a connected session. Before a command is called, `stomp/rules` has checked that the frame is allowed
 * in this state and has its required headers.
 *
 * A command returns a promise if later frames have to wait for it. If it throws or rejects, its frame is refused.
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
