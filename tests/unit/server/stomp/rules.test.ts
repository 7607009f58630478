import { describe, expect, test } from '@jest/globals';
import { EMPTY_BODY, VERSIONS } from '../../../../server/src/stomp/frame.js';
import type { Frame, Version } from '../../../../server/src/stomp/frame.js';
import {
  ackModes,
  bodyRule,
  checkFrame,
  COMMAND_MAX_BYTES,
  isCommand,
  isConnect,
} from '../../../../server/src/stomp/rules.js';
import type { SessionState } from '../../../../server/src/stomp/rules.js';

const COMMANDS = [
  'CONNECT',
  'STOMP',
  'SEND',
  'SUBSCRIBE',
  'UNSUBSCRIBE',
  'ACK',
  'NACK',
  'BEGIN',
  'COMMIT',
  'ABORT',
  'DISCONNECT',
];

/** Sufficient for any command of any version. */
const ALL_HEADERS = { destination: '/queue/a', id: '1', 'message-id': 'm', subscription: '1', transaction: 't' };

const frame = (command: string, headers: Record<string, string> = ALL_HEADERS): Frame => ({
  command,
  headers: new Map(Object.entries(headers)),
  body: EMPTY_BODY,
});

const check = (command: string, version: Version | undefined, headers?: Record<string, string>) => () =>
  checkFrame(frame(command, headers), isConnect(command) ? 'connecting' : 'connected', version);

const fault = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

describe('commands', () => {
  test.each(COMMANDS)('%s', (command) => {
    expect(VERSIONS.filter((version) => isCommand(command, version))).toEqual(
      command === 'NACK' ? ['1.1', '1.2'] : VERSIONS,
    );
    expect(isCommand(command, undefined)).toBe(true);
    expect(command.length).toBeLessThanOrEqual(COMMAND_MAX_BYTES);
  });

  test.each(['send', 'MESSAGE', 'CONNECTED', 'ERROR', 'RECEIPT', '', 'constructor', 'toString', '__proto__'])(
    '%j is unknown',
    (command) => {
      expect(VERSIONS.filter((version) => isCommand(command, version))).toEqual([]);
      expect(check(command, '1.2')).toThrow(fault('unknown-command', command));
    },
  );

  test('NACK is unknown in 1.0', () => {
    expect(check('NACK', '1.0')).toThrow(fault('unknown-command', 'STOMP 1.0'));
  });
});

describe('states', () => {
  test.each(COMMANDS)('%s', (command) => {
    const outcomes = (['connecting', 'connected', 'closing', 'closed'] as SessionState[]).map((state) => {
      try {
        checkFrame(frame(command), state, state === 'connecting' ? undefined : '1.2');
        return 'allowed';
      } catch (error) {
        return (error as { code: string }).code;
      }
    });
    const [connecting, connected] = isConnect(command)
      ? ['allowed', 'already-connected']
      : ['not-connected', 'allowed'];
    expect(outcomes).toEqual([connecting, connected, 'not-connected', 'not-connected']);
  });
});

describe('bodies', () => {
  test.each(COMMANDS)('%s', (command) => {
    const expected = command === 'SEND' ? 'carried' : 'refused';
    expect(bodyRule(command, undefined)).toBe(expected);
    expect(bodyRule(command, '1.2')).toBe(expected);
    expect(bodyRule(command, '1.1')).toBe(expected);
    if (command !== 'NACK') expect(bodyRule(command, '1.0')).toBe(command === 'SUBSCRIBE' ? 'ignored' : expected);
  });
});

describe('headers', () => {
  const [destination, id, transaction] = [{ destination: '/a' }, { id: '1' }, { transaction: 't' }];
  const [messageId, subscription] = [{ 'message-id': 'm' }, { subscription: 's' }];
  const of = (command: string, versions: readonly Version[], ...sets: Record<string, string>[]) =>
    versions.flatMap((version) =>
      sets.map((headers): [string, Version, Record<string, string>] => [command, version, headers]),
    );
  const since11 = ['1.1', '1.2'] as const;

  test.each([
    ...of('CONNECT', VERSIONS, {}, { 'accept-version': '1.2' }),
    ...of('STOMP', VERSIONS, {}),
    ...of('SEND', VERSIONS, destination, { ...destination, ...transaction }, { ...destination, receipt: '', id: '' }),
    ...of('SUBSCRIBE', VERSIONS, { ...destination, ...id }),
    ...of('SUBSCRIBE', ['1.0'], destination),
    ...of('UNSUBSCRIBE', VERSIONS, id),
    ...of('UNSUBSCRIBE', ['1.0'], destination, { ...destination, ...id }),
    ...of('ACK', VERSIONS, { ...id, ...messageId, ...subscription }, { ...ALL_HEADERS }),
    ...of('ACK', ['1.0'], messageId),
    ...of('ACK', ['1.1'], { ...messageId, ...subscription }),
    ...of('ACK', ['1.2'], id, { ...id, ...transaction }),
    ...of('NACK', since11, { ...id, ...messageId, ...subscription }),
    ...of('NACK', ['1.1'], { ...messageId, ...subscription }),
    ...of('NACK', ['1.2'], id),
    ...of('BEGIN', VERSIONS, transaction),
    ...of('COMMIT', VERSIONS, transaction),
    ...of('ABORT', VERSIONS, transaction),
    ...of('DISCONNECT', VERSIONS, {}, { receipt: '1' }),
  ])('%s in %s allows %j', (command, version, headers) => {
    expect(check(command, version, headers)).not.toThrow();
  });

  const missing = (name: string, rows: [string, Version, Record<string, string>][]) =>
    rows.map(([command, version, headers]): [string, Version, Record<string, string>, string] => [
      command,
      version,
      headers,
      name,
    ]);

  test.each([
    ...missing('"destination"', of('SEND', VERSIONS, {}, { destination: '' })),
    ...missing('"destination"', of('SUBSCRIBE', VERSIONS, id, { ...id, destination: '' })),
    ...missing('"id"', of('SUBSCRIBE', since11, destination, { ...destination, id: '' })),
    ...missing('"id"', of('UNSUBSCRIBE', since11, destination, { id: '' })),
    ...missing('"id" or "destination"', of('UNSUBSCRIBE', ['1.0'], {}, { id: '', destination: '' })),
    ...missing('"message-id"', of('ACK', ['1.0'], id, { 'message-id': '' })),
    ...missing('"message-id"', of('ACK', ['1.1'], { ...id, ...subscription })),
    ...missing('"subscription"', of('ACK', ['1.1'], messageId, { ...messageId, subscription: '' })),
    ...missing('"id"', of('ACK', ['1.2'], { ...messageId, ...subscription }, { id: '' })),
    ...missing('"subscription"', of('NACK', ['1.1'], messageId)),
    ...missing('"id"', of('NACK', ['1.2'], { ...messageId, ...subscription })),
    ...['BEGIN', 'COMMIT', 'ABORT'].flatMap((command) =>
      missing('"transaction"', of(command, VERSIONS, {}, { transaction: '' })),
    ),
  ])('%s in %s requires more than %j', (command, version, headers, name) => {
    expect(check(command, version, headers)).toThrow(fault('missing-header', `${command} requires the header ${name}`));
    expect(check(command, version, headers)).toThrow(`STOMP ${version}`);
  });

  test.each([
    ...of('SEND', VERSIONS, { ...destination, transaction: '' }),
    ...of('ACK', VERSIONS, { ...ALL_HEADERS, transaction: '' }),
    ...of('NACK', since11, { ...ALL_HEADERS, transaction: '' }),
    ...of('SUBSCRIBE', ['1.0'], { ...destination, id: '' }),
    ...of('UNSUBSCRIBE', ['1.0'], { ...destination, id: '' }),
  ])('%s in %s must not have an empty name: %j', (command, version, headers) => {
    expect(check(command, version, headers)).toThrow(fault('invalid-header', 'empty'));
  });
});

test('client-individual is available from 1.1 on', () => {
  expect(ackModes('1.0')).toEqual(['auto', 'client']);
  expect(ackModes('1.1')).toEqual(['auto', 'client', 'client-individual']);
  expect(ackModes('1.2')).toEqual(ackModes('1.1'));
});
