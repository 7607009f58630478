/** The client asks why a relay refused a page, because browsers do not show the reason. */
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { askAdmission } from '../../../client-sdk/src/core/admission.js';
import { RelayError } from '../../../client-sdk/src/core/index.js';
import { nextState, open, openConnected, settled } from './open-client.js';

const REFUSED = { originAllowed: false, error: 'origin-not-allowed', message: 'Origin https://shop may not connect.' };

const urls: string[] = [];
let answer: (signal: AbortSignal) => Promise<unknown>;

beforeEach(() => {
  urls.length = 0;
  answer = () => Promise.resolve(REFUSED);
  const fetch = async (url: string, { signal }: { signal: AbortSignal }) => {
    urls.push(url);
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

describe('askAdmission', () => {
  test.each([
    ['ws://relay/ws', 'http://relay/ws/info?origin=https%3A%2F%2Fshop'],
    ['wss://relay:8443/ws/?token=secret', 'https://relay:8443/ws/info?origin=https%3A%2F%2Fshop'],
    ['ws://relay/', 'http://relay/info?origin=https%3A%2F%2Fshop'],
    ['ws://relay/ws/websocket', 'http://relay/ws/websocket/info?origin=https%3A%2F%2Fshop'],
  ])('requests the info address of %s', async (url, address) => {
    expect(await askAdmission(url, 1_000)).toEqual(REFUSED);
    expect(urls).toEqual([address]);
  });

  test('gives up after its deadline', async () => {
    answer = (signal) => new Promise((_, reject) => (signal.onabort = () => reject(signal.reason as Error)));
    expect(await askAdmission('ws://relay/ws', 1)).toEqual({});
  });

  test.each([
    ['null', null],
    ['a text', '<html>'],
  ])('ignores %s as an answer', async (_, body) => {
    answer = () => Promise.resolve(body);
    expect(await askAdmission('ws://relay/ws', 1_000)).not.toHaveProperty('originAllowed');
  });

  test('sends no request outside of a page, or without fetch', async () => {
    Reflect.deleteProperty(globalThis, 'origin');
    expect(await askAdmission('ws://relay/ws', 1_000)).toEqual({});
    Object.assign(globalThis, { origin: 'https://shop' });
    const { fetch } = globalThis;
    Object.assign(globalThis, { fetch: undefined });
    expect(await askAdmission('ws://relay/ws', 1_000)).toEqual({});
    Object.assign(globalThis, { fetch });
    expect(urls).toEqual([]);
  });
});

describe('a failed handshake', () => {
  const SLOW = { reconnectMinMs: 40_000, reconnectMaxMs: 640_000 };

  test('is final if the relay refuses the page, with the sentence of the relay', async () => {
    const { client, relay, states } = open(SLOW);
    const connecting = client.connect();
    (await relay.socket(0)).end(1006);
    const reason = new RelayError('origin-not-allowed', REFUSED.message);
    await expect(connecting).rejects.toEqual(reason);
    expect(client.state).toEqual({ name: 'refused', reason });
    expect(states).toEqual(['connecting', 'waiting', 'refused']);
  });

  test('is retried if the relay does not answer, and the client asks until it does', async () => {
    answer = () => Promise.reject(new TypeError('Failed to fetch'));
    const { client, relay } = open();
    client.connect().catch(() => {});
    for (const index of [0, 1, 2]) {
      (await relay.socket(index)).end(1006);
      await nextState(client, 'connecting');
      expect(urls).toHaveLength(index + 1);
    }
    answer = () => Promise.resolve({ originAllowed: true });
    for (const index of [3, 4, 5]) {
      (await relay.socket(index)).end(1006);
      await nextState(client, 'connecting');
    }
    expect(urls).toHaveLength(4);
    await (await relay.socket(6)).connect();
  });

  test('leads to no question after an earlier connection', async () => {
    const { client, socket, relay } = await openConnected();
    socket.end(1006);
    (await relay.socket(1)).end(1006);
    await nextState(client, 'connecting');
    expect(urls).toEqual([]);
  });

  test('is retried while the answer is outstanding, and the late answer is ignored', async () => {
    let resolveAnswer!: (body: unknown) => void;
    answer = () => new Promise((resolve) => (resolveAnswer = resolve));
    const { client, relay } = open();
    const connecting = client.connect();
    (await relay.socket(0)).end(1006);
    await (await relay.socket(1)).connect();
    await connecting;
    resolveAnswer(REFUSED);
    await settled();
    expect([client.state.name, urls.length]).toEqual(['connected', 1]);
  });

  test('an answer after `close` changes nothing', async () => {
    let resolveAnswer!: (body: unknown) => void;
    answer = () => new Promise((resolve) => (resolveAnswer = resolve));
    const { client, relay } = open(SLOW);
    client.connect().catch(() => {});
    (await relay.socket(0)).end(1006);
    await client.close();
    resolveAnswer(REFUSED);
    await settled();
    expect(client.state).toEqual({ name: 'closed' });
  });
});
