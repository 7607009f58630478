import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** HTTP servers of one test file. */
export class TestServers {
  private readonly servers: Server[] = [];

  /** Serves `app` on a free port of 127.0.0.1. Returns its address. */
  async serve(app: RequestListener): Promise<string> {
    const server = createServer(app).listen(0, '127.0.0.1');
    this.servers.push(server);
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  close(): void {
    for (const server of this.servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  }
}
