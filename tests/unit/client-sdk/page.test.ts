import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { nextState, openConnected, settled } from './open-client.js';

/** What of a browser the client looks at. */
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
  tell(type: 'pagehide' | 'pageshow'): void {
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
  test('when it goes, the connection is over at once; when it is back, there is a new one at once', async () => {
    const { client, relay, socket } = await openConnected(SLOW);
    page.goOffline();
    expect(client.state).toMatchObject({ name: 'offline', reason: { code: 'offline' }, attempt: 1 });
    expect(socket.readyState).toBe(3);
    page.goOnline();
    await (await relay.socket(1)).connect();
    await client.connect();
    expect(client.state.name).toBe('connected');
  });

  test('while it is gone it is tried now and then: browsers can be wrong', async () => {
    const { client, relay } = await openConnected(SLOW);
    page.goOffline();
    expect((client.state as { retryAt: number }).retryAt - Date.now()).toBe(45_000);
    await jest.advanceTimersByTimeAsync(45_000);
    await (await relay.socket(1)).connect();
    await client.connect();
  });

  test('when it goes during a pause, the pause is a long one', async () => {
    const { client, socket } = await openConnected(SLOW);
    socket.end(1006);
    expect(client.state.name).toBe('waiting');
    page.goOffline();
    expect(client.state).toMatchObject({ name: 'offline', retryAt: Date.now() + 45_000 });
  });

  test('back online counts in a hidden tab, too', async () => {
    const { client, relay } = await openConnected(SLOW);
    page.show(false);
    page.goOffline();
    page.goOnline();
    await (await relay.socket(1)).connect();
    expect(client.state.name).toBe('connected');
  });
});

describe('the page', () => {
  test('cuts a pause short when it is shown, not when it is hidden', async () => {
    const { client, socket, relay } = await openConnected(SLOW);
    socket.end(1006);
    page.show(false);
    expect(client.state.name).toBe('waiting');
    page.show(true);
    await (await relay.socket(1)).connect();
    expect(client.state.name).toBe('connected');
  });

  test('has no connection while it is in the page cache, and a new one when it is back', async () => {
    const { client, socket, relay } = await openConnected(SLOW);
    page.tell('pagehide');
    expect([client.state.name, socket.readyState]).toEqual(['waiting', 3]);
    page.tell('pageshow');
    await (await relay.socket(1)).connect();
    expect(client.state.name).toBe('connected');
  });

  test('is listened to while the client wants a connection, and no longer', async () => {
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
    page.tell('pageshow');
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

test('a connection that is there is left alone', async () => {
  const { client, relay } = await openConnected(SLOW);
  page.tell('pageshow');
  page.goOnline();
  page.show(true);
  await settled();
  expect([client.state.name, relay.sockets.length]).toEqual(['connected', 1]);
});

describe('in a hidden tab', () => {
  test('beats are answered when they arrive, as its timers may come too late', async () => {
    const { socket } = await openConnected(SLOW);
    socket.beat();
    expect(socket.beats).toBe(0);
    page.show(false);
    socket.beat();
    socket.beat();
    expect(socket.beats).toBe(1);
    await jest.advanceTimersByTimeAsync(500);
    socket.beat();
    expect(socket.beats).toBe(2);
  });

  test('none are sent where none are wanted', async () => {
    const { socket } = await openConnected({ ...SLOW, heartBeatMs: 0 });
    page.show(false);
    socket.beat();
    expect(socket.beats).toBe(0);
  });
});
