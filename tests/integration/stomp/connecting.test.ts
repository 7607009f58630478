/** CONNECT, CONNECTED, version negotiation, and frames refused before or after CONNECT (STOMP 1.2, "Connecting"). */
import { describe, expect, test } from '@jest/globals';
import { TRANSPORTS } from '../../support/relay.js';
import { frame } from '../../support/stomp-client.js';
import { expectRefusal, nextBody, refuses, stageRelays, unique, VERSIONS } from './relay-stage.js';

describe.each(TRANSPORTS)('over %s', (transport) => {
  const stage = stageRelays('memory');

  describe('the relay chooses the highest common version', () => {
    test.each([
      ['1.0', '1.0'],
      ['1.1', '1.1'],
      ['1.2', '1.2'],
      ['1.0,1.1', '1.1'],
      ['1.0,1.1,1.2', '1.2'],
      ['1.2,1.1,1.0', '1.2'],
      ['1.0,1.1,2.0', '1.1'],
      ['1.2,3.0', '1.2'],
      ['1.2,1.2', '1.2'],
      ['1.0, 1.1, 1.2', '1.2'],
      [' 1.1 ,1.0 ', '1.1'],
    ])('accept-version:%s selects version %s', async (accepted, version) => {
      const client = await stage.connect(transport, { 'accept-version': accepted });
      expect(client.connected?.headers['version']).toBe(version);
    });

    test('without accept-version, the version is 1.0', async () => {
      const client = await stage.open(transport);
      client.sendFrame('CONNECT', { login: 'a', passcode: 'b' });
      await client.expectFrame('CONNECTED', { version: '1.0' });
    });

    test.each(['1.3', '2.0', '', 'abc', '1', '1.20', '01.2'])(
      'accept-version:%s is refused with the supported versions',
      async (accepted) => {
        const client = await stage.open(transport);
        client.sendFrame('CONNECT', { 'accept-version': accepted, host: '/' });
        const error = await expectRefusal(client, 'unsupported-version', undefined, 1002);
        expect(error.headers['version']?.split(',').sort()).toEqual([...VERSIONS]);
        expect(error.body.toString()).toContain('1.0 1.1 1.2');
      },
    );
  });

  describe('CONNECTED', () => {
    test.each(VERSIONS)('CONNECTED has version, session, server and heart-beat in %s, and no body', async (version) => {
      const { connected } = await stage.connect(transport, { 'accept-version': version });
      expect(connected?.headers).toMatchObject({ version, session: expect.stringMatching(/\S/) });
      // "server = name ["/" version] *(comment)"
      expect(connected?.headers['server']).toMatch(/^[\w-]+\/\d+\.\d+\.\d+\S*$/);
      expect(connected?.headers['heart-beat']).toMatch(/^\d+,\d+$/);
      expect(connected?.body).toHaveLength(0);
    });

    test('CONNECTED has a different session id for each session', async () => {
      const sessions = await Promise.all([1, 2, 3].map(() => stage.connect(transport)));
      expect(new Set(sessions.map((each) => each.connected?.headers['session'])).size).toBe(3);
    });

    test('CONNECTED is one frame, and the relay sends no further frame unasked', async () => {
      const client = await stage.connect(transport);
      await client.receipt('BEGIN', { transaction: 't' });
      expect(client.received()).toEqual([]);
    });
  });

  describe('CONNECT is accepted', () => {
    test.each([
      ['the command STOMP', 'STOMP', { 'accept-version': '1.2', host: 'x' }],
      ['the command STOMP in 1.1', 'STOMP', { 'accept-version': '1.1', host: 'x' }],
      ['no host', 'CONNECT', { 'accept-version': '1.2' }],
      ['any host', 'CONNECT', { 'accept-version': '1.2', host: 'no.such.host' }],
      ['an empty host', 'CONNECT', { 'accept-version': '1.2', host: '' }],
      ['a login without a passcode', 'CONNECT', { 'accept-version': '1.2', login: 'alice' }],
      ['an empty login', 'CONNECT', { 'accept-version': '1.2', login: '', passcode: '' }],
      ['unknown headers', 'CONNECT', { 'accept-version': '1.2', 'x-y': 'z', 'client-id': 'me' }],
      ['raw colons', 'CONNECT', { 'accept-version': '1.2', host: 'a:b', login: 'c:d:e' }],
      ['backslashes, which are not escapes here', 'CONNECT', { 'accept-version': '1.2', login: 'DOMAIN\\user' }],
      ['a content-length of 0', 'CONNECT', { 'accept-version': '1.2', 'content-length': '0' }],
      ['text of several scripts', 'CONNECT', { 'accept-version': '1.2', login: 'Zoë 漢 😀' }],
      ['a long token', 'CONNECT', { 'accept-version': '1.2', passcode: 'x'.repeat(12_000) }],
    ])('CONNECT with %s is accepted', async (_form, command, headers) => {
      const client = await stage.open(transport);
      client.sendFrame(command, headers);
      await client.expectFrame('CONNECTED', { version: headers['accept-version'] });
    });

    test.each([
      ['CR LF line ends', 'CONNECT\r\naccept-version:1.2\r\nhost:x\r\n\r\n\0'],
      ['EOLs and NULs before the frame', '\n\r\n\0\nCONNECT\naccept-version:1.2\n\n\0'],
      ['repeated headers, of which the first counts', 'CONNECT\naccept-version:1.2\naccept-version:1.0\n\n\0'],
    ])('CONNECT with %s is accepted', async (_form, bytes) => {
      const client = await stage.open(transport);
      client.send(bytes);
      await client.expectFrame('CONNECTED', { version: '1.2' });
    });

    test('the example CONNECT of STOMP 1.0, with padded values, is accepted', async () => {
      const client = await stage.open(transport);
      client.send('CONNECT\nlogin: alice\npasscode:secret\n\n\0');
      await client.expectFrame('CONNECTED', { version: '1.0' });
      await client.receipt('SUBSCRIBE', { destination: '/user/queue/padded' });
      await client.receipt('SEND', { destination: '/user/alice/queue/padded' }, 'hello');
      await client.expectFrame('MESSAGE', { destination: '/user/queue/padded' });
    });

    test('a CONNECT that arrives byte by byte is accepted, and so is the frame behind it', async () => {
      const client = await stage.open(transport);
      const begin = frame('BEGIN', { transaction: 't', receipt: 'r' });
      client.sendInPieces(Buffer.concat([frame('CONNECT', { 'accept-version': '1.2' }), begin]), 1);
      await client.expectFrame('CONNECTED');
      await client.expectFrame('RECEIPT', { 'receipt-id': 'r' });
    });

    test('frames in the same packet as CONNECT are read in the negotiated version', async () => {
      const client = await stage.open(transport);
      const destination = `/topic/${unique()}`;
      const frames = [
        frame('CONNECT', { 'accept-version': '1.0' }),
        frame('SUBSCRIBE', { destination }),
        frame('SEND', { destination, 'x-a': 'C:\\new' }, 'b'),
      ];
      client.send(Buffer.concat(frames));
      await client.expectFrame('CONNECTED', { version: '1.0' });
      await client.expectFrame('MESSAGE', { 'x-a': 'C:\\new' });
    });

    test('two hundred clients that connect and leave at once are accepted', async () => {
      for (let i = 0; i < 200; i++) (await stage.connect(transport)).destroy();
      await stage.connect(transport);
    });
  });

  describe('refused', () => {
    test.each(VERSIONS)('a second CONNECT in %s is refused', async (version) => {
      const client = await stage.connect(transport, { 'accept-version': version });
      await refuses(client, 'CONNECT', { 'accept-version': version }, 'already-connected');
    });

    test('STOMP after CONNECT is refused', async () => {
      await refuses(await stage.connect(transport), 'STOMP', { 'accept-version': '1.2' }, 'already-connected');
    });

    test('of two CONNECTs in one packet, the first is accepted and the second refused', async () => {
      const client = await stage.open(transport);
      const connect = frame('CONNECT', { 'accept-version': '1.2' });
      client.send(Buffer.concat([connect, connect]));
      await client.expectFrame('CONNECTED');
      await expectRefusal(client, 'already-connected', undefined, 1002);
    });

    test.each([
      ['SEND', { destination: '/topic/x' }],
      ['SUBSCRIBE', { destination: '/topic/x', id: '1' }],
      ['UNSUBSCRIBE', { id: '1' }],
      ['ACK', { id: '1' }],
      ['NACK', { id: '1' }],
      ['BEGIN', { transaction: 't' }],
      ['COMMIT', { transaction: 't' }],
      ['ABORT', { transaction: 't' }],
      ['DISCONNECT', {}],
    ])('%s before CONNECT is refused', async (command, headers) => {
      await refuses(await stage.open(transport), command, headers, 'not-connected');
    });

    test.each(['CONNECTED', 'MESSAGE', 'RECEIPT', 'ERROR'])(
      'the server command %s is refused before CONNECT',
      async (command) => {
        const client = await stage.open(transport);
        client.sendFrame(command, { version: '1.2' });
        await expectRefusal(client, 'unknown-command', undefined, 1002);
      },
    );

    test('a CONNECT with a body is refused', async () => {
      const client = await stage.open(transport);
      client.sendFrame('CONNECT', { 'accept-version': '1.2' }, 'body');
      await expectRefusal(client, 'unexpected-body');
    });

    test.each(['connect', 'Connect', 'stomp', 'CONNECT ', ' CONNECT', 'CONNECTX', 'CON'])(
      'the command "%s" is unknown: commands are case sensitive and not abbreviated',
      async (command) => {
        const client = await stage.open(transport);
        client.send(`${command}\naccept-version:1.2\n\n\0`);
        await expectRefusal(client, 'unknown-command', undefined, 1002);
      },
    );

    test('the header Accept-Version is not accept-version: header names are case sensitive', async () => {
      const client = await stage.open(transport);
      client.sendFrame('CONNECT', { 'Accept-Version': '1.2' });
      await client.expectFrame('CONNECTED', { version: '1.0' });
    });
  });
});

describe.each(TRANSPORTS)('a session without a login, over %s', (transport) => {
  const stage = stageRelays('memory');

  test('a login with the name of an anonymous session is refused', async () => {
    const asker = await stage.connect(transport);
    const { session } = asker;
    await asker.receipt('SUBSCRIBE', { id: 's', destination: '/user/queue/replies' });
    const thief = await stage.open(transport);
    thief.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', login: session });
    await expectRefusal(thief, 'authentication-failed', undefined, 4401);
    const friend = await stage.connect(transport, { login: 'friend' });
    await friend.receipt('SEND', { destination: `/user/${session}/queue/replies` }, 'for the asker');
    expect(await nextBody(asker)).toBe('for the asker');
  });
});

describe.each(TRANSPORTS)('an authenticator, over %s', (transport) => {
  const stage = stageRelays('memory', {
    hooks: {
      authenticator: {
        authenticate: ({ login, passcode }) => {
          if (login === 'broken') return Promise.reject(new Error('the directory is down'));
          const known = passcode === 'right' && login !== undefined;
          return Promise.resolve(known ? { name: login, anonymous: false, claims: {} } : undefined);
        },
      },
    },
  });

  test('a client with the right passcode is accepted', async () => {
    await stage.connect(transport, { login: 'alice', passcode: 'right' });
  });

  test.each([
    ['a wrong passcode', { login: 'alice', passcode: 'wrong' }, 'authentication-failed', 4401],
    ['no login', {}, 'authentication-failed', 4401],
    ['a login while its directory is down', { login: 'broken', passcode: 'right' }, 'authentication-unavailable', 1013],
  ])('an authenticator refuses %s with the close code of the reason', async (_login, headers, code, closeCode) => {
    const client = await stage.open(transport);
    client.sendFrame('CONNECT', { 'accept-version': '1.2', ...headers });
    const error = await expectRefusal(client, code, undefined, closeCode);
    expect(JSON.stringify(error.headers) + error.body.toString()).not.toContain('wrong');
  });
});
