/** Heart-beats in both directions (STOMP 1.2, "Heart-beating"), and silent clients. */
import { describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/deadline.js';
import { TRANSPORTS } from '../../support/relay.js';
import { expectRefusal, stageRelays, unique } from './relay-stage.js';

describe.each(TRANSPORTS)('over %s', (transport) => {
  const stage = stageRelays('memory', {
    config: { session: { heartBeat: { sendMs: 200, expectMs: 200 }, connectTimeoutMs: 500 } },
  });

  test('CONNECTED has the heart-beat intervals of the relay, whatever the client sent', async () => {
    for (const asked of [{}, { 'heart-beat': '0,0' }, { 'heart-beat': '10000,10000' }]) {
      const { connected } = await stage.connect(transport, asked);
      expect(connected?.headers['heart-beat']).toBe('200,200');
    }
  });

  test.each(['10000, 10000', ' 10000,10000 ', '0,0', '1,0', '0,1', '2147483647,2147483647', '010,0'])(
    'heart-beat:%s is accepted',
    async (value) => {
      await stage.connect(transport, { 'heart-beat': value });
    },
  );

  test.each(['', 'abc', '1', '1,', ',1', '-1,0', '0,-1', '1,2,3', '1;2', '1.5,2', '1e3,0', '0x10,0', '99999999999,0'])(
    'heart-beat:%s is refused',
    async (value) => {
      const client = await stage.open(transport);
      client.sendFrame('CONNECT', { 'accept-version': '1.2', 'heart-beat': value });
      await expectRefusal(client, 'invalid-header');
    },
  );

  test.each(['1.1', '1.2'])('in %s the relay sends heart-beats at the negotiated interval', async (version) => {
    const client = await stage.connect(transport, { 'accept-version': version, 'heart-beat': '0,200' });
    const began = Date.now();
    await eventually(
      () => (client.beats >= 5 ? true : undefined),
      10_000,
      () => `${client.beats} beats`,
    );
    // The interval is 200 ms. A slow machine may send beats late, so only a lower bound is checked.
    expect(Date.now() - began).toBeGreaterThan(5 * 50);
    expect(client.received()).toEqual([]);
  });

  test('the longer of the two intervals counts', async () => {
    const slow = await stage.connect(transport, { 'heart-beat': '0,60000' });
    const fast = await stage.connect(transport, { 'heart-beat': '0,1' });
    await eventually(
      () => (fast.beats >= 5 ? true : undefined),
      10_000,
      () => `${fast.beats} beats`,
    );
    expect(slow.beats).toBe(0);
  });

  test.each([{}, { 'heart-beat': '0,0' }, { 'heart-beat': '200,0' }])(
    'with %j the relay sends no heart-beats',
    async (headers) => {
      const none = await stage.connect(transport, headers);
      const some = await stage.connect(transport, { 'heart-beat': '0,200' });
      const beating = setInterval(() => !none.isClosed && none.send('\n'), 50);
      await eventually(
        () => (some.beats >= 5 ? true : undefined),
        10_000,
        () => `${some.beats} beats`,
      );
      clearInterval(beating);
      expect(none.beats).toBe(0);
    },
  );

  test('a silent client that promised heart-beats gets an ERROR and is closed', async () => {
    const client = await stage.connect(transport, { 'heart-beat': '200,0' });
    await expectRefusal(client, 'heart-beat-timeout', undefined, 4408);
  });

  test('a client that promised no heart-beats may stay silent', async () => {
    const silent = await stage.connect(transport, { 'heart-beat': '0,200' });
    const promised = await stage.connect(transport, { 'heart-beat': '200,0' });
    await promised.expectError({ code: 'heart-beat-timeout' });
    await silent.receipt('BEGIN', { transaction: 't' });
  });

  test.each(['\n', '\r\n', 'SEND\n', 'a part of a frame, byte by byte'])(
    'any byte counts as a heart-beat of the client: %j',
    async (bytes) => {
      const client = await stage.connect(transport, { 'heart-beat': '200,0' });
      const silent = await stage.connect(transport, { 'heart-beat': '200,0' });
      const isFrame = bytes === 'SEND\n';
      const stream = isFrame ? `SEND\ndestination:/topic/${unique()}\n\n${'x'.repeat(1_000)}` : '\n'.repeat(1_000);
      let at = 0;
      const beating = setInterval(() => client.send(bytes === '\r\n' ? bytes : stream.charAt(at++)), 40);
      await silent.expectError({ code: 'heart-beat-timeout' });
      clearInterval(beating);
      client.send(isFrame ? `${stream.slice(at)}\0` : '\n');
      await client.receipt('BEGIN', { transaction: 't' });
    },
  );

  test('the relay sends heart-beats also while it delivers messages', async () => {
    const destination = `/topic/${unique()}`;
    const client = await stage.connect(transport, { 'heart-beat': '0,200' });
    await client.receipt('SUBSCRIBE', { id: 's', destination });
    const sending = setInterval(() => client.sendFrame('SEND', { destination }, 'x'), 10);
    await client.take((f) => f.command === 'MESSAGE', 'a message');
    clearInterval(sending);
    await eventually(
      () => (client.beats >= 2 ? true : undefined),
      10_000,
      () => `${client.beats} beats`,
    );
  });

  test('a connection without CONNECT ends with connect-timeout', async () => {
    const client = await stage.open(transport);
    await expectRefusal(client, 'connect-timeout', undefined, 4408);
  });

  test('EOLs before CONNECT do not extend the time for CONNECT', async () => {
    const client = await stage.open(transport);
    const beating = setInterval(() => !client.isClosed && client.send('\n'), 50);
    await expectRefusal(client, 'connect-timeout', undefined, 4408);
    clearInterval(beating);
  });

  test('a CONNECT that arrives too slowly, byte by byte, ends with connect-timeout', async () => {
    const client = await stage.open(transport);
    const stream = `CONNECT\naccept-version:1.2\nx-a:${'x'.repeat(1_000)}`;
    let at = 0;
    const dripping = setInterval(() => !client.isClosed && client.send(stream.charAt(at++)), 20);
    await expectRefusal(client, 'connect-timeout', undefined, 4408);
    clearInterval(dripping);
  });
});
