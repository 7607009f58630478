/** A hidden tab has no animation frames, nor has Node: a timer takes their place there. */
const HIDDEN_MS = 1_000;
const WITHOUT_FRAMES_MS = 16;

/**
 * One look at the news per animation frame for all components of a client: however many messages came in between, each
 * component renders once, and all of them together. What is handed to the function that this returns is called in the next
 * frame, and once however often it is handed over until then.
 */
export function perFrame(): (render: () => void) => void {
  const due = new Set<() => void>();
  let frame: number | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const run = (): void => {
    clearTimeout(timer);
    if (frame) cancelAnimationFrame(frame);
    const now = [...due];
    due.clear();
    for (const render of now) render();
  };
  return (render) => {
    if (due.size === 0) {
      frame = globalThis.requestAnimationFrame?.(run);
      timer = setTimeout(run, frame ? HIDDEN_MS : WITHOUT_FRAMES_MS);
    }
    due.add(render);
  };
}
