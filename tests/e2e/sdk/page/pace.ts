/** How well a page keeps up: the frames that it makes, and what holds them up. */

export interface Pace {
  readonly ms: number;
  readonly frames: number;
  /** Tasks above 50 ms. */
  readonly longTasks: number;
}

/** From now until `isOver`, which is asked in each frame. */
export function measurePace(isOver: (frames: number) => boolean): Promise<Pace> {
  let longTasks = 0;
  const observer = new PerformanceObserver((list) => (longTasks += list.getEntries().length));
  observer.observe({ type: 'longtask' });
  return new Promise((resolve) => {
    let frames = 0;
    let begin: number | undefined;
    const step = (now: number): void => {
      begin ??= now;
      if (!isOver(frames)) {
        frames++;
        requestAnimationFrame(step);
        return;
      }
      longTasks += observer.takeRecords().length;
      observer.disconnect();
      resolve({ ms: now - begin, frames, longTasks });
    };
    requestAnimationFrame(step);
  });
}
