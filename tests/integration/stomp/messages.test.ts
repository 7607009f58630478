/** From SEND to MESSAGE: user headers, AMQP properties, forged and private headers, on both brokers. */
import { beforeEach, describe, expect, test } from '@jest/globals';
import type { ReceivedFrame, StompClient } from '../../support/stomp-client.js';
import { EVERYWHERE, refuses, stageRelays, unique, VERSIONS } from './relay-stage.js';

describe.each(EVERYWHERE)('on $broker over $transport', ({ broker, transport }) => {
  const stage = stageRelays(broker);
  let client: StompClient;
  let topic: string;
  let queue: string;
  beforeEach(async () => {
    client = await stage.connect(transport);
    topic = `/topic/${unique()}`;
    queue = `/queue/${unique()}`;
  });

  /** Sends a message to the own subscription and returns the MESSAGE. */
  async function echo(destination: string, headers: Record<string, string>, body: string | Buffer = 'body') {
    await client.receipt('SUBSCRIBE', { id: 's', destination });
    client.sendFrame('SEND', { destination, ...headers }, body, typeof body === 'string' ? 'text' : 'binary');
    return client.take((f: ReceivedFrame) => f.command === 'MESSAGE' || f.command === 'ERROR', 'the message');
  }

  describe.each(['topic', 'queue'])('to a %s', (kind) => {
    const destination = () => (kind === 'topic' ? topic : queue);

    test('a MESSAGE has destination, subscription, message-id, redelivered and content-length, and no ack', async () => {
      const { headers, command } = await echo(destination(), { 'content-type': 'text/plain' });
      expect(command).toBe('MESSAGE');
      expect(headers).toMatchObject({
        destination: destination(),
        subscription: 's',
        'message-id': expect.stringMatching(/\S/),
        redelivered: 'false',
        'content-type': 'text/plain',
        'content-length': '4',
      });
      expect(headers).not.toHaveProperty('ack');
    });

    test('a MESSAGE has no content-type if the SEND had none, and an empty body', async () => {
      const { headers, body } = await echo(destination(), {}, '');
      expect(headers).not.toHaveProperty('content-type');
      expect(headers['content-length'] ?? '0').toBe('0');
      expect(body).toHaveLength(0);
    });

    test('user headers pass through unchanged', async () => {
      const user = {
        foo: 'bar',
        'x-Mixed-Case': 'Yes',
        empty: '',
        ' spaced ': '  value  ',
        number: '0042',
        boolean: 'true',
        long: 'x'.repeat(5_000),
        umlaut: 'Zoë 漢 😀',
        __proto: 'p',
        constructor: 'c',
        'accept-version': '1.0',
        login: 'me',
        host: 'here',
        selector: "a = 'b'",
        'x-death': 'no table',
      };
      const { headers } = await echo(destination(), user);
      expect(headers).toMatchObject(user);
    });

    test('headers for AMQP properties arrive unchanged', async () => {
      const properties = {
        'content-type': 'application/json;charset=utf-8',
        'content-encoding': 'identity',
        persistent: 'true',
        priority: '5',
        timestamp: '1700000000',
        'correlation-id': 'c-1',
        expiration: '60000',
        type: 'a-type',
        'app-id': 'an-app',
        'amqp-message-id': 'm-1',
      };
      const { headers } = await echo(destination(), properties, '{}');
      expect(headers).toMatchObject(properties);
    });

    test('headers for the relay, and forged headers of MESSAGE, do not reach subscribers', async () => {
      const { headers } = await echo(destination(), {
        receipt: 'r-1',
        id: 'forged',
        subscription: 'forged',
        'message-id': 'forged',
        ack: 'forged',
        redelivered: 'true',
        'relay-id': 'forged',
        'relay-resent': 'true',
        'relay-anything': 'forged',
        'relay-session': 'forged',
        user: 'forged',
        session: 'forged',
        mandatory: 'false',
      });
      expect(headers).toMatchObject({ subscription: 's', redelivered: 'false', destination: destination() });
      expect(JSON.stringify(headers)).not.toContain('forged');
      for (const name of ['receipt', 'id', 'ack', 'transaction', 'mandatory', 'relay-resent', 'relay-id']) {
        expect(headers).not.toHaveProperty(name);
      }
    });

    test('a MESSAGE has the user and the session of its sender', async () => {
      const ann = await stage.connect(transport, { login: 'ann' });
      await client.receipt('SUBSCRIBE', { id: 's', destination: destination() });
      const senderOf = ({ headers }: ReceivedFrame) => `${headers['user']} ${headers['session']}`;
      for (const each of [ann, client]) each.sendFrame('SEND', { destination: destination(), user: 'admin' }, 'x');
      await ann.receipt('BEGIN', { transaction: 't' });
      ann.sendFrame('SEND', { destination: destination(), transaction: 't', session: 'another' }, 'x');
      await ann.receipt('COMMIT', { transaction: 't' });
      const seen: string[] = [];
      for (let i = 0; i < 3; i++) seen.push(senderOf(await client.expectFrame('MESSAGE')));
      const byAnn = `ann ${ann.session}`;
      expect(seen.sort()).toEqual([byAnn, byAnn, `${client.session} ${client.session}`].sort());
    });

    test.each([
      ['text', 'ö 漢 😀'],
      ['octets that are not UTF-8', Buffer.from([0x00, 0xff, 0x80])],
      ['100,000 octets', 'y'.repeat(100_000)],
    ])('the body arrives octet for octet: %s', async (_kind, body) => {
      const length = Buffer.byteLength(body);
      const message = await echo(destination(), { 'content-length': String(length) }, body);
      expect(message.body.equals(Buffer.from(body))).toBe(true);
      expect(message.headers['content-length']).toBe(String(length));
    });

    test('the message-ids of a session are unique', async () => {
      await client.receipt('SUBSCRIBE', { id: 's', destination: destination() });
      for (let i = 0; i < 20; i++) client.sendFrame('SEND', { destination: destination() }, String(i));
      const ids = new Set<string | undefined>();
      for (let i = 0; i < 20; i++) ids.add((await client.expectFrame('MESSAGE')).headers['message-id']);
      expect(ids.size).toBe(20);
    });

    test('messages of one publisher arrive in order', async () => {
      await client.receipt('SUBSCRIBE', { id: 's', destination: destination() });
      for (let i = 0; i < 300; i++) client.sendFrame('SEND', { destination: destination() }, String(i));
      for (let i = 0; i < 300; i++) expect((await client.expectFrame('MESSAGE')).body.toString()).toBe(String(i));
    });

    test.each([
      ['priority', 'high'],
      ['priority', '256'],
      ['priority', '-1'],
      ['expiration', 'soon'],
      ['expiration', '-5'],
      ['timestamp', 'yesterday'],
      ['timestamp', '1.5'],
      ['persistent', 'maybe'],
      ['correlation-id', 'x'.repeat(256)],
      ['content-type', 'x'.repeat(256)],
      ['type', 'x'.repeat(256)],
      ['user-id', 'guest'],
      ['CC', 'a,b'],
      ['BCC', 'a,b'],
      ['reply-to', 'amq.rabbitmq.reply-to'],
      ['reply-to', '/temp-queue/'],
      ['x'.repeat(300), 'a long name'],
    ])('a SEND with %.20s:%.20s is refused', async (name, value) => {
      await refuses(
        client,
        'SEND',
        { destination: destination(), [name]: value },
        name === 'reply-to' && value[0] === '/' ? 'invalid-destination' : 'invalid-header',
      );
    });

    test.each(['True', 'False', 'true', 'false'])('a SEND with persistent:%s is accepted', async (persistent) => {
      const { headers } = await echo(destination(), { persistent });
      expect(headers['persistent'] ?? 'false').toBe(persistent.toLowerCase());
    });
  });

  test.each(VERSIONS)('a subscriber of %s gets the headers in the encoding of that version', async (version) => {
    const reader = await stage.connect(transport, { 'accept-version': version });
    await reader.receipt('SUBSCRIBE', { id: 'sub-0', destination: topic });
    client.sendFrame('SEND', { destination: topic, 'x-a': 'b\\cc' }, 'body');
    const message = await reader.expectFrame('MESSAGE', { subscription: 'sub-0', destination: topic, 'x-a': 'b:c' });
    expect(message.headerLines).toContain(version === '1.0' ? 'x-a:b:c' : 'x-a:b\\cc');
  });

  test('a reply-to with a destination arrives unchanged, a bare queue name as /reply-queue', async () => {
    const first = await echo(topic, { 'reply-to': '/queue/answers' });
    expect(first.headers['reply-to']).toBe('/queue/answers');
    client.sendFrame('SEND', { destination: topic, 'reply-to': 'answers' });
    await client.expectFrame('MESSAGE', { 'reply-to': '/reply-queue/answers' });
  });

  test('an expired message is not delivered', async () => {
    await client.receipt('SEND', { destination: queue, expiration: '0' }, 'too late');
    await client.receipt('SEND', { destination: queue }, 'in time');
    await client.receipt('SUBSCRIBE', { id: 's', destination: queue });
    expect((await client.expectFrame('MESSAGE')).body.toString()).toBe('in time');
  });
});
