import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, test } from '@jest/globals';
import express from 'express';
import type { ErrorRequestHandler } from 'express';
import type { Caller } from '../../../../../server/src/http/callers.js';
import type { MessagePublisher } from '../../../../../server/src/http/messages/message-publisher.js';
import { publishRoute } from '../../../../../server/src/http/messages/publish-route.js';
import { SharedPots } from '../../../../../server/src/load/shared-pots.js';
import { BatchTurns } from '../../../../../server/src/timing/batch-turns.js';

const CONFIG = {
  http: {
    messagesMax: 10,
    bodyMaxBytes: 1_000,
    idempotencyMs: 1_000,
    idempotencyMaxCount: 10,
    idempotencyMaxBytes: 1_000,
  },
  limits: { afterLogin: { headerMaxCount: 10, headerLineMaxBytes: 100 } },
};
const CALLER: Caller = {
  principal: { name: 'ann', anonymous: false, claims: {} },
  address: '127.0.0.1',
  account: undefined,
};
const REQUEST = 'POST /messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{';

test('a client that leaves while its login is checked is refused, and is no failure of the relay', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const pots = new SharedPots();
  const bodies = pots.create({ limit: 'bodiesMax', max: 1_000, things: 'bytes', wayOut: 'wait' });
  const problem = new Promise<unknown>((resolve) => {
    const onProblem: ErrorRequestHandler = (error, _request, _response, _next) => resolve(error);
    const identify: Parameters<typeof publishRoute>[1] = async ({ socket }) => {
      client.destroy();
      await new Promise((resolve) => socket.once('close', resolve));
      return CALLER;
    };
    const parts = { bodies, turns: new BatchTurns(), onRefused: () => undefined };
    const publisher = {} as MessagePublisher; // it gets no messages
    server.on('request', express().use(publishRoute(CONFIG, identify, publisher, parts), onProblem));
  });
  client.write(REQUEST);
  expect(await problem).toMatchObject({ code: 'invalid-request' });
  server.close();
});
