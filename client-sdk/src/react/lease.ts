/** Bridges a page that is replaced by another one, StrictMode's second mount, and hot reload. */
const RELEASE_MS = 250;

/**
 * Something that is there while anybody holds it, and a moment longer. Returns the function to hold it with; that returns the
 * one that lets go, to be called once.
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
