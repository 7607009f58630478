/** The contract between transports and sessions, over real sockets. The test of each transport calls it with a rig. */
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../../../support/deadline.js';
import type { RecordingListener } from './recording-listener.js';

/** A client for the transport, implemented independently of it. */
export interface RigClient {
  send(bytes: Buffer): void;
  /** The received text, without the framing of the wire. */
  readonly text: string;
  untilText(isEnough: (text: string) => boolean): Promise<void>;
  stopReading(): void;
  resumeReading(): void;
  /** Resets the connection (RST). */
  vanish(): void;
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>;
}

export interface Rig {
  readonly closeTimeoutMs: number;
  connect(): Promise<{ client: RigClient; session: RecordingListener }>;
  readonly connectionCount: number;
  close(): Promise<void>;
}

const frame = (text: string) => Buffer.from(text);
const BIG = frame(`${'x'.repeat(1_000_000)}\n`);

export function describeTransport(name: string, openRig: () => Promise<Rig>): void {
  describe(`${name}: the contract of a transport`, () => {
    let rig: Rig;
    beforeEach(async () => {
      rig = await openRig();
    });
    afterEach(() => rig.close());

    async function connectTimes(count: number) {
      const pairs: Awaited<ReturnType<Rig['connect']>>[] = [];
      while (pairs.length < count) pairs.push(await rig.connect());
      return pairs;
    }

    test('hands over a connection with its id, peer and encoding', async () => {
      const { session } = await rig.connect();
      const other = await rig.connect();
      expect(session.peer.address).toMatch(/127\.0\.0\.1$/);
      expect(session.connection.id).not.toBe(other.session.connection.id);
      expect(session.connection.id).toMatch(/^~[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
      expect(session.connection.encoding).toBe(other.session.connection.encoding);
      expect(session.connection.bufferedBytes).toBe(0);
      expect(rig.connectionCount).toBe(2);
    });

    test('keeps the order of bytes in both directions', async () => {
      const { client, session } = await rig.connect();
      const numbers = Array.from({ length: 500 }, (_, index) => `${index}\n`);
      for (const line of numbers) client.send(frame(line));
      for (const line of numbers) session.connection.write(session.connection.encoding.wrap(frame(line), true));
      await session.until(() => session.text.endsWith('499\n'));
      await client.untilText((text) => text.endsWith('499\n'));
      expect(session.text).toBe(numbers.join(''));
      expect(client.text).toBe(numbers.join(''));
    });

    test('carries any bytes, of any length, text and binary mixed', async () => {
      const { client, session } = await rig.connect();
      const { connection } = session;
      for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 100_000]) {
        connection.write(connection.encoding.wrap(frame('é'.repeat(length)), true));
        connection.write(connection.encoding.wrap(Buffer.alloc(length, 0x41), false));
      }
      connection.write(connection.encoding.wrap(frame('end'), true));
      await client.untilText((text) => text.endsWith('end'));
      const expected = [0, 1, 125, 126, 127, 65_535, 65_536, 100_000].map((n) => 'é'.repeat(n) + 'A'.repeat(n));
      expect(client.text === `${expected.join('')}end`).toBe(true);
    });

    test('is cut off with everything that waits for the client', async () => {
      const { client, session } = await rig.connect();
      client.stopReading();
      const { connection } = session;
      const wrapped = connection.encoding.wrap(BIG, true);
      while (connection.write(wrapped)) expect(connection.bufferedBytes).toBe(0);
      connection.cutOff();
      await session.untilCalled('close');
      client.resumeReading();
      await client.closed;
      expect(rig.connectionCount).toBe(0);
    });

    test('takes several wrapped frames in one write, and the same bytes on many connections', async () => {
      const pairs = await connectTimes(5);
      const { encoding } = pairs[0]!.session.connection;
      const batch = Buffer.concat(['a', 'b', 'c'].map((text) => encoding.wrap(frame(text), true)));
      for (const { session } of pairs) session.connection.write(batch);
      await Promise.all(pairs.map(({ client }) => client.untilText((text) => text === 'abc')));
    });

    test('returns false when bytes stay buffered, counts them, and raises onDrain when they are gone', async () => {
      const { client, session } = await rig.connect();
      const { connection } = session;
      const wrapped = connection.encoding.wrap(BIG, true);
      client.stopReading();
      let writes = 1;
      while (connection.write(wrapped) || connection.bufferedBytes < 3_000_000) writes++;
      expect(connection.bufferedBytes).toBeGreaterThan(0);
      session.calls.length = 0;
      client.resumeReading();
      await session.until(() => session.calls.includes('drain') && connection.bufferedBytes === 0);
      await client.untilText((text) => text.length === writes * BIG.length);
    });

    test('counts the bytes that the kernel has taken while the client reads', async () => {
      const { client, session } = await rig.connect();
      const { connection } = session;
      const before = connection.sentBytes;
      connection.write(connection.encoding.wrap(BIG, true));
      await client.untilText((text) => text.length === BIG.length);
      await session.until(() => connection.bufferedBytes === 0);
      expect(connection.sentBytes - before).toBeGreaterThanOrEqual(BIG.length);
      expect(connection.sentBytes - before).toBeLessThan(BIG.length + 100);
    });

    test('counts the bytes that the kernel has taken in the middle of a large write', async () => {
      const { client, session } = await rig.connect();
      const { connection } = session;
      client.stopReading();
      const length = 64 * 1024 * 1024;
      connection.write(connection.encoding.wrap(Buffer.alloc(length, 'x'), true));
      const before = connection.sentBytes;
      client.resumeReading();
      await eventually(
        () => (connection.sentBytes > before ? true : undefined),
        10_000,
        () => 'nothing was counted',
      );
      expect(connection.sentBytes).toBeLessThan(length);
      expect(connection.bufferedBytes).toBeGreaterThan(0);
    });

    test('reads only bytes in flight after pause, and all bytes after resume', async () => {
      const { client, session } = await rig.connect();
      client.send(frame('first'));
      await session.until(() => session.text === 'first');
      session.connection.pause();
      const chunks = 40;
      for (let count = 0; count < chunks; count++) client.send(Buffer.alloc(1_000_000, 0x42));
      // Data on another connection proves that the server had time to read.
      const other = await rig.connect();
      other.client.send(frame('hello'));
      await other.session.untilCalled('data');
      expect(session.text.length).toBeLessThan(2_000_000);
      session.connection.resume();
      await session.until(
        () => session.chunks.reduce((sum, chunk) => sum + chunk.length, 0) === 5 + chunks * 1_000_000,
      );
    });

    test('close flushes written bytes, then raises onClose once', async () => {
      const { client, session } = await rig.connect();
      const { connection } = session;
      for (let count = 0; count < 5; count++) connection.write(connection.encoding.wrap(BIG, true));
      connection.close(1000, 'done');
      connection.close(1011, 'again');
      await client.closed;
      await session.untilCalled('close');
      expect(client.text.length).toBe(5 * BIG.length);
      expect(session.calls.filter((call) => call === 'close')).toHaveLength(1);
      expect(rig.connectionCount).toBe(0);
    });

    test('after close nothing is written, and only onClose is raised', async () => {
      const { client, session } = await rig.connect();
      const { connection } = session;
      connection.close(1000, '');
      session.calls.length = 0;
      client.send(frame('too late'));
      expect(connection.write(connection.encoding.wrap(frame('too late'), true))).toBe(true);
      await session.untilCalled('close');
      expect(session.calls).toEqual(['close']);
      expect(client.text).toBe('');
      expect(connection.write(connection.encoding.wrap(frame('too late'), true))).toBe(true);
    });

    test('close works while reading is paused', async () => {
      const { client, session } = await rig.connect();
      session.connection.pause();
      session.connection.close(1000, '');
      await Promise.all([client.closed, session.untilCalled('close')]);
    });

    test('a client that stops reading is cut off at the close deadline', async () => {
      const { client, session } = await rig.connect();
      const { connection } = session;
      client.stopReading();
      const wrapped = connection.encoding.wrap(BIG, true);
      while (connection.write(wrapped) || connection.bufferedBytes < 3_000_000);
      connection.close(1000, '');
      await session.untilCalled('close');
      client.vanish();
    });

    test('detects a peer that vanishes; other connections are not affected', async () => {
      const gone = await rig.connect();
      const healthy = await rig.connect();
      gone.client.vanish();
      const { connection } = gone.session;
      connection.write(connection.encoding.wrap(BIG, true));
      await gone.session.untilCalled('close');
      connection.write(connection.encoding.wrap(BIG, true));
      connection.pause();
      connection.resume();
      connection.close(1000, '');
      healthy.client.send(frame('still here'));
      await healthy.session.until(() => healthy.session.text === 'still here');
      expect(gone.session.calls.filter((call) => call === 'close')).toHaveLength(1);
    });

    test('a closed transport leaves no connection behind', async () => {
      const pairs = await connectTimes(2);
      await rig.close();
      expect(rig.connectionCount).toBe(0);
      expect(pairs.map(({ session }) => session.calls.at(-1))).toEqual(['close', 'close']);
    });
  });
}
