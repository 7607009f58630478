/**
 * Malicious and broken clients. Each gets an ERROR or is closed in time, with bounded memory, while a healthy client on
 * the same relay is not affected.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { eventually } from '../../support/deadline.js';
import { TRANSPORTS } from '../../support/relay.js';
import { connectStomp, frame } from '../../support/stomp-client.js';
import type { StompClient } from '../../support/stomp-client.js';
import { expectRefusal, nextBody, stageRelays, unique } from './relay-stage.js';

const MIB = 1024 * 1024;

describe.each(TRANSPORTS)('over %s', (transport) => {
  const stage = stageRelays('memory', {
    config: { session: { connectTimeoutMs: 1_000, outboxMaxBytes: 5 * MIB, outboxStallMs: 1_000 } },
  });
  const health = `/topic/${unique('health')}`;
  let healthy: StompClient;
  let rounds = 0;

  beforeEach(async () => {
    healthy = await connectStomp(stage.relay[transport]); // closed by afterEach, after a last round
    await healthy.receipt('SUBSCRIBE', { id: 'h', destination: health });
    await round();
  });
  /** The healthy client sends, and gets its receipt and its message. */
  async function round(): Promise<void> {
    const body = `round ${rounds++}`;
    await healthy.receipt('SEND', { destination: health }, body);
    expect(await nextBody(healthy, { subscription: 'h' })).toBe(body);
  }
  afterEach(async () => {
    await round();
    expect(healthy.received()).toEqual([]);
    healthy.destroy();
  });

  describe('before CONNECT', () => {
    test.each([
      ['an HTTP request', 'GET / HTTP/1.1\r\nHost: example.com\r\n\r\n', 'unknown-command'],
      ['an HTTP POST', 'POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc', 'unknown-command'],
      ['TLS', Buffer.from('16030100c8010000c40303', 'hex'), undefined],
      ['binary data', Buffer.from([0, 0, 0, 0xff, 0xfe, 0x0a, 0x0a]), undefined],
      ['JSON', '{"op":"subscribe"}\n', 'unknown-command'],
      ['SMTP', 'HELO example.com\r\n', 'unknown-command'],
      ['an AMQP header', 'AMQP\0\0\x09\x01', undefined],
      ['a byte order mark', '\ufeffCONNECT\naccept-version:1.2\n\n\0', undefined],
      ['a command that never ends', 'A'.repeat(100_000), undefined],
      ['a header line that never ends', `CONNECT\nx:${'y'.repeat(100_000)}`, 'header-too-long'],
      ['header lines that never end', `CONNECT\n${'x:y\n'.repeat(25_000)}`, 'too-many-headers'],
      [
        'ten thousand headers',
        `CONNECT\n${Array.from({ length: 10_000 }, (_, i) => `h${i}:v\n`).join('')}\n\0`,
        'too-many-headers',
      ],
      ['a huge content-length', 'CONNECT\ncontent-length:99999999999999\n\n', undefined],
      ['a negative content-length', 'CONNECT\ncontent-length:-1\n\n\0', 'invalid-content-length'],
      ['a body that never ends', `CONNECT\naccept-version:1.2\n\n${'x'.repeat(100_000)}`, undefined],
      ['headers that are not UTF-8', Buffer.from('CONNECT\nlogin:\xff\xfe\n\n\0', 'latin1'), 'malformed-frame'],
      ['a header without a colon', 'CONNECT\nnonsense\n\n\0', 'malformed-frame'],
    ])('before CONNECT, %s gets an ERROR', async (_input, bytes, code) => {
      const client = await stage.open(transport);
      client.send(bytes);
      const error = await client.expectError(code === undefined ? {} : { code });
      expect(error.headers['message']).toMatch(/\w/);
      expect(error.body.length).toBeLessThan(1_000);
    });

    test.each(Array.from({ length: 8 }, (_, i) => i))(
      'before CONNECT, random bytes get an ERROR (round %i)',
      async (i) => {
        const client = await stage.open(transport);
        client.send(Buffer.concat([Buffer.of(0x80 + i), randomBytes(10_000)]));
        await client.expectError();
      },
    );

    test('before CONNECT, silence and half a frame end with connect-timeout', async () => {
      const expectTimeout = async (bytes: string) => {
        const client = await stage.open(transport);
        client.send(bytes);
        await expectRefusal(client, 'connect-timeout', undefined, 4408);
      };
      await Promise.all(['', 'CONN', 'CONNECT\naccept-version:1.2\n'].map(expectTimeout));
    });

    test('200 silent connections do not delay other clients and end with connect-timeout', async () => {
      const clients = await Promise.all(Array.from({ length: 200 }, () => stage.open(transport)));
      await round();
      await Promise.all(clients.map((each) => each.expectError({ code: 'connect-timeout' })));
    });
  });

  describe('once connected', () => {
    test.each([
      ['garbage', () => Buffer.concat([Buffer.of(0xff), randomBytes(5_000)]), undefined],
      ['an endless header line', () => `SEND\ndestination:${'x'.repeat(200_000)}`, 'header-too-long'],
      [
        'ten thousand headers',
        () => `SEND\n${Array.from({ length: 10_000 }, (_, i) => `h${i}:v\n`).join('')}`,
        'too-many-headers',
      ],
      ['a huge content-length', () => 'SEND\ndestination:/topic/x\ncontent-length:99999999999\n\n', 'body-too-large'],
      [
        'a content-length that does not match the body',
        () => 'SEND\ndestination:/topic/x\ncontent-length:2\n\nabc\0',
        'malformed-frame',
      ],
      ['an HTTP request', () => 'GET / HTTP/1.1\r\nHost: x\r\n\r\n', 'unknown-command'],
      [
        'frames of a server',
        () => 'MESSAGE\ndestination:/topic/x\nmessage-id:1\nsubscription:h\n\nforged\0',
        'unknown-command',
      ],
    ])('after CONNECT, %s gets an ERROR', async (_input, bytes, code) => {
      const client = await stage.connect(transport);
      client.send(bytes());
      await client.expectError(code === undefined ? {} : { code });
    });

    test('a subscription beyond the limit is refused with the limit', async () => {
      const client = await stage.connect(transport);
      const topic = unique();
      const frames = Array.from({ length: 1_001 }, (_, i) =>
        frame('SUBSCRIBE', { id: `${i}`, destination: `/topic/${topic}.${i}` }),
      );
      client.send(Buffer.concat(frames));
      const error = await expectRefusal(client, 'too-many-subscriptions', undefined, 4400);
      expect(error.body.toString()).toContain('1000');
    });

    test('a temporary queue beyond the limit is refused', async () => {
      const client = await stage.connect(transport);
      const send = (i: number) => frame('SEND', { destination: '/topic/unused', 'reply-to': `/temp-queue/${i}` });
      client.send(Buffer.concat(Array.from({ length: 1_001 }, (_, i) => send(i))));
      await expectRefusal(client, 'too-many-subscriptions');
    });

    test('a frame that arrives byte by byte does not delay other clients', async () => {
      const client = await stage.connect(transport);
      const destination = `/topic/${unique()}`;
      await client.receipt('SUBSCRIBE', { id: 's', destination });
      const bytes = frame('SEND', { destination }, 'x'.repeat(200));
      for (const byte of bytes) {
        client.send(Buffer.of(byte));
        if (byte === 10) await round();
      }
      expect(await nextBody(client)).toHaveLength(200);
    });

    test('a flood of a hundred thousand tiny frames is handled, without an effect on other clients', async () => {
      const client = await stage.connect(transport);
      const one = frame('SEND', { destination: '/topic/unused' });
      const block = Buffer.concat(Array.from({ length: 1_000 }, () => one));
      for (let i = 0; i < 100; i++) client.send(block);
      await round();
      await client.receipt('BEGIN', { transaction: 't' });
    }, 30_000);

    test('a flood of EOLs is ignored', async () => {
      const client = await stage.connect(transport);
      for (let i = 0; i < 20; i++) client.send('\n'.repeat(100_000));
      await client.receipt('BEGIN', { transaction: 't' });
    });

    test.each(['topic', 'user/queue', 'queue'])(
      'a client that stops reading its %s is disconnected, and memory stays bounded',
      async (kind) => {
        const name = unique('slow');
        const slow = await stage.connect(transport, { login: name });
        const destination = `/${kind}/${name}`;
        const to = kind === 'user/queue' ? `/user/${name}/queue/${name}` : destination;
        await slow.receipt('SUBSCRIBE', { id: 's', destination });
        slow.pause();
        const body = 'x'.repeat(MIB);
        const before = process.memoryUsage().rss;
        for (let i = 0; i < 40 && !slow.isClosed; i++) {
          await healthy.receipt('SEND', { destination: to, 'content-length': String(MIB) }, body);
          await round();
        }
        await eventually(
          async () => ((await sessions()) < 2 ? true : undefined),
          10_000,
          () => 'the session of the slow client is still open',
        );
        expect(process.memoryUsage().rss - before).toBeLessThan(200 * MIB);
        slow.destroy();
      },
    );

    test('clients that vanish in the middle of a frame leave no sessions behind', async () => {
      for (let i = 0; i < 50; i++) {
        const client = await stage.connect(transport);
        client.send(`SUBSCRIBE\nid:1\ndestination:/queue/${unique()}\n\n\0SEND\ndestination:/topic/x\n\nhalf`);
        client.destroy();
      }
      await eventually(
        async () => ((await sessions()) === 1 ? true : undefined),
        10_000,
        () => 'some sessions are still open',
      );
    });
  });

  /** The number of sessions, from the relay's metrics. */
  async function sessions(): Promise<number> {
    const text = await (await fetch(new URL('/metrics', stage.relay.adminUrl))).text();
    return Number(/^\w*sessions(?:\{[^}]*\})? (\d+)$/m.exec(text)?.[1]);
  }
});

describe.each(TRANSPORTS)('a relay with sessionsMax sessions, over %s', (transport) => {
  const stage = stageRelays('memory', { config: { sessionsMax: 2 } });
  test('a client beyond sessionsMax is refused, and can connect after another has left', async () => {
    const first = await stage.connect(transport);
    await stage.connect(transport);
    const third = await stage.open(transport);
    await expectRefusal(third, 'too-many-sessions', undefined, 1013);
    await first.disconnect();
    await stage.connect(transport);
  });
});

describe('TCP', () => {
  const stage = stageRelays('memory');

  test('a client that half-closes its connection after DISCONNECT still gets the RECEIPT', async () => {
    const { hostname, port } = new URL(stage.relay.tcpUrl);
    const socket = connectTcp({ host: hostname, port: Number(port), allowHalfOpen: true });
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
    socket.end(
      'CONNECT\naccept-version:1.2\n\n\0SEND\ndestination:/queue/x\nreceipt:1\n\nx\0DISCONNECT\nreceipt:2\n\n\0',
    );
    await once(socket, 'close');
    expect(text.split('\0').map((each) => /^[A-Z]+(\nreceipt-id:\d)?/.exec(each)?.[0])).toEqual([
      'CONNECTED',
      'RECEIPT\nreceipt-id:1',
      'RECEIPT\nreceipt-id:2',
      undefined,
    ]);
  });

  test('an ERROR arrives although the client is still sending', async () => {
    const client = await stage.connect('tcpUrl');
    client.send(Buffer.concat([Buffer.from('BOGUS\n\n\0'), Buffer.alloc(MIB, 'x')]));
    await client.expectError({ code: 'unknown-command' });
  });
});
