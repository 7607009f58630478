/** stomp-broker-js as in its manual. Argument: port. */
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

interface StompServerOptions {
  readonly server: unknown;
  readonly path: string;
}
const StompServer = createRequire(import.meta.url)('stomp-broker-js') as new (options: StompServerOptions) => unknown;

const http = createServer();
new StompServer({ server: http, path: '/ws' });
http.listen(Number(process.argv[2]), '127.0.0.1');
