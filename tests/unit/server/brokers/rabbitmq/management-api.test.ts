import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { ManagementApi } from '../../../../../server/src/brokers/rabbitmq/management-api.js';

const closings: (() => void)[] = [];
afterEach(() => {
  for (const close of closings.splice(0)) close();
});

/** A management API that answers like this, and the requests to it. */
async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    requests.push(request);
    answer(request, response);
  }).listen(0, '127.0.0.1');
  closings.push(() => server.close().closeAllConnections());
  await once(server, 'listening');
  return { requests, host: `127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const api = (managementUrl: string, broker = 'amqp://relay:s%3Acret@rabbit/a%2Fb') =>
  new ManagementApi({ managementUrl, urls: [broker] });
const basic = (login: string) => `Basic ${Buffer.from(login).toString('base64')}`;
const json = (body: unknown) => (_: IncomingMessage, response: ServerResponse) => response.end(JSON.stringify(body));

test('a page of queues is read, without what is no queue', async () => {
  const items = [
    { name: 'a', messages: 2, consumers: 0, arguments: { x: 1 } },
    { name: 'b', messages: 'many', arguments: [] },
    { messages: 1 },
    null,
  ];
  const { host, requests } = await serve(json({ items, page_count: 3, page: 2 }));
  expect(await api(`http://${host}/prefix/`).queues('^a\\.', 2)).toEqual({
    queues: [
      { name: 'a', messages: 2, consumers: 0, arguments: { x: 1 } },
      { name: 'b', arguments: [] },
    ],
    pageCount: 3,
  });
  const [request] = requests;
  const url = new URL(request?.url ?? '', 'http://x');
  expect(url.pathname).toBe('/prefix/api/queues/a%2Fb');
  expect(Object.fromEntries(url.searchParams)).toMatchObject({
    page: '2',
    name: '^a\\.',
    use_regex: 'true',
    sort: 'name',
  });
  expect(request?.headers.authorization).toBe(basic('relay:s:cret'));
});

test('the credentials of the address come before those of the broker', async () => {
  const { host, requests } = await serve(json({ items: [], page_count: 1 }));
  await api(`http://monitor:p%40ss@${host}`).queues('a', 1);
  await api(`http://${host}`, 'amqp://rabbit').queues('a', 1);
  expect(requests.map(({ headers }) => headers.authorization)).toEqual([basic('monitor:p@ss'), basic('guest:guest')]);
  expect(requests.map(({ url }) => url?.split('?')[0])).toEqual(['/api/queues/a%2Fb', '/api/queues/%2F']);
});

test('a page beyond the last one is empty', async () => {
  const { host } = await serve((_, response) =>
    response.writeHead(400).end('{"error":"bad_request","reason":"{page_out_of_range,1}"}'.replace(',', ',')),
  );
  expect(await api(`http://${host}`).queues('a', 9)).toEqual({ queues: [], pageCount: 0 });
});

test.each<[string, (request: IncomingMessage, response: ServerResponse) => void, RegExp]>([
  ['a refused login', (_, response) => response.writeHead(401).end(), /refused the login \(401\).*tag "management"/],
  ['a redirect', (_, response) => response.writeHead(302, { location: '/' }).end(), /status 302/],
  ['an error', (_, response) => response.writeHead(500).end('secret'), /status 500/],
  ['no JSON', (_, response) => response.end('<html>'), /JSON/],
  ['no page', json([]), /no page of queues/],
  ['an endless answer', (_, response) => pour(response), /more than 4194304 bytes/],
  ['an early end', (request) => request.socket.destroy(), /socket hang up/],
])('%s is broker-unavailable, with the reason', async (_, answer, reason) => {
  const { host } = await serve(answer);
  const refusal = { code: 'broker-unavailable', message: expect.stringMatching(reason) };
  await expect(api(`http://user:password@${host}`).queues('a', 1)).rejects.toMatchObject(refusal);
  await expect(api(`http://user:password@${host}`).queues('a', 1)).rejects.not.toThrow('password');
});

function pour(response: ServerResponse): void {
  const chunk = Buffer.alloc(64 * 1024, ' ');
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
  };
  response.on('drain', more);
  more();
}
