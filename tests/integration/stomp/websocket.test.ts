/** WebSocket: the handshake, sub-protocols, message boundaries, text and binary messages, sizes, closing. */
import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import { beforeEach, describe, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { frame, openStomp } from '../../support/stomp-client.js';
import type { StompClient } from '../../support/stomp-client.js';
import { expectRefusal, nextBody, stageRelays, unique } from './relay-stage.js';

const stage = stageRelays('memory');
let destination: string;
beforeEach(() => {
  destination = `/topic/${unique()}`;
});

async function subscribed(): Promise<StompClient> {
  const client = await stage.connect('webSocketUrl');
  await client.receipt('SUBSCRIBE', { id: 's', destination });
  return client;
}

describe('the sub-protocol', () => {
  test.each([
    [['v12.stomp'], 'v12.stomp'],
    [['v11.stomp'], 'v11.stomp'],
    [['v10.stomp'], 'v10.stomp'],
    [['v10.stomp', 'v11.stomp', 'v12.stomp'], 'v12.stomp'],
    [['v12.stomp', 'v11.stomp', 'v10.stomp'], 'v12.stomp'],
    [['v10.stomp', 'v11.stomp'], 'v11.stomp'],
    [['mqtt', 'v11.stomp'], 'v11.stomp'],
    [[], ''],
  ])(
    'the offered sub-protocols %j are answered with %j, and CONNECT may choose any version',
    async (subprotocols, chosen) => {
      for (const version of ['1.0', '1.2']) {
        const client = await stage.open('webSocketUrl', { subprotocols });
        expect(client.subProtocol).toBe(chosen);
        await client.connect({ 'accept-version': version });
        expect(client.connected?.headers['version']).toBe(version);
      }
    },
  );

  test.each([['mqtt'], ['V12.STOMP'], ['v13.stomp']])('the unknown sub-protocol %s is not echoed', async (offered) => {
    const answer = await handshake({ 'sec-websocket-protocol': offered });
    expect(answer.status).toBe(101);
    expect(answer.headers['sec-websocket-protocol']).toBeUndefined();
  });
});

/** A handwritten handshake, with headers that WebSocket clients do not allow. */
function handshake(
  headers: Record<string, string>,
  path = '/ws',
): Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }> {
  const { hostname, port } = new URL(stage.relay.webSocketUrl);
  const upgrade = {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  };
  const asked = request({ hostname, port, path, headers: { ...upgrade, ...headers } });
  asked.end();
  return new Promise((resolve, reject) => {
    asked.once('error', reject);
    asked.once('upgrade', (answer, socket) => {
      socket.destroy();
      resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: '' });
    });
    asked.once('response', (answer) => {
      let body = '';
      answer.on('data', (chunk: Buffer) => (body += chunk.toString()));
      answer.once('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }));
    });
  });
}

describe('the handshake', () => {
  test.each(['http://evil.example', 'null', 'https://127.0.0.1', 'http://127.0.0.1:1', 'file://'])(
    'a page of the origin %s is refused with 403 and the name of the option',
    async (origin) => {
      const { status, body } = await handshake({ origin });
      expect(status).toBe(403);
      expect(body).toContain('--allow-origin');
    },
  );

  test('a page of the relay’s own origin may connect, and so may a client without an Origin', async () => {
    const { port } = new URL(stage.relay.webSocketUrl);
    expect((await handshake({ origin: `http://127.0.0.1:${port}` })).status).toBe(101);
    expect((await handshake({ origin: `http://localhost:${port}`, host: `localhost:${port}` })).status).toBe(101);
    expect((await handshake({})).status).toBe(101);
  });

  test.each(['evil.example', '169.254.0.1', 'localhost.evil.example'])(
    'the host name %s is refused with 403 (DNS rebinding)',
    async (host) => {
      expect((await handshake({ host })).status).toBe(403);
      expect((await handshake({ host, origin: `http://${host}` })).status).toBe(403);
    },
  );

  test.each(['/', '/nowhere', '/ws/x', '/wss'])('a handshake with the path %s gets 404', async (path) => {
    expect((await handshake({}, path)).status).toBe(404);
  });

  test('a query in the path is ignored', async () => {
    expect((await handshake({}, '/ws?token=x')).status).toBe(101);
  });

  test('a plain GET of the WebSocket path gets a 4xx status', async () => {
    const answer = await fetch(stage.relay.webSocketUrl.replace('ws:', 'http:'));
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.status).toBeLessThan(500);
  });

  test('permessage-deflate is off by default', async () => {
    const answer = await handshake({ 'sec-websocket-extensions': 'permessage-deflate' });
    expect(answer.status).toBe(101);
    expect(answer.headers['sec-websocket-extensions']).toBeUndefined();
  });
});

describe('messages in', () => {
  const send = (body: string) => frame('SEND', { destination }, body);

  test('text and binary WebSocket messages may be mixed', async () => {
    const client = await subscribed();
    client.send(send('text').toString());
    client.send(send('binary'));
    for (const body of ['text', 'binary']) expect(await nextBody(client)).toBe(body);
  });

  test('a frame may begin in a text message and end in a binary message', async () => {
    const client = await subscribed();
    const bytes = send('ab');
    client.send(bytes.subarray(0, 10).toString());
    client.send(bytes.subarray(10));
    expect(await nextBody(client)).toBe('ab');
  });

  test('one WebSocket message may have many frames with EOLs around them', async () => {
    const client = await subscribed();
    client.send(`\n${send('a').toString()}\n\n${send('b').toString()}${send('c').toString()}\n`);
    for (const body of ['a', 'b', 'c']) expect(await nextBody(client)).toBe(body);
  });

  test('a frame may span many WebSocket messages, split inside a character', async () => {
    const client = await subscribed();
    client.sendInPieces(send('😀'.repeat(50)), 3);
    expect(await nextBody(client)).toBe('😀'.repeat(50));
  });

  test('a frame without its NUL waits for the next WebSocket message', async () => {
    const client = await subscribed();
    client.send(send('a').subarray(0, -1));
    client.send('\n');
    client.send('\0');
    expect(await nextBody(client)).toBe('a\n');
  });

  test('empty WebSocket messages and heart-beats are ignored', async () => {
    const client = await subscribed();
    for (const nothing of ['', '\n', '\r\n', '\n\n\n', Buffer.alloc(0)]) client.send(nothing);
    await client.receipt('BEGIN', { transaction: 't' });
    expect(client.received()).toEqual([]);
  });

  test('a WebSocket message in many fragments is accepted', async () => {
    const socket = new WebSocket(stage.relay.webSocketUrl, 'v12.stomp');
    await once(socket, 'open');
    const first = once(socket, 'message');
    const bytes = frame('CONNECT', { 'accept-version': '1.2' });
    for (const [i, byte] of bytes.entries()) {
      socket.send(Buffer.of(byte), { fin: i === bytes.length - 1, binary: false });
    }
    expect(String((await first)[0])).toMatch(/^CONNECTED\n/);
    socket.terminate();
  });

  test('a text message that is not UTF-8 ends the connection with 1007', async () => {
    const socket = new WebSocket(stage.relay.webSocketUrl);
    await once(socket, 'open');
    socket.send(Buffer.from([0xff, 0xfe]), { binary: false });
    expect((await once(socket, 'close'))[0]).toBe(1007);
  });
});

describe('messages out', () => {
  test('each frame leaves as its own WebSocket message, also when many leave at once', async () => {
    const client = await subscribed();
    const sender = await stage.connect('webSocketUrl');
    sender.send(Buffer.concat(Array.from({ length: 100 }, (_, i) => frame('SEND', { destination }, `${i}`))));
    const numbers: number[] = [];
    for (let i = 0; i < 100; i++) numbers.push((await client.expectFrame('MESSAGE')).message);
    expect(new Set(numbers).size).toBe(100);
    expect(numbers.at(-1)! - numbers[0]!).toBe(99);
  });

  test.each([0, 1, 100, 125, 126, 1_000, 65_000, 66_000, 300_000])(
    'a body of %i octets arrives as text',
    async (length) => {
      const client = await subscribed();
      client.sendFrame('SEND', { destination }, 'x'.repeat(length));
      const { body, message, isText } = await client.expectFrame('MESSAGE');
      expect([body.length, isText]).toEqual([length, true]);
      await client.receipt('BEGIN', { transaction: 't' });
      expect(message).toBeGreaterThan(0);
    },
  );

  test.each([
    ['text', 'ä', true],
    ['an empty body', '', true],
    ['text with a NUL', 'a\0b', true],
    ['JSON', '{"a":1}', true],
    ['octets that are not UTF-8', Buffer.from([0xc3]), false],
    ['half a surrogate pair', Buffer.from([0xed, 0xa0, 0x80]), false],
    ['an overlong NUL', Buffer.from([0xc0, 0x80]), false],
  ])('a MESSAGE with %s is a text message: %s', async (_kind, body, isText) => {
    const client = await subscribed();
    client.sendFrame('SEND', { destination, 'content-length': String(Buffer.byteLength(body)) }, body, 'binary');
    const message = await client.expectFrame('MESSAGE');
    expect(message.isText).toBe(isText);
    expect(message.body.equals(Buffer.from(body))).toBe(true);
  });

  test('CONNECTED, RECEIPT and ERROR are text messages', async () => {
    const client = await stage.connect('webSocketUrl');
    expect(client.connected?.isText).toBe(true);
    expect((await client.receipt('BEGIN', { transaction: 't' })).isText).toBe(true);
    client.sendFrame('BEGIN', { transaction: 't' });
    expect((await expectRefusal(client, 'transaction-in-use')).isText).toBe(true);
  });
});

describe('the end', () => {
  test.each([1000, 1001, 4000])('a close with code %i is answered with the same code', async (code) => {
    const socket = new WebSocket(stage.relay.webSocketUrl);
    await once(socket, 'open');
    socket.close(code, 'bye');
    expect((await once(socket, 'close'))[0]).toBe(code);
  });

  test('a WebSocket message beyond the limit ends its own connection with 1009, and no other', async () => {
    const other = await subscribed();
    const client = await stage.connect('webSocketUrl');
    client.send(Buffer.alloc(16 * 1024 * 1024, 'x'));
    await client.expectClose(1009);
    await other.receipt('SEND', { destination }, 'still here');
    expect(await nextBody(other)).toBe('still here');
  });

  test('a WebSocket ping is answered', async () => {
    const socket = new WebSocket(stage.relay.webSocketUrl);
    await once(socket, 'open');
    socket.ping('payload');
    expect(String((await once(socket, 'pong'))[0])).toBe('payload');
    socket.terminate();
  });
});

describe('with other options', () => {
  const other = stageRelays('memory', {
    config: {
      listen: { path: '/stomp' },
      websocket: {
        deflate: true,
        pingIntervalMs: 50,
        allowedOrigins: ['https://app.example.com'],
        allowedHosts: ['relay.example.com', '127.0.0.1'],
      },
    },
  });

  test('with websocket.deflate, clients with and without permessage-deflate get the same messages', async () => {
    const client = await other.connect('webSocketUrl', {}, { perMessageDeflate: true });
    const plain = await other.connect('webSocketUrl');
    for (const each of [client, plain]) await each.receipt('SUBSCRIBE', { id: 's', destination });
    for (let i = 0; i < 20; i++) client.sendFrame('SEND', { destination }, `${i}`.repeat(1_000));
    for (const each of [client, plain]) {
      for (let i = 0; i < 20; i++) expect(await nextBody(each)).toBe(`${i}`.repeat(1_000));
    }
  });

  test('a client that does not answer pings is disconnected', async () => {
    const socket = new WebSocket(other.relay.webSocketUrl, { autoPong: false });
    await once(socket, 'ping');
    expect((await once(socket, 'close'))[0]).toBe(1006);
  });

  test('the relay accepts the configured path, origins and hosts, and no others', async () => {
    expect(new URL(other.relay.webSocketUrl).pathname).toBe('/stomp');
    const open = (headers: Record<string, string>) => openStomp(other.relay.webSocketUrl, { headers });
    for (const headers of [{ origin: 'https://app.example.com' }, { host: 'relay.example.com' }, {}]) {
      (await open(headers)).destroy();
    }
    await expect(open({ origin: 'https://app.example.com.evil' })).rejects.toThrow('HTTP 403');
    await expect(open({ host: 'localhost' })).rejects.toThrow('HTTP 403');
  });
});

describe('beside the path', () => {
  test.each(['/ws/', '/ws/websocket', '/ws/websocket?token=x'])(
    'the path %s serves WebSocket like /ws',
    async (path) => {
      const { port } = new URL(stage.relay.webSocketUrl);
      const client = await openStomp(`ws://127.0.0.1:${port}${path}`);
      await client.connect();
      client.destroy();
      expect(await (await fetch(new URL(path, stage.relay.pageUrl))).json()).toMatchObject({
        error: 'upgrade-required',
      });
    },
  );

  test.each(['/ws/other', '/ws/websocket/', '/websocket', '/ws/0/abc/websocket'])(
    'the path %s gets 404',
    async (path) => {
      expect((await handshake({}, path)).status).toBe(404);
    },
  );

  interface Info {
    readonly status: number;
    readonly headers: NodeJS.Dict<string | string[]>;
    readonly body: Record<string, unknown>;
  }

  async function info(headers: Record<string, string>, query = '', path = '/ws'): Promise<Info> {
    const asked = request(new URL(`${path}/info${query}`, stage.relay.pageUrl), { headers }).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    const body = (await json(response)) as Record<string, unknown>;
    return { status: response.statusCode ?? 0, headers: response.headers, body };
  }

  const place = () => {
    const { host } = new URL(stage.relay.webSocketUrl);
    return { host, own: `http://${host}` };
  };

  test.each<[string, () => Record<string, string>, string, boolean]>([
    ['a page of the relay’s own origin', () => ({ origin: place().own }), '', true],
    ['a page of another origin', () => ({ origin: 'https://shop.example' }), '', false],
    ['a page without an origin', () => ({ origin: 'null' }), '', false],
    ['a client without an Origin', () => ({}), '', true],
    ['a page behind a proxy that changes Host', () => ({}), '?origin=https%3A%2F%2Fshop.example', false],
    ['a page that asks about another origin', () => ({ origin: 'https://shop.example' }), '?origin=http://HOST', false],
    [
      'a page under another host name',
      () => ({ host: 'rebound.example', origin: 'http://rebound.example' }),
      '',
      false,
    ],
  ])('/info predicts the result of the handshake of %s', async (_, headers, query, isAllowed) => {
    for (const path of ['/ws', '/ws/websocket']) {
      const { status, body, headers: sent } = await info(headers(), query.replace('HOST', place().host), path);
      expect([status, body['websocket'], body['originAllowed']]).toEqual([200, true, isAllowed]);
      expect(sent).toMatchObject({ 'access-control-allow-origin': '*', 'cache-control': 'no-store' });
      expect(sent).not.toHaveProperty('access-control-allow-credentials');
    }
    const origin = query.startsWith('?origin=https') ? { origin: 'https://shop.example' } : {};
    expect((await handshake({ ...headers(), ...origin })).status).toBe(isAllowed ? 101 : 403);
  });

  test('/info names the refused origin or host and the option, and no other name of the relay', async () => {
    const { body } = await info({ origin: 'https://shop.example' });
    expect(body).toEqual({
      websocket: true,
      originAllowed: false,
      error: 'origin-not-allowed',
      message: expect.stringMatching(/^Origin https:\/\/shop\.example may not connect: .*--allow-origin/),
    });
    const misled = await info({ host: 'rebound.example', origin: 'https://shop.example' });
    expect(misled.body).toEqual({
      websocket: true,
      originAllowed: false,
      error: 'host-not-allowed',
      message: expect.stringMatching(/^Host rebound\.example .*--allow-host/),
    });
    expect(JSON.stringify(misled.body)).not.toMatch(/127\.0\.0\.1|localhost/);
    const long = await info({}, `?origin=${'x'.repeat(5_000)}`);
    expect(JSON.stringify(long.body).length).toBeLessThan(1_000);
  });

  test('sockjs-client gets 404 from /info, with the address to use', async () => {
    const origin = 'https://shop.example';
    const { status, headers, body } = await info({ origin }, '?t=1796000000000');
    expect(status).toBe(404); // sockjs-client takes any 200 for a SockJS server
    expect(headers).toMatchObject({
      'access-control-allow-origin': origin,
      'access-control-allow-credentials': 'true',
      vary: 'Origin',
    });
    const message = `This relay does not support SockJS. Give the STOMP client wss://${place().host}/ws as its WebSocket URL.`;
    expect(body).toEqual({ websocket: true, originAllowed: false, error: 'sockjs-not-supported', message });
    expect((await info({}, '?t=1')).body['message']).toContain(`ws://${place().host}/ws `);
  });
});
