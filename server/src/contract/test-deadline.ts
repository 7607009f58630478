/** Every wait of a test ends: with the awaited result, or with an error that shows the current state. */

/** `describe` is called at the deadline. It returns what was awaited and what has arrived so far. */
export async function withDeadline<T>(promise: Promise<T>, ms: number, describe: () => string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${describe()} (waited ${ms} ms)`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** For facts without an event, such as a count in RabbitMQ's management API: polls until `look` returns a value. */
export async function eventually<T>(
  look: () => Promise<T | undefined> | T | undefined,
  ms: number,
  describe: () => string,
): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const value = await look();
    if (value !== undefined) return value;
    if (Date.now() > end) throw new Error(`${describe()} (waited ${ms} ms)`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
