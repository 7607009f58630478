/**
 * The table of commands by version: the allowed state, the required headers, and the rule for the body. The parser uses
 * the rule for the body, the session everything else.
 */
import { StompError } from './errors.js';
import type { Frame, Version } from './frame.js';

/**
 *   connecting --CONNECT accepted--> connected --DISCONNECT, ERROR or shutdown--> closing --> closed
 */
export type SessionState = 'connecting' | 'connected' | 'closing' | 'closed';

/** Names of headers. At least one of them must be present with a non-empty value. */
type OneOf = readonly string[];

/** `ignored`: read and dropped. */
export type BodyRule = 'carried' | 'ignored' | 'refused';

interface CommandRule {
  readonly allowedIn: SessionState;
  readonly body: BodyRule;
  readonly requires: readonly OneOf[];
  /** Optional headers that must not be empty if they are present. */
  readonly names?: readonly string[];
}

// STOMP 1.2, "CONNECT or STOMP Frame": clients MUST send accept-version and host from 1.1 on. A missing accept-version
// means 1.0 ("Protocol Negotiation"), and a missing host does no harm, because the relay has only one virtual host.
const CONNECT: CommandRule = { allowedIn: 'connecting', body: 'refused', requires: [] };

// STOMP 1.2, "Body": only SEND, MESSAGE and ERROR may have a body, all other frames MUST NOT.
const ONCE_CONNECTED = { allowedIn: 'connected', body: 'refused' } as const;

// STOMP 1.2, "SEND": one REQUIRED header, destination.
const SEND: CommandRule = {
  allowedIn: 'connected',
  body: 'carried',
  requires: [['destination']],
  names: ['transaction'],
};

// STOMP 1.2, "BEGIN", "COMMIT", "ABORT": the transaction header is REQUIRED.
const TRANSACTION: CommandRule = { ...ONCE_CONNECTED, requires: [['transaction']] };

const acknowledging = (requires: readonly OneOf[]): CommandRule => ({
  ...ONCE_CONNECTED,
  requires,
  names: ['transaction'],
});

/** The same in all versions. */
const COMMON = {
  CONNECT,
  STOMP: CONNECT,
  SEND,
  BEGIN: TRANSACTION,
  COMMIT: TRANSACTION,
  ABORT: TRANSACTION,
  DISCONNECT: { ...ONCE_CONNECTED, requires: [] },
} as const satisfies Record<string, CommandRule>;

/** STOMP 1.2 and 1.1, "SUBSCRIBE id Header", "UNSUBSCRIBE": an id header MUST be included. */
const SUBSCRIBING = {
  SUBSCRIBE: { ...ONCE_CONNECTED, requires: [['destination'], ['id']] },
  UNSUBSCRIBE: { ...ONCE_CONNECTED, requires: [['id']] },
} as const satisfies Record<string, CommandRule>;

// STOMP 1.1, "ACK", "NACK": message-id and subscription are REQUIRED; STOMP 1.2: id. Headers of other versions are
// allowed, because clients that support several versions send all of them.
const ACK_11 = acknowledging([['message-id'], ['subscription']]);
const ACK_12 = acknowledging([['id']]);

const RULES: Readonly<Record<Version, Readonly<Record<string, CommandRule>>>> = {
  // STOMP 1.0 has no NACK.
  '1.0': {
    ...COMMON,
    // STOMP 1.0, "SUBSCRIBE": id is optional; "The body of the SUBSCRIBE command is ignored".
    SUBSCRIBE: { allowedIn: 'connected', body: 'ignored', requires: [['destination']], names: ['id'] },
    // STOMP 1.0, "UNSUBSCRIBE": "requires either a destination header or an id header".
    UNSUBSCRIBE: { ...ONCE_CONNECTED, requires: [['id', 'destination']], names: ['id', 'destination'] },
    // STOMP 1.0, "ACK": "one required header, message-id".
    ACK: acknowledging([['message-id']]),
  },
  '1.1': { ...COMMON, ...SUBSCRIBING, ACK: ACK_11, NACK: ACK_11 },
  '1.2': { ...COMMON, ...SUBSCRIBING, ACK: ACK_12, NACK: ACK_12 },
};

/** The length of the longest command. */
export const COMMAND_MAX_BYTES = Math.max(...Object.keys(RULES['1.2']).map((command) => command.length));

/** True if clients may send this command. Commands are case sensitive, like header names. */
export function isCommand(command: string, version: Version | undefined): boolean {
  return Object.hasOwn(RULES[version ?? '1.2'], command);
}

/** STOMP 1.2, "CONNECT or STOMP Frame": servers MUST handle a STOMP frame in the same manner as a CONNECT frame. */
export const isConnect = (command: string): boolean => command === 'CONNECT' || command === 'STOMP';

const ACK_MODES = ['auto', 'client', 'client-individual'] as const;

/** STOMP 1.0, "SUBSCRIBE": "The valid values for ack are auto and client"; 1.1 added client-individual. */
export function ackModes(version: Version): readonly (typeof ACK_MODES)[number][] {
  return version === '1.0' ? ACK_MODES.slice(0, 2) : ACK_MODES;
}

/** The rule for the body of this command. Before the version is negotiated it is that of 1.2. */
export function bodyRule(command: string, version: Version | undefined): BodyRule {
  return ruleFor(command, version).body;
}

/**
 * Checks that the session may handle this frame in its state, by command and headers.
 * @throws StompError `not-connected`, `already-connected`, `unknown-command`, `missing-header`, `invalid-header`
 */
export function checkFrame(frame: Frame, state: SessionState, version: Version | undefined): void {
  const rule = ruleFor(frame.command, version);
  if (rule.allowedIn !== state) throw wrongState(frame.command, state);
  for (const oneOf of rule.requires) {
    if (!oneOf.some((name) => frame.headers.get(name))) throw missingHeader(frame, oneOf, version);
  }
  for (const name of rule.names ?? []) {
    if (frame.headers.get(name) !== '') continue;
    throw new StompError(
      'invalid-header',
      `The header "${name}" of ${frame.command} is empty; give a value or omit it.`,
    );
  }
}

function ruleFor(command: string, version: Version = '1.2'): CommandRule {
  const rule = isCommand(command, version) ? RULES[version][command] : undefined;
  if (rule !== undefined) return rule;
  throw new StompError('unknown-command', `${command} is not a command that a client may send in STOMP ${version}.`);
}

function wrongState(command: string, state: SessionState): StompError {
  switch (state) {
    case 'connecting':
      return new StompError('not-connected', `${command} came before CONNECT; send CONNECT and wait for CONNECTED.`);
    case 'connected':
      return new StompError('already-connected', `${command} came again; this session is connected already.`);
    case 'closing':
    case 'closed':
      // STOMP 1.2, "DISCONNECT": clients MUST NOT send any more frames after the DISCONNECT frame is sent.
      return new StompError('not-connected', `${command} came after the end of the session; open a new connection.`);
  }
}

function missingHeader(frame: Frame, oneOf: OneOf, version: Version | undefined): StompError {
  const required = oneOf.map((name) => `"${name}"`).join(' or ');
  const fault = oneOf.some((name) => frame.headers.has(name)) ? 'is empty' : 'is missing';
  const protocol = `STOMP ${version ?? '1.2'}`;
  return new StompError(
    'missing-header',
    `${frame.command} requires the header ${required} in ${protocol}; it ${fault}.`,
  );
}
