/** Ack modes, the ack headers of each version, NACK, redelivery, and ACKs with an unknown id. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { ReceivedFrame, StompClient } from '../../support/stomp-client.js';
import { bodiesUntilNow, EVERYWHERE, refuses, stageRelays, unique } from './relay-stage.js';

describe.each(EVERYWHERE)('on $broker over $transport', ({ broker, transport }) => {
  const stage = stageRelays(broker, { config: { session: { ackGraceMs: 0 } } });
  let queue: string;
  beforeEach(() => {
    queue = `/queue/${unique()}`;
  });

  /** A consumer that has received these bodies without an ACK. */
  async function consumer(version: string, ack: string, bodies: readonly string[], more: Record<string, string> = {}) {
    const client = await stage.connect(transport, { 'accept-version': version });
    await client.receipt('SUBSCRIBE', { id: 's', destination: queue, ack, ...more });
    for (const body of bodies) await client.receipt('SEND', { destination: queue }, body);
    const messages: ReceivedFrame[] = [];
    for (const body of bodies) {
      const message = await client.expectFrame('MESSAGE', { subscription: 's' });
      expect(message.body.toString()).toBe(body);
      messages.push(message);
    }
    return { client, messages };
  }

  /** The headers that identify a message in ACK and NACK in this version. */
  function naming(version: string, message: ReceivedFrame | undefined): Record<string, string> {
    const { ack = '', 'message-id': messageId = '', subscription = '' } = message?.headers ?? {};
    if (version === '1.2') return { id: ack };
    return version === '1.1' ? { 'message-id': messageId, subscription } : { 'message-id': messageId };
  }

  /** The messages left in the queue after this client has disconnected. */
  async function remaining(client: StompClient): Promise<ReceivedFrame[]> {
    await client.disconnect();
    const next = await stage.connect(transport);
    await next.receipt('SUBSCRIBE', { id: 'rest', destination: queue, ack: 'client' });
    await next.receipt('SEND', { destination: queue }, 'end');
    const rest: ReceivedFrame[] = [];
    for (;;) {
      const message = await next.expectFrame('MESSAGE');
      if (message.body.toString() === 'end') return rest;
      rest.push(message);
    }
  }
  const bodies = (messages: ReceivedFrame[]) => messages.map((each) => each.body.toString());

  describe.each(['1.0', '1.1', '1.2'])('in %s', (version) => {
    test('ack:client: an ACK covers all earlier messages', async () => {
      const { client, messages } = await consumer(version, 'client', ['a', 'b', 'c']);
      await client.receipt('ACK', naming(version, messages[1]));
      const rest = await remaining(client);
      expect(bodies(rest)).toEqual(['c']);
      expect(rest[0]?.headers['redelivered']).toBe('true');
    });

    test('ack:client: messages without an ACK are redelivered in order and marked', async () => {
      const { client } = await consumer(version, 'client', ['a', 'b', 'c']);
      const rest = await remaining(client);
      expect(bodies(rest)).toEqual(['a', 'b', 'c']);
      expect(rest.every((each) => each.headers['redelivered'] === 'true')).toBe(true);
    });

    test('ack:auto: no message is redelivered', async () => {
      const { client } = await consumer(version, 'auto', ['a', 'b']);
      expect(await remaining(client)).toEqual([]);
    });

    test.each(['ACK', ...(version === '1.0' ? [] : ['NACK'])])('%s with an unknown id is refused', async (verb) => {
      const { client } = await consumer(version, 'client', ['a']);
      const headers = { id: 'never', 'message-id': 'never', subscription: 's' };
      await refuses(client, verb, headers, 'unknown-ack');
    });

    test('a second ACK of the same message is refused', async () => {
      const { client, messages } = await consumer(version, 'client', ['a']);
      await client.receipt('ACK', naming(version, messages[0]));
      await refuses(client, 'ACK', naming(version, messages[0]), 'unknown-ack');
    });

    test('an ACK without headers is refused', async () => {
      const { client } = await consumer(version, 'client', ['a']);
      await refuses(client, 'ACK', {}, 'missing-header');
    });
  });

  describe.each(['1.1', '1.2'])('in %s', (version) => {
    test('ack:client-individual: an ACK covers one message', async () => {
      const { client, messages } = await consumer(version, 'client-individual', ['a', 'b', 'c']);
      await client.receipt('ACK', naming(version, messages[1]));
      expect(bodies(await remaining(client))).toEqual(['a', 'c']);
    });

    test('ack:client-individual: a NACK returns one message, which is redelivered', async () => {
      const { client, messages } = await consumer(version, 'client-individual', ['a', 'b']);
      await client.receipt('NACK', naming(version, messages[0]));
      const again = await client.expectFrame('MESSAGE', { redelivered: 'true' });
      expect(again.body.toString()).toBe('a');
      for (const message of [messages[1], again]) await client.receipt('ACK', naming(version, message));
      expect(await remaining(client)).toEqual([]);
    });

    test('ack:client: a NACK covers all earlier messages', async () => {
      const { client, messages } = await consumer(version, 'client', ['a', 'b', 'c']);
      await client.receipt('NACK', { ...naming(version, messages[1]), requeue: 'false' });
      expect(bodies(await remaining(client))).toEqual(['c']);
    });

    test.each(['false', 'False'])('a NACK with requeue:%s drops the message', async (requeue) => {
      const { client, messages } = await consumer(version, 'client-individual', ['a', 'b']);
      await client.receipt('NACK', { ...naming(version, messages[0]), requeue });
      expect(bodies(await remaining(client))).toEqual(['b']);
    });

    test('an ACK with the headers of all versions is accepted', async () => {
      const { client, messages } = await consumer(version, 'client', ['a']);
      const [{ headers }] = messages as [ReceivedFrame];
      const id = headers['ack'] ?? headers['message-id'] ?? '';
      await client.receipt('ACK', { id, 'message-id': headers['message-id'] ?? '', subscription: 's' });
      expect(await remaining(client)).toEqual([]);
    });
  });

  test('a MESSAGE has an ack header in 1.2, and none in earlier versions', async () => {
    const { messages } = await consumer('1.2', 'client', ['a']);
    expect(messages[0]?.headers['ack']).toMatch(/^[\w-]+$/);
    queue = `/queue/${unique()}`;
    const old = await consumer('1.1', 'client', ['a']);
    expect(old.messages[0]?.headers).not.toHaveProperty('ack');
  });

  test('with ack:auto a MESSAGE has no ack header, and its ACK is refused', async () => {
    const { client, messages } = await consumer('1.2', 'auto', ['a']);
    expect(messages[0]?.headers).not.toHaveProperty('ack');
    await refuses(client, 'ACK', { id: messages[0]?.headers['message-id'] ?? '' }, 'unknown-ack');
  });

  test('a cumulative ACK does not cover another subscription', async () => {
    const other = `/queue/${unique()}`;
    const { client, messages } = await consumer('1.2', 'client', ['a']);
    await client.receipt('SUBSCRIBE', { id: 't', destination: other, ack: 'client' });
    await client.receipt('SEND', { destination: other }, 'b');
    const second = await client.expectFrame('MESSAGE', { subscription: 't' });
    await client.receipt('ACK', { id: second.headers['ack'] ?? '' });
    expect(messages).toHaveLength(1);
    expect(bodies(await remaining(client))).toEqual(['a']);
  });

  test('in 1.1 an ACK that names another subscription is refused', async () => {
    const { client, messages } = await consumer('1.1', 'client', ['a']);
    await client.receipt('SUBSCRIBE', { id: 't', destination: `/queue/${unique()}`, ack: 'client' });
    const messageId = messages[0]?.headers['message-id'] ?? '';
    await refuses(client, 'ACK', { 'message-id': messageId, subscription: 't' }, 'unknown-ack');
  });

  test.each([
    ['1.2', { 'message-id': 'x', subscription: 's' }],
    ['1.1', { id: 'x' }],
    ['1.1', { 'message-id': 'x' }],
    ['1.1', { subscription: 's' }],
    ['1.0', { id: 'x' }],
  ])('in %s an ACK with %j lacks a required header', async (version, headers) => {
    await refuses(await stage.connect(transport, { 'accept-version': version }), 'ACK', headers, 'missing-header');
  });

  test('a NACK in 1.0 is an unknown command', async () => {
    await refuses(
      await stage.connect(transport, { 'accept-version': '1.0' }),
      'NACK',
      { 'message-id': 'x' },
      'unknown-command',
    );
  });

  test('an ACK of another session’s message is refused and changes nothing', async () => {
    const { client, messages } = await consumer('1.2', 'client', ['a']);
    await refuses(await stage.connect(transport), 'ACK', naming('1.2', messages[0]), 'unknown-ack');
    expect(bodies(await remaining(client))).toEqual(['a']);
  });

  test.each(['client', 'client-individual'])(
    'ack:%s: the unacknowledged messages of a client that vanishes are redelivered',
    async (ack) => {
      const { client, messages } = await consumer('1.2', ack, ['a', 'b']);
      await client.receipt('ACK', naming('1.2', messages[0]));
      const next = await stage.connect(transport);
      await next.receipt('SUBSCRIBE', { id: 'n', destination: queue, ack });
      client.destroy();
      const again = await next.expectFrame('MESSAGE', { redelivered: 'true' });
      expect(again.body.toString()).toBe('b');
    },
  );

  test('messages unacknowledged at UNSUBSCRIBE go to the next subscription', async () => {
    const { client } = await consumer('1.2', 'client', ['a', 'b']);
    await client.receipt('UNSUBSCRIBE', { id: 's' });
    await client.receipt('SUBSCRIBE', { id: 't', destination: queue, ack: 'client' });
    for (const body of ['a', 'b']) {
      const message = await client.expectFrame('MESSAGE', { subscription: 't', redelivered: 'true' });
      expect(message.body.toString()).toBe(body);
    }
  });

  test.each(['1', '2'])('prefetch-count:%s limits the number of unacknowledged messages', async (prefetch) => {
    const count = Number(prefetch);
    const client = await stage.connect(transport);
    await client.receipt('SUBSCRIBE', {
      id: 's',
      destination: queue,
      ack: 'client-individual',
      'prefetch-count': prefetch,
    });
    for (const body of ['a', 'b', 'c', 'd']) await client.receipt('SEND', { destination: queue }, body);
    const held: ReceivedFrame[] = [];
    for (let i = 0; i < count; i++) held.push(await client.expectFrame('MESSAGE'));
    expect(await bodiesUntilNow(client)).toEqual([]);
    await client.receipt('ACK', naming('1.2', held[0]));
    expect((await client.expectFrame('MESSAGE')).body.toString()).toBe(['b', 'c'][count - 1]);
    expect(await bodiesUntilNow(client)).toEqual([]);
  });

  test.each(['/topic/', '/exchange/amq.direct/'])('a subscription to %sNAME supports NACK and ACK', async (prefix) => {
    const destination = `${prefix}${unique()}`;
    const client = await stage.connect(transport);
    await client.receipt('SUBSCRIBE', { id: 's', destination, ack: 'client-individual' });
    client.sendFrame('SEND', { destination }, 'x');
    const first = await client.expectFrame('MESSAGE', { destination, redelivered: 'false' });
    await client.receipt('NACK', { id: first.headers['ack'] ?? '' });
    const again = await client.expectFrame('MESSAGE', { destination, redelivered: 'true' });
    await client.receipt('ACK', { id: again.headers['ack'] ?? '' });
    expect(await bodiesUntilNow(client)).toEqual([]);
  });
});

describe('the grace period after UNSUBSCRIBE', () => {
  const stage = stageRelays('memory');
  test('an ACK shortly after UNSUBSCRIBE still acknowledges an earlier delivery', async () => {
    const destination = `/queue/${unique()}`;
    const client = await stage.connect('webSocketUrl');
    await client.receipt('SUBSCRIBE', { id: 's', destination, ack: 'client' });
    client.sendFrame('SEND', { destination }, 'x');
    const { headers } = await client.expectFrame('MESSAGE');
    await client.receipt('UNSUBSCRIBE', { id: 's' });
    await client.receipt('ACK', { id: headers['ack'] ?? '' });
    await client.receipt('SUBSCRIBE', { id: 't', destination });
    expect(await bodiesUntilNow(client)).toEqual([]);
  });
});
