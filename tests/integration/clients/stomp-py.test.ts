/** The unmodified Python library stomp.py, over TCP in all versions and over WebSocket, by the program stomp-py.py. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { pythonWithStomp, runPython } from '../../support/python.js';
import { BROKERS, createBroker, startRelay } from '../../support/relay.js';
import type { TestBroker, TestRelay } from '../../support/relay.js';

const PROGRAM = readFileSync(path.join(__dirname, 'stomp-py.py'), 'utf8');
const PROGRAM_MS = 100_000;

/** STOMP 1.0 has neither NACK nor heart-beats. */
const EXPECTED_10 = {
  send_and_receive: { body: 'héllo 😀', 'x-own': 'value', same: true },
  acks: { bodies: ['one', 'two'], redelivered: 'false' },
  transactions: ['first', 'committed'],
  booleans: 'true',
  unsubscribe: 0,
  error: 'invalid-destination',
  disconnect_with_receipt: true,
};
const EXPECTED = { ...EXPECTED_10, acks: { bodies: ['one', 'two'], redelivered: 'true' }, heart_beats: true };

beforeAll(async () => void (await pythonWithStomp()), 600_000);

describe.each(BROKERS)('stomp.py, %s', (kind) => {
  let broker: TestBroker;
  let relay: TestRelay;

  beforeAll(async () => {
    broker = await createBroker(kind);
    relay = await startRelay(broker.url, { session: { heartBeat: { sendMs: 300, expectMs: 300 } } });
  });
  afterAll(async () => {
    await relay?.stop();
    await broker?.delete();
  });

  test.each([
    ['tcp', '1.0'],
    ['tcp', '1.1'],
    ['tcp', '1.2'],
    ['websocket', '1.2'],
  ])(
    'stomp.py passes all its scenarios over %s with STOMP %s',
    async (transport, version) => {
      const { hostname, port } = new URL(transport === 'tcp' ? relay.tcpUrl : relay.webSocketUrl);
      const output = await runPython(PROGRAM, [transport, version, hostname, port], PROGRAM_MS);
      expect(JSON.parse(output)).toEqual(version === '1.0' ? EXPECTED_10 : EXPECTED);
    },
    PROGRAM_MS,
  );
});
