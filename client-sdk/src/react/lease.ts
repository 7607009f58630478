/** Bridges a change of pages and hot reload. StrictMode's second mount comes at once. */
const RELEASE_MS = 250;

export interface Lease {
  /** Adds a holder. Returns a function that removes it; call that one once. */
  readonly hold: () => () => void;
  /** Closes at once. */
  readonly end: () => void;
}

/** Keeps something open while it has holders, and a moment longer: if `isBrief`, only until the running code ends. */
export function lease(open: () => void, close: () => void, isBrief = false): Lease {
  let holders = 0;
  let isOpen = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = (): void => {
    if (isOpen) close();
    isOpen = false;
  };
  const hold = (): (() => void) => {
    clearTimeout(timer);
    holders++;
    if (!isOpen) open();
    isOpen = true;
    return () => {
      if (--holders > 0) return;
      if (isBrief) void Promise.resolve().then(() => holders > 0 || end());
      else timer = setTimeout(end, RELEASE_MS);
    };
  };
  return { hold, end };
}
