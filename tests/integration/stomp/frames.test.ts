/** Frames on the wire: splits, line ends, escapes, lengths, encodings (STOMP 1.2, "STOMP Frames"). */
import { beforeEach, describe, expect, test } from '@jest/globals';
import { TRANSPORTS } from '../../support/relay.js';
import { frame } from '../../support/stomp-client.js';
import type { StompClient } from '../../support/stomp-client.js';
import { expectRefusal, stageRelays, unique, VERSIONS } from './relay-stage.js';

describe.each(TRANSPORTS)('over %s', (transport) => {
  const stage = stageRelays('memory');
  let destination: string;
  beforeEach(() => {
    destination = `/topic/${unique()}`;
  });

  /** A client of this version, subscribed to `destination`. */
  async function subscribed(version = '1.2'): Promise<StompClient> {
    const client = await stage.connect(transport, { 'accept-version': version });
    await client.receipt('SUBSCRIBE', { id: 's', destination });
    return client;
  }

  const head = () => `SEND\ndestination:${destination}\n`;
  const emoji = 'é 漢 😀 \u{10ffff}';

  describe('accepted frames', () => {
    test.each([
      ['EOLs before and after it', () => `\n\n${head()}\nbody\0\n\n\n`, 'body'],
      ['CR LF before and after it', () => `\r\n\r\n${head()}\nbody\0\r\n`, 'body'],
      ['NULs before and after it', () => `\0\0\n\0${head()}\nbody\0\0\n`, 'body'],
      ['an empty body', () => `${head()}\n\0`, ''],
      ['a body that begins and ends with EOLs', () => `${head()}\n\n\nbody\n\n\0`, '\n\nbody\n\n'],
      ['a body with CR LF, which is kept', () => `${head()}\n\r\nbody\r\n\0`, '\r\nbody\r\n'],
      [
        'a body that looks like frames',
        () => `${head()}\nSEND\ndestination:/topic/x\n\nno\0`,
        'SEND\ndestination:/topic/x\n\nno',
      ],
      ['a content-length', () => `${head()}content-length:4\n\nbody\0`, 'body'],
      ['NULs inside a body with content-length', () => `${head()}content-length:5\n\n\0a\0b\0\0`, '\0a\0b\0'],
      ['content-length:0', () => `${head()}content-length:0\n\n\0`, ''],
      ['a content-length with leading zeros', () => `${head()}content-length:0004\n\nbody\0`, 'body'],
      [
        'two content-lengths, of which the first counts',
        () => `${head()}content-length:4\ncontent-length:2\n\nbody\0`,
        'body',
      ],
      ['a content-length in octets, not characters', () => `${head()}content-length:2\n\né\0`, 'é'],
      ['a body of several scripts', () => `${head()}\n${emoji}\0`, emoji],
    ])('the relay reads a frame with %s', async (_form, bytes, body) => {
      const client = await subscribed();
      client.send(bytes());
      expect((await client.expectFrame('MESSAGE')).body.toString()).toBe(body);
    });

    test.each([1, 2, 3, 7, 64])(
      'the relay reads a frame in pieces of %i bytes, split inside characters and escapes',
      async (size) => {
        const client = await subscribed();
        const send = frame('SEND', { destination, 'x-a': `${emoji}\\c\\n`, 'content-length': '8' }, 'ab\0😀\0');
        client.sendInPieces(Buffer.concat([send, send]), size);
        for (let i = 0; i < 2; i++) {
          const message = await client.expectFrame('MESSAGE', { 'x-a': `${emoji}:\n` });
          expect(message.body.toString()).toBe('ab\0😀\0');
        }
      },
    );

    test('many frames in one packet are handled in order', async () => {
      const client = await subscribed();
      const bodies = Array.from({ length: 500 }, (_, i) => `body ${i}`);
      client.send(Buffer.concat(bodies.map((body) => frame('SEND', { destination }, body))));
      for (const body of bodies) expect((await client.expectFrame('MESSAGE')).body.toString()).toBe(body);
    });

    test('in 1.2 lines may end with CR LF', async () => {
      const client = await subscribed();
      client.send(`SEND\r\ndestination:${destination}\r\nx-a:1\r\n\r\nbody\0\r\n`);
      const message = await client.expectFrame('MESSAGE', { 'x-a': '1', destination });
      expect(message.body.toString()).toBe('body');
    });

    test('in 1.2 lines may end with CR LF or LF in one frame', async () => {
      const client = await subscribed();
      client.send(`SEND\ndestination:${destination}\r\nx-a:1\nx-b:2\r\n\nbody\0`);
      await client.expectFrame('MESSAGE', { 'x-a': '1', 'x-b': '2' });
    });

    test('of repeated headers the first counts', async () => {
      const client = await subscribed();
      client.send(`${head()}destination:/topic/other\nx-a:World\nx-a:Hello\n\n\0`);
      const message = await client.expectFrame('MESSAGE', { 'x-a': 'World', destination });
      expect(message.headerLines.filter((line) => line.startsWith('x-a:'))).toEqual(['x-a:World']);
    });

    test.each(VERSIONS)('a binary body of 64 KiB with every octet arrives unchanged in %s', async (version) => {
      const client = await subscribed(version);
      const body = Buffer.from(Array.from({ length: 65_536 }, (_, i) => i % 256));
      client.sendFrame('SEND', { destination, 'content-length': String(body.length) }, body, 'binary');
      const message = await client.expectFrame('MESSAGE', { 'content-length': '65536' });
      expect(message.body.equals(body)).toBe(true);
    });

    test('a body of exactly bodyMaxBytes is accepted', async () => {
      const client = await subscribed();
      const body = Buffer.alloc(4 * 1024 * 1024, 'x');
      client.sendFrame('SEND', { destination, 'content-length': String(body.length) }, body, 'binary');
      expect((await client.expectFrame('MESSAGE')).body.length).toBe(body.length);
    });
  });

  describe('header values', () => {
    test.each([
      ['1.2', '\\c\\n\\r\\\\', ':\n\r\\'],
      ['1.2', 'C\\c\\\\new\\\\r', 'C:\\new\\r'],
      ['1.2', '\\\\c\\\\\\c', '\\c\\:'],
      ['1.2', 'raw:colons:here', 'raw:colons:here'],
      ['1.2', '  padded  ', '  padded  '],
      ['1.2', '\ttabs\t', '\ttabs\t'],
      ['1.2', '', ''],
      ['1.1', '\\c\\n\\\\', ':\n\\'],
      ['1.1', 'raw:colon', 'raw:colon'],
      ['1.1', '  padded  ', '  padded  '],
      ['1.1', '', ''],
      ['1.0', 'C:\\new\\c\\n', 'C:\\new\\c\\n'],
      ['1.0', '\\t is not an escape', '\\t is not an escape'],
    ])('in %s the header value %j is read as %j', async (version, written, value) => {
      const sender = await stage.connect(transport, { 'accept-version': version });
      const reader = await subscribed(version);
      sender.send(`${head()}x-a:${written}\n\nb\0`);
      await reader.expectFrame('MESSAGE', { 'x-a': value });
    });

    test('header names are escaped like header values', async () => {
      const client = await subscribed();
      client.send(`${head()}x\\ca\\\\\\n:1\n\nb\0`);
      const message = await client.expectFrame('MESSAGE', { 'x:a\\\n': '1' });
      expect(message.headerLines).toContain('x\\ca\\\\\\n:1');
    });

    test.each([
      ['1.0', 'x-a:C:\\new'],
      ['1.1', 'x-a:C\\c\\\\new'],
      ['1.2', 'x-a:C\\c\\\\new'],
    ])('header values of a 1.2 publisher are re-encoded for a subscriber of %s', async (version, line) => {
      const sender = await stage.connect(transport);
      const reader = await subscribed(version);
      sender.send(`${head()}x-a:C\\c\\\\new\n\nb\0`);
      expect((await reader.expectFrame('MESSAGE')).headerLines).toContain(line);
    });

    test.each(['1.0', '1.1'])(
      'a line feed in a header value does not become a header line for a subscriber of %s',
      async (version) => {
        const sender = await stage.connect(transport);
        const reader = await subscribed(version);
        sender.send(`${head()}x-a:1\\nforged\\c2\\n\\nbody\n\nb\0`);
        const message = await reader.expectFrame('MESSAGE');
        expect(message.headers).not.toHaveProperty('forged');
        expect(message.body.toString()).toBe('b');
      },
    );

    test('in 1.1 a carriage return is part of the header value', async () => {
      const reader = await subscribed('1.1');
      reader.send(`${head()}x-a:one\rtwo\n\nb\0`);
      await reader.expectFrame('MESSAGE', { 'x-a': 'one\rtwo' });
    });
  });

  describe('refused', () => {
    test.each([
      ['1.2', 'x-a:\\t', 'invalid-escape'],
      ['1.2', 'x-a:\\', 'invalid-escape'],
      ['1.2', 'x-a:\\N', 'invalid-escape'],
      ['1.2', 'x-a:\\x41', 'invalid-escape'],
      ['1.2', '\\t:a', 'invalid-escape'],
      ['1.1', 'x-a:\\r', 'invalid-escape'],
      ['1.1', 'x-a:\\t', 'invalid-escape'],
      ['1.1', 'x-a:\\', 'invalid-escape'],
      ['1.2', 'x-a:one\rtwo', 'malformed-frame'],
      ['1.2', 'no colon', 'malformed-frame'],
      ['1.1', 'no colon', 'malformed-frame'],
      ['1.0', 'no colon', 'malformed-frame'],
      ['1.2', ':no name', 'malformed-frame'],
      ['1.2', 'content-length:-1', 'invalid-content-length'],
      ['1.2', 'content-length:', 'invalid-content-length'],
      ['1.2', 'content-length:four', 'invalid-content-length'],
      ['1.2', 'content-length:0x4', 'invalid-content-length'],
      ['1.2', 'content-length:4.0', 'invalid-content-length'],
      ['1.2', 'content-length:+4', 'invalid-content-length'],
      ['1.2', 'content-length:1e1', 'invalid-content-length'],
      ['1.2', 'content-length: 4', 'invalid-content-length'],
      ['1.2', 'content-length:9999999999999', 'body-too-large'],
      ['1.2', 'content-length:99999999999999999999999', 'invalid-content-length'],
      ['1.2', 'content-length:3', 'malformed-frame'],
      ['1.2', `x-long:${'x'.repeat(20_000)}`, 'header-too-long'],
      ['1.2', Array.from({ length: 200 }, (_, i) => `x-${i}:1`).join('\n'), 'too-many-headers'],
      ['1.2', Array.from({ length: 20 }, (_, i) => `x-${i}:${'x'.repeat(10_000)}`).join('\n'), 'headers-too-large'],
    ])('in %s the header line %.40j is refused with %s', async (version, line, code) => {
      const client = await stage.connect(transport, { 'accept-version': version });
      client.send(`SEND\nreceipt:r\ndestination:${destination}\n${line}\n\nbody\0`);
      await expectRefusal(client, code, 'r');
    });

    test.each([
      ['an unknown command', 'WRONGCOMMAND\ndestination:a\n\n\0', 'unknown-command'],
      ['a command in lower case', 'send\ndestination:/topic/a\n\n\0', 'unknown-command'],
      ['a space after the command', 'SEND \ndestination:/topic/a\n\n\0', 'unknown-command'],
      ['an endless command', 'X'.repeat(5_000), 'command-too-long|unknown-command'],
      ['a server’s command', 'MESSAGE\ndestination:/topic/a\n\n\0', 'unknown-command'],
      ['no blank line after the headers', 'SEND\ndestination:/topic/a\n\0', 'malformed-frame'],
      ['a NUL in the command', 'SE\0ND\ndestination:/topic/a\n\n\0', 'malformed-frame'],
      ['a NUL in a header', 'SEND\ndestination:/to\0pic/a\n\n\0', 'malformed-frame'],
      ['a lone CR between frames', '\n\rX', 'malformed-frame'],
      ['a body of SUBSCRIBE', 'SUBSCRIBE\nid:1\ndestination:/topic/a\n\nbody\0', 'unexpected-body'],
      ['a body of BEGIN, with a length', 'BEGIN\ntransaction:t\ncontent-length:4\n\nbody\0', 'unexpected-body'],
      ['a body of DISCONNECT', 'DISCONNECT\n\nbody\0', 'unexpected-body'],
    ])('a frame with %s is refused', async (_fault, bytes, codes) => {
      const client = await stage.connect(transport);
      client.send(bytes);
      const error = await client.expectError();
      expect(error.headers['code']).toMatch(new RegExp(`^(${codes})$`));
    });

    test.each(['1.0', '1.1'])('in %s a frame with CR LF line ends is refused', async (version) => {
      const client = await stage.connect(transport, { 'accept-version': version });
      client.send(`SEND\r\ndestination:${destination}\r\n\r\nbody\0`);
      await expectRefusal(client, 'unknown-command');
    });

    test('a frame with headers that are not UTF-8 is refused', async () => {
      const client = await stage.connect(transport);
      client.send(Buffer.concat([Buffer.from(`${head()}x-a:`), Buffer.from([0xff, 0xfe]), Buffer.from('\n\n\0')]));
      await expectRefusal(client, 'malformed-frame');
    });

    test('a content-length beyond the limit is refused before the body arrives', async () => {
      const client = await stage.connect(transport);
      client.send(`${head()}receipt:r\ncontent-length:4194305\n\n`);
      const error = await expectRefusal(client, 'body-too-large', 'r', 1009);
      expect(error.body.toString()).toContain('4194304');
    });

    test('a body without content-length is refused when it grows beyond the limit', async () => {
      const client = await stage.connect(transport);
      client.send(`${head()}\n`);
      const part = 'x'.repeat(64 * 1024);
      for (let i = 0; i < 70; i++) client.send(part);
      await expectRefusal(client, 'body-too-large', undefined, 1009);
    });

    test('frames behind a refused frame are not handled', async () => {
      const reader = await subscribed();
      const client = await stage.connect(transport);
      client.send(`${head()}\nbefore\0BOGUS\n\n\0${head()}\nafter\0`);
      await expectRefusal(client, 'unknown-command');
      expect((await reader.expectFrame('MESSAGE')).body.toString()).toBe('before');
      await reader.receipt('SEND', { destination }, 'fence');
      expect((await reader.expectFrame('MESSAGE')).body.toString()).toBe('fence');
    });
  });

  test('in 1.0 the body of SUBSCRIBE is ignored', async () => {
    const client = await stage.connect(transport, { 'accept-version': '1.0' });
    client.sendFrame('SUBSCRIBE', { destination, receipt: 'r' }, 'ignored');
    await client.expectFrame('RECEIPT', { 'receipt-id': 'r' });
  });
});
