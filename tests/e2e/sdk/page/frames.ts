/** Counts animation frames until `isOver` returns true. It is called in each frame. */
export function countFrames(isOver: () => boolean): Promise<number> {
  return new Promise((resolve) => {
    let frames = 0;
    const step = (): void => {
      if (isOver()) return resolve(frames);
      frames++;
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  });
}
