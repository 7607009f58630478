/** Hidden tabs and Node have no animation frames, so a timer replaces them. */
const HIDDEN_MS = 1_000;
const WITHOUT_FRAMES_MS = 16;

/**
 * Returns a function that schedules a render for the next animation frame. Each component renders once per frame
 * however many messages arrived, and all components of a client render together.
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
