import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { nextState, openConnected, settled } from './open-client.js';

/** The parts of a browser that the client uses. */
class FakePage {
  readonly window = new EventTarget();
  readonly document = Object.assign(new EventTarget(), { hidden: false });
  readonly navigator = { onLine: true };
  listeners = 0;

  constructor() {
    for (const target of [this.window, this.document]) {
      const add = target.addEventListener.bind(target);
      target.addEventListener = (type, listener, options) => {
        this.listeners++;
        (options as { signal: AbortSignal }).signal.addEventListener('abort', () => void this.listeners--);
        add(type, listener, options);
      };
    }
  }
  goOffline(): void {
    this.navigator.onLine = false;
    this.window.dispatchEvent(new Event('offline'));
  }
  goOnline(): void {
    this.navigator.onLine = true;
    this.window.dispatchEvent(new Event('online'));
  }
  show(isShown: boolean): void {
    this.document.hidden = !isShown;
    this.document.dispatchEvent(new Event('visibilitychange'));
  }
  dispatch(type: 'pagehide' | 'pageshow'): void {
    this.window.dispatchEvent(new Event(type));
  }
}

const SLOW = { reconnectMinMs: 40_000, reconnectMaxMs: 60_000, heartBeatMs: 1_000 };
const NAMES = ['window', 'document', 'navigator'] as const;
const before = NAMES.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
let page: FakePage;

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
  jest.spyOn(Math, 'random').mockReturnValue(0.5);
  page = new FakePage();
  for (const name of NAMES) Object.defineProperty(globalThis, name, { value: page[name], configurable: true });
});
afterEach(() => {
  for (const [name, descriptor] of before) {
    if (descriptor) Object.defineProperty(globalThis, name, descriptor);
    else Reflect.deleteProperty(globalThis, name);
  }
  jest.restoreAllMocks();
  jest.useRealTimers();
});

describe('the network', () => {
  test('ends the connection at once when it is lost, and leads to a new one at once when it is back', async () => {
    const { client, relay, socket } = await openConnected(SLOW);
    page.goOffline();
    expect(client.state).toMatchObject({ name: 'offline', reason: { code: 'offline' }, attempt: 1 });
    expect(socket.readyState).toBe(3);
    page.goOnline();
    await (await relay.socket(1)).connect();
    await client.connect();
    expect(client.state.name).toBe('connected');
  });

  test('is tried at long intervals while the browser reports it lost: browsers can be wrong', async () => {
    const { client, relay } = await openConnected(SLOW);
    page.goOffline();
    expect((client.state as { retryAt: number }).retryAt - Date.now()).toBe(45_000);
    await jest.advanceTimersByTimeAsync(45_000);
    await (await relay.socket(1)).connect();
    await client.connect();
  });

  test('makes a pause long if it is lost during the pause', async () => {
    const { client, socket } = await openConnected(SLOW);
    socket.end(1006);
    expect(client.state.name).toBe('waiting');
    page.goOffline();
    expect(client.state).toMatchObject({ name: 'offline', retryAt: Date.now() + 45_000 });
  });

  test('leads to a new connection in a hidden tab too', async () => {
    const { client, relay } = await openConnected(SLOW);
    page.show(false);
    page.goOffline();
    page.goOnline();
    await (await relay.socket(1)).connect();
    expect(client.state.name).toBe('connected');
  });
});

describe('the page', () => {
  test('ends a pause when it is shown, not when it is hidden', async () => {
    const { client, socket, relay } = await openConnected(SLOW);
    socket.end(1006);
    page.show(false);
    expect(client.state.name).toBe('waiting');
    page.show(true);
    await (await relay.socket(1)).connect();
    expect(client.state.name).toBe('connected');
  });

  test('has no connection in the page cache, and a new one when it returns', async () => {
    const { client, socket, relay } = await openConnected(SLOW);
    page.dispatch('pagehide');
    expect([client.state.name, socket.readyState]).toEqual(['waiting', 3]);
    page.dispatch('pageshow');
    await (await relay.socket(1)).connect();
    expect(client.state.name).toBe('connected');
  });

  test('has listeners only while the client needs a connection', async () => {
    const { client, socket, relay } = await openConnected(SLOW);
    expect(page.listeners).toBe(5);
    socket.end(1006);
    const waiting = client.state.name;
    page.goOnline();
    await (await relay.socket(1)).connect();
    expect([waiting, page.listeners]).toEqual(['waiting', 5]);
    relay.sockets[1]?.end(4403);
    expect([client.state.name, page.listeners]).toEqual(['refused', 0]);
    page.goOnline();
    page.dispatch('pageshow');
    page.show(true);
    expect(client.state.name).toBe('refused');
    void client.connect();
    expect(page.listeners).toBe(5);
    const closed = nextState(client, 'closed');
    void client.close();
    await closed;
    expect(page.listeners).toBe(0);
  });
});

test('an open connection stays when the page returns or is shown', async () => {
  const { client, relay } = await openConnected(SLOW);
  page.dispatch('pageshow');
  page.goOnline();
  page.show(true);
  await settled();
  expect([client.state.name, relay.sockets.length]).toEqual(['connected', 1]);
});

describe('in a hidden tab', () => {
  test('heart-beats are answered on arrival, because timers may be too late', async () => {
    const { socket } = await openConnected(SLOW);
    socket.sendHeartBeat();
    expect(socket.heartBeats).toBe(0);
    page.show(false);
    socket.sendHeartBeat();
    socket.sendHeartBeat();
    expect(socket.heartBeats).toBe(1);
    await jest.advanceTimersByTimeAsync(500);
    socket.sendHeartBeat();
    expect(socket.heartBeats).toBe(2);
  });

  test('no heart-beats are sent if they are disabled', async () => {
    const { socket } = await openConnected({ ...SLOW, heartBeatMs: 0 });
    page.show(false);
    socket.sendHeartBeat();
    expect(socket.heartBeats).toBe(0);
  });
});
