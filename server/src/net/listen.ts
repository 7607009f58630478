/** Opens a port for a server. Workers have another way to get their clients (workers/worker-ports.ts). */
import type { AddressInfo, Server } from 'node:net';

export interface Place {
  /** 0 selects a free port. */
  readonly port: number;
  readonly host: string;
  /** Limit of the connections that wait in the kernel to be accepted. */
  readonly backlog: number;
}

/** Resolves with the address when the server gets clients. */
export type Listen = (server: Server, place: Place) => Promise<AddressInfo>;

export const listen: Listen = (server, { port, host, backlog }) =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, backlog, () => {
      server.off('error', reject);
      resolve(server.address() as AddressInfo);
    });
  });
