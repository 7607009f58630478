/** A browser's events about the page and the network. Outside of a browser none occur. */

/** Returns a function that removes the listeners. */
export function watchPage(listeners: {
  readonly online: () => void;
  readonly offline: () => void;
  /** The user leaves the page. */
  readonly pagehide: () => void;
  /** The page returns from the page cache. */
  readonly pageshow: () => void;
  /** The tab is shown or hidden. */
  readonly visibilitychange: () => void;
}): () => void {
  const { window, document } = globalThis as Partial<typeof globalThis>;
  const stop = new AbortController();
  for (const [type, listener] of Object.entries(listeners)) {
    const target = type === 'visibilitychange' ? document : window;
    target?.addEventListener?.(type, listener, { signal: stop.signal });
  }
  return () => stop.abort();
}

export function isOffline(): boolean {
  return globalThis.navigator?.onLine === false;
}

/** Timers of a hidden tab may run only once a minute. */
export function isHidden(): boolean {
  return (globalThis.document as Document | undefined)?.hidden === true;
}
