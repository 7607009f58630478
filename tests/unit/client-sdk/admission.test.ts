/** Why a relay does not let a page in: browsers do not show it, so the client asks. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { askAdmission } from '../../../client-sdk/src/core/admission.js';
import { RelayError } from '../../../client-sdk/src/core/index.js';
import { nextState, open, openConnected, settled } from './open-client.js';

const REFUSED = { originAllowed: false, error: 'origin-not-allowed', message: 'Origin https://shop may not connect.' };

const asked: string[] = [];
let answer: (signal: AbortSignal) => Promise<unknown>;

beforeEach(() => {
  asked.length = 0;
  answer = () => Promise.resolve(REFUSED);
  const fetch = async (url: string, { signal }: { signal: AbortSignal }) => {
    asked.push(url);
    const body = await answer(signal);
    return { json: () => body };
  };
  Object.assign(globalThis, { origin: 'https://shop' });
  jest.spyOn(globalThis, 'fetch').mockImplementation(fetch as unknown as typeof globalThis.fetch);
});
afterEach(() => {
  jest.restoreAllMocks();
  Reflect.deleteProperty(globalThis, 'origin');
});

describe('asking', () => {
  test.each([
    ['ws://relay/ws', 'http://relay/ws/info?origin=https%3A%2F%2Fshop'],
    ['wss://relay:8443/ws/?token=secret', 'https://relay:8443/ws/info?origin=https%3A%2F%2Fshop'],
    ['ws://relay/', 'http://relay/info?origin=https%3A%2F%2Fshop'],
    ['ws://relay/ws/websocket', 'http://relay/ws/websocket/info?origin=https%3A%2F%2Fshop'],
  ])('about %s', async (url, address) => {
    expect(await askAdmission(url, 1_000)).toEqual(REFUSED);
    expect(asked).toEqual([address]);
  });

  test('has a deadline', async () => {
    answer = (signal) => new Promise((_, reject) => (signal.onabort = () => reject(signal.reason as Error)));
    expect(await askAdmission('ws://relay/ws', 1)).toEqual({});
  });

  test.each([
    ['null', null],
    ['a text', '<html>'],
  ])('%s is no answer', async (_, body) => {
    answer = () => Promise.resolve(body);
    expect(await askAdmission('ws://relay/ws', 1_000)).not.toHaveProperty('originAllowed');
  });

  test('is not done outside of a page, or where there is no fetch', async () => {
    Reflect.deleteProperty(globalThis, 'origin');
    expect(await askAdmission('ws://relay/ws', 1_000)).toEqual({});
    Object.assign(globalThis, { origin: 'https://shop' });
    const { fetch } = globalThis;
    Object.assign(globalThis, { fetch: undefined });
    expect(await askAdmission('ws://relay/ws', 1_000)).toEqual({});
    Object.assign(globalThis, { fetch });
    expect(asked).toEqual([]);
  });
});

describe('a handshake that fails', () => {
  const SLOW = { reconnectMinMs: 40_000, reconnectMaxMs: 640_000 };

  test('is refused for good where the relay says so, in its words', async () => {
    const { client, relay, states } = open(SLOW);
    const connecting = client.connect();
    (await relay.socket(0)).end(1006);
    const reason = new RelayError('origin-not-allowed', REFUSED.message);
    await expect(connecting).rejects.toEqual(reason);
    expect(client.state).toEqual({ name: 'refused', reason });
    expect(states).toEqual(['connecting', 'waiting', 'refused']);
  });

  test('is tried again where the relay does not answer, and asked about until it does', async () => {
    answer = () => Promise.reject(new TypeError('Failed to fetch'));
    const { client, relay } = open();
    client.connect().catch(() => {});
    for (const index of [0, 1, 2]) {
      (await relay.socket(index)).end(1006);
      await nextState(client, 'connecting');
      expect(asked).toHaveLength(index + 1);
    }
    answer = () => Promise.resolve({ originAllowed: true });
    for (const index of [3, 4, 5]) {
      (await relay.socket(index)).end(1006);
      await nextState(client, 'connecting');
    }
    expect(asked).toHaveLength(4);
    await (await relay.socket(6)).connect();
  });

  test('is not asked about behind a connection that was made', async () => {
    const { client, socket, relay } = await openConnected();
    socket.end(1006);
    (await relay.socket(1)).end(1006);
    await nextState(client, 'connecting');
    expect(asked).toEqual([]);
  });

  test('is tried again while the answer is waited for, which then counts no more', async () => {
    let give!: (body: unknown) => void;
    answer = () => new Promise((resolve) => (give = resolve));
    const { client, relay } = open();
    const connecting = client.connect();
    (await relay.socket(0)).end(1006);
    await (await relay.socket(1)).connect();
    await connecting;
    give(REFUSED);
    await settled();
    expect([client.state.name, asked.length]).toEqual(['connected', 1]);
  });

  test('an answer after close changes nothing', async () => {
    let give!: (body: unknown) => void;
    answer = () => new Promise((resolve) => (give = resolve));
    const { client, relay } = open(SLOW);
    client.connect().catch(() => {});
    (await relay.socket(0)).end(1006);
    await client.close();
    give(REFUSED);
    await settled();
    expect(client.state).toEqual({ name: 'closed' });
  });
});
