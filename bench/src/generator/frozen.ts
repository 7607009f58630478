/**
 * Subscribers that stop reading, like clients whose process is suspended. The kernel buffers megabytes for such a
 * client, enough for a whole run. These buffers are filled first; from then on each message for a frozen subscriber
 * stays with the server.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Client } from './client.js';
import type { Load } from './load.js';
import { PROTOCOLS } from './protocols.js';

const BALLAST_BYTES = 7 * 1024 * 1024;
const MESSAGE_BYTES = 64 * 1024;
/** Time for all of it to reach the server before other subscribers join. */
const SETTLE_MS = 2_000;

/** Opens subscribers of topic 0 and freezes them. */
export async function openFrozen(load: Load): Promise<Client[]> {
  const frozen = await Promise.all(Array.from({ length: load.frozen ?? 0 }, (_, index) => open(load, index, false)));
  if (frozen.length === 0) return frozen;
  for (const client of frozen) client.freeze();
  const publisher = await open(load, 0, true);
  const message = publisher.frame(PROTOCOLS[load.protocol].publish(0, Buffer.alloc(MESSAGE_BYTES, 'x')));
  for (let sent = 0; sent < BALLAST_BYTES; sent += MESSAGE_BYTES) publisher.write(message);
  await delay(SETTLE_MS);
  publisher.close();
  return frozen;
}

function open(load: Load, index: number, isPublisher: boolean): Promise<Client> {
  return new Promise((resolve, reject) => {
    new Client({ index, isPublisher, topic: 0 }, load, PROTOCOLS[load.protocol], {
      arrived() {},
      ready: resolve,
      ended: (_client, why) => reject(new Error(`no frozen subscriber: ${why}`)),
      delivered() {},
      malformed() {},
    });
  });
}
