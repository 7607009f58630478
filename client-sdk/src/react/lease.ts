/** Bridges a change of pages, StrictMode's second mount, and hot reload. */
const RELEASE_MS = 250;

/**
 * Keeps something open while it has holders, and a moment longer. Returns a function that adds a holder. That function
 * returns another one that removes the holder; call it once.
 */
export function lease(open: () => void, close: () => void): () => () => void {
  let holders = 0;
  let isOpen = false;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = (): void => {
    isOpen = false;
    close();
  };
  return () => {
    clearTimeout(timer);
    holders++;
    if (!isOpen) open();
    isOpen = true;
    return () => {
      if (--holders === 0) timer = setTimeout(end, RELEASE_MS);
    };
  };
}
