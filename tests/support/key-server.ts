/** A server on loopback for an identity provider's public keys (JWKS). */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Inbox } from '../../server/src/contract/test-inbox.js';
import type { TokenIssuer } from './tokens.js';

export interface KeyServer {
  readonly url: string;
  readonly requests: Inbox<IncomingMessage>;
  /** Replaces the keys. */
  publish(...issuers: readonly TokenIssuer[]): void;
  /** Writes each response; can be replaced. */
  answer: (response: ServerResponse) => void;
  close(): Promise<void>;
}

export async function startKeyServer(...issuers: readonly TokenIssuer[]): Promise<KeyServer> {
  const requests = new Inbox<IncomingMessage>('request for keys');
  const server = createServer((request, response) => {
    requests.add(request);
    keyServer.answer(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const keyServer: KeyServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`,
    requests,
    publish(...published) {
      const keySet = JSON.stringify({ keys: published.map(({ jwk }) => jwk) });
      keyServer.answer = (response) => response.end(keySet);
    },
    answer: () => undefined,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  keyServer.publish(...issuers);
  return keyServer;
}
