/** Client behaviour that no single clause of the specification covers: reloads, races, bursts, order of answers. */
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { beforeEach, describe, expect, test } from '@jest/globals';
import { startRelay, TRANSPORTS } from '../../support/relay.js';
import { connectStomp, frame } from '../../support/stomp-client.js';
import type { StompClient } from '../../support/stomp-client.js';
import { bodiesUntilNow, EVERYWHERE, nextBodies, nextBody, refuses, stageRelays, unique } from './relay-stage.js';

describe.each(EVERYWHERE)('on $broker over $transport', ({ broker, transport }) => {
  const stage = stageRelays(broker, { config: { session: { ackGraceMs: 0 } } });
  let client: StompClient;
  let queue: string;
  beforeEach(async () => {
    client = await stage.connect(transport);
    queue = `/queue/${unique()}`;
  });

  test('the receipt of SUBSCRIBE arrives before the messages that waited in the queue', async () => {
    for (const ack of ['auto', 'client-individual']) {
      for (let i = 0; i < 5; i++) await client.receipt('SEND', { destination: queue }, String(i));
      const consumer = await stage.connect(transport);
      consumer.sendFrame('SUBSCRIBE', { id: 's', destination: queue, ack, receipt: 'live' });
      await consumer.expectFrame('RECEIPT', { 'receipt-id': 'live' });
      expect(await nextBodies(consumer, 5)).toEqual(['0', '1', '2', '3', '4']);
      await consumer.disconnect();
    }
  });

  test.each(['/topic/', '/exchange/amq.direct/', '/queue/'])(
    'after the receipt of UNSUBSCRIBE from %sNAME no message arrives, even if many were on their way',
    async (prefix) => {
      const destination = `${prefix}${unique()}`;
      const sender = await stage.connect(transport);
      for (let i = 0; i < 10; i++) {
        await client.receipt('SUBSCRIBE', { id: `s${i}`, destination });
        sender.send(Buffer.concat(Array.from({ length: 100 }, () => frame('SEND', { destination }, 'x'))));
        await client.take((f) => f.command === 'MESSAGE', 'a first message');
        client.sendFrame('UNSUBSCRIBE', { id: `s${i}`, receipt: `r${i}` });
        while ((await client.nextFrame()).command !== 'RECEIPT') continue;
        expect(await bodiesUntilNow(client)).toEqual([]);
      }
    },
  );

  test('a client that has left receives no further message of the queue', async () => {
    const stays = await stage.connect(transport);
    for (const each of [client, stays]) await each.receipt('SUBSCRIBE', { id: 's', destination: queue });
    client.close();
    await client.expectClose();
    for (let i = 0; i < 10; i++) await stays.receipt('SEND', { destination: queue }, String(i));
    expect(await nextBodies(stays, 10)).toHaveLength(10);
  });

  test.each(['durable', 'exclusive'])(
    'a page that is reloaded can subscribe again to its %s subscription at once',
    async (option) => {
      const login = unique('user');
      const destination = option === 'durable' ? `/topic/${unique()}` : queue;
      const subscription = { id: 'sub-0', destination, [option]: 'true' };
      for (let i = 0; i < 10; i++) {
        const page = await stage.connect(transport, { login });
        await page.receipt('SUBSCRIBE', subscription);
        page.sendFrame('SEND', { destination }, String(i));
        expect(await nextBody(page)).toBe(String(i));
        if (i % 2 === 0) page.destroy();
        else await page.disconnect();
      }
      const last = await stage.connect(transport, { login });
      await last.receipt('SUBSCRIBE', subscription);
      await last.receipt('UNSUBSCRIBE', { id: 'sub-0', durable: 'true' });
    },
  );

  test('a burst of SUBSCRIBE and UNSUBSCRIBE in one packet ends with the last subscription', async () => {
    const destination = `/topic/${unique()}`;
    const frames: Buffer[] = [];
    for (let i = 0; i < 50; i++) {
      frames.push(frame('SUBSCRIBE', { id: 's', destination }), frame('UNSUBSCRIBE', { id: 's' }));
    }
    client.send(Buffer.concat([...frames, frame('SUBSCRIBE', { id: 's', destination, receipt: 'r' })]));
    await client.expectFrame('RECEIPT', { 'receipt-id': 'r' });
    await client.receipt('SEND', { destination }, 'x');
    expect(await nextBody(client)).toBe('x');
    expect(await bodiesUntilNow(client)).toEqual([]);
  });

  test('sessions that subscribe and vanish at once do not affect other subscribers', async () => {
    const destination = `/topic/${unique()}`;
    await client.receipt('SUBSCRIBE', { id: 's', destination });
    const others = await Promise.all(Array.from({ length: 20 }, () => stage.connect(transport)));
    for (const [i, each] of others.entries()) {
      each.sendFrame('SUBSCRIBE', { id: 's', destination });
      if (i % 2 === 0) each.destroy();
    }
    const stayed = others.filter((_, i) => i % 2 === 1);
    await Promise.all(stayed.map((each) => each.receipt('BEGIN', { transaction: 't' })));
    await client.receipt('SEND', { destination }, 'x');
    for (const each of [client, ...stayed]) expect(await nextBody(each)).toBe('x');
  });

  test('with ack:client a NACK redelivers all earlier messages in order, with new ids', async () => {
    await client.receipt('SUBSCRIBE', { id: 's', destination: queue, ack: 'client' });
    for (const body of ['a', 'b', 'c']) await client.receipt('SEND', { destination: queue }, body);
    const held = [await client.expectFrame('MESSAGE'), await client.expectFrame('MESSAGE')];
    await client.expectFrame('MESSAGE');
    const id = held[1]?.headers['ack'] ?? '';
    await client.receipt('NACK', { id });
    expect(await nextBodies(client, 2)).toEqual(['a', 'b']);
    await refuses(client, 'ACK', { id }, 'unknown-ack');
  });

  test('a redelivered message is acknowledged with its new id', async () => {
    await client.receipt('SUBSCRIBE', { id: 's', destination: queue, ack: 'client-individual' });
    await client.receipt('SEND', { destination: queue }, 'x');
    for (let i = 0; i < 5; i++) {
      const { headers } = await client.expectFrame('MESSAGE', { redelivered: String(i > 0) });
      await client.receipt(i < 4 ? 'NACK' : 'ACK', { id: headers['ack'] ?? '' });
    }
    await client.receipt('UNSUBSCRIBE', { id: 's' });
    await client.receipt('SUBSCRIBE', { id: 't', destination: queue });
    expect(await bodiesUntilNow(client)).toEqual([]);
  });

  test('a session can answer its own request', async () => {
    await client.receipt('SUBSCRIBE', { id: 's', destination: queue });
    client.sendFrame('SEND', { destination: queue, 'reply-to': '/temp-queue/me' }, 'ping');
    const { headers } = await client.expectFrame('MESSAGE', { subscription: 's' });
    client.sendFrame('SEND', { destination: headers['reply-to'] ?? '' }, 'pong');
    expect(await nextBody(client, { subscription: '/temp-queue/me' })).toBe('pong');
  });
});

describe('on RabbitMQ, kinds of queues', () => {
  const stage = stageRelays('rabbitmq');

  test('a client subscribes to a quorum queue and acknowledges a message', async () => {
    const destination = `/queue/${unique()}`;
    const quorum = { destination, 'x-queue-type': 'quorum', durable: 'true', 'auto-delete': 'false' };
    const client = await stage.connect('tcpUrl');
    await client.receipt('SUBSCRIBE', { id: 's', ack: 'client', ...quorum });
    await client.receipt('SEND', { destination }, 'x');
    const { headers } = await client.expectFrame('MESSAGE', { destination });
    await client.receipt('ACK', { id: headers['ack'] ?? '' });
  });

  test('a client reads a stream again from a chosen offset', async () => {
    const destination = `/queue/${unique()}`;
    const stream = {
      destination,
      'x-queue-type': 'stream',
      durable: 'true',
      'auto-delete': 'false',
      ack: 'client',
      'prefetch-count': '10',
    };
    const client = await stage.connect('webSocketUrl');
    await client.receipt('SUBSCRIBE', { id: 'live', ...stream });
    for (const body of ['0', '1', '2']) await client.receipt('SEND', { destination }, body);
    expect(await nextBodies(client, 3)).toEqual(['0', '1', '2']);
    const later = await stage.connect('tcpUrl');
    await later.receipt('SUBSCRIBE', { id: 'first', ...stream, 'x-stream-offset': 'first' });
    expect(await nextBodies(later, 3)).toEqual(['0', '1', '2']);
    await later.receipt('SUBSCRIBE', { id: 'second', ...stream, 'x-stream-offset': 'offset=2' });
    expect(await nextBody(later, { subscription: 'second', 'x-stream-offset': '2' })).toBe('2');
  });
});

describe.each(TRANSPORTS)('a policy, over %s', (transport) => {
  const stage = stageRelays('memory', {
    hooks: {
      policy: {
        allows: ({ name }, action, { text }) => {
          if (text.includes('broken')) throw new Error('the policy is broken');
          return Promise.resolve(!text.includes('secret') || (name === 'alice' && action === 'subscribe'));
        },
      },
    },
  });

  test.each([
    ['SEND', 'alice', '/topic/secret'],
    ['SEND', 'bob', '/topic/secret'],
    ['SUBSCRIBE', 'bob', '/topic/secret'],
    ['SUBSCRIBE', 'bob', '/queue/secret'],
    ['SEND', 'alice', '/topic/broken'],
  ])('a policy refuses %s by %s to %s', async (command, login, destination) => {
    const client = await stage.connect(transport, { login });
    await refuses(client, command, { id: 's', destination }, 'access-denied');
  });

  test('a policy passes allowed frames, in order', async () => {
    const client = await stage.connect(transport, { login: 'alice' });
    await client.receipt('SUBSCRIBE', { id: 's', destination: '/topic/secret' });
    const destination = `/topic/${unique()}`;
    await client.receipt('SUBSCRIBE', { id: 't', destination });
    for (let i = 0; i < 20; i++) client.sendFrame('SEND', { destination }, String(i));
    expect(await nextBodies(client, 20)).toEqual(Array.from({ length: 20 }, (_, i) => String(i)));
  });
});

test('a relay that stops closes its sessions with 1012, TCP sessions without a code', async () => {
  const relay = await startRelay();
  const client = await connectStomp(relay.webSocketUrl);
  const tcp = await connectStomp(relay.tcpUrl);
  await relay.stop();
  await client.expectClose(1012);
  await tcp.expectClose(1000);
});

test('a connection to the WebSocket port without a complete request is closed after connectTimeoutMs', async () => {
  const relay = await startRelay('memory:', { session: { connectTimeoutMs: 500 } });
  try {
    const { hostname, port } = new URL(relay.webSocketUrl);
    const sockets = ['', 'GET /ws HTTP/1.1\r\nHost: '].map((bytes) => {
      const socket = connectTcp({ host: hostname, port: Number(port) });
      socket.write(bytes);
      socket.resume();
      return once(socket, 'close');
    });
    await Promise.all(sockets);
  } finally {
    await relay.stop();
  }
}, 10_000);
