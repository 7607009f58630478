/** What a browser tells a page about itself and the network. Where there is no browser, nothing is ever told. */

/** Returns a function that stops it. */
export function watchPage(listeners: {
  readonly online: () => void;
  readonly offline: () => void;
  /** The page is left. */
  readonly pagehide: () => void;
  /** It is back, from the page cache. */
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
