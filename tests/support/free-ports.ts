/**
 * Finds free TCP ports below the range from which the kernel takes the ports of clients. A server that stops and starts
 * again finds its port free, because no connection can have taken it meanwhile.
 */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';

const LOWEST = 10_000;
/** Linux takes client ports from 32,768 on, other systems from 49,152. */
const END = 32_768;
const TRIES_MAX = 1_000;

/** Holds all of them at once, so that they differ, and then releases them. */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  for (let tries = 0; servers.length < count; tries++) {
    if (tries === TRIES_MAX) throw new Error(`no ${count} free ports from ${LOWEST} to ${END - 1}`);
    const server = createServer().listen(randomInt(LOWEST, END), '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (isFree) servers.push(server);
  }
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
