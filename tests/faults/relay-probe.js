/**
 * Runs inside a relay under test (`node --import`), and answers each request over IPC when it is done. It shifts the
 * wall clock as the relay sees it. Timers and `performance.now` use another clock, which cannot be set.
 */
import { setImmediate } from 'node:timers';
import { writeSync } from 'node:fs';

const wallClock = Date.now;
let shiftMs = 0;

globalThis.Date = class extends Date {
  constructor(...given) {
    if (given.length === 0) super(wallClock() + shiftMs);
    else super(...given);
  }
  static now() {
    return wallClock() + shiftMs;
  }
};

const requests = {
  report: async () => {
    for (let i = 0; i < 3; i++) {
      await new Promise((done) => setImmediate(done));
      globalThis.gc();
    }
    return { heapBytes: process.memoryUsage().heapUsed, resources: process.getActiveResourcesInfo() };
  },
  shiftClock: (ms) => void (shiftMs = ms),
  fillLog: () => {
    const { fd } = process.stderr; // the first access makes it non-blocking
    try {
      for (;;) writeSync(fd, '\n'.repeat(1_024));
    } catch (error) {
      if (error.code !== 'EAGAIN') throw error;
    }
  },
};

process.on('message', async ([request, argument]) => process.send({ answer: await requests[request](argument) }));
