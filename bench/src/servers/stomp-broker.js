/** stomp-broker-js as in its manual. Argument: port. */
import { createServer } from 'node:http';
import StompServer from 'stomp-broker-js';

const http = createServer();
new StompServer({ server: http, path: '/ws' });
http.listen(Number(process.argv[2]), '127.0.0.1');
