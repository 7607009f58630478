/** Parsing and encoding of frames: line ends, NULs, split frames, lengths, escapes. */
import { frame } from '../../../support/stomp-client.js';
import { scenario } from '../stage.js';
import type { ClientOptions, Scenario } from '../stage.js';

type Version = NonNullable<ClientOptions['version']>;

/** Alice subscribes, sends these bytes and records the MESSAGE. */
const echoed = (name: string, bytes: (destination: string) => string | Buffer, options: ClientOptions = {}): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.connect('alice', options);
    const destination = `/topic/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination });
    alice.client.send(bytes(destination));
    await alice.message();
  });

/** Alice sends this header line literally; Bob records the header lines that he receives. */
const header = (name: string, version: Version, line: string, reader: Version = version): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.connect('alice', { version });
    const bob = await stage.connect('bob', { version: reader });
    const destination = `/topic/${stage.name()}`;
    await bob.request('SUBSCRIBE', { id: 's', destination });
    alice.client.send(`SEND\ndestination:${destination}\n${line}\n\nbody\0`);
    await alice.finish();
    const { headerLines } = await bob.message();
    bob.note(`on the wire: ${headerLines.filter((each) => /^x-|^ x-/.test(each)).join(' | ')}`);
  });

const bad = (name: string, bytes: string | Buffer, options: ClientOptions = {}): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.connect('alice', options);
    alice.client.send(bytes);
    await alice.refusal();
  });

export const scenarios: readonly Scenario[] = [
  echoed('frames: line ends between frames', (to) => `\n\n\nSEND\ndestination:${to}\n\nhello\n\0\n\n`),
  echoed('frames: NULs between frames', (to) => `\n\0SEND\ndestination:${to}\ncontent-type:text/plain\n\nhello\n\0\n`),
  echoed('frames: without content-type', (to) => `SEND\ndestination:${to}\n\nhello\n\0`),
  echoed('frames: with content-length', (to) => `SEND\ndestination:${to}\ncontent-length:5\n\nhello\0`),
  echoed('frames: NULs in the body', (to) => frame('SEND', { destination: to, 'content-length': '4' }, 'a\0b\0')),
  echoed('frames: an empty body', (to) => `SEND\ndestination:${to}\n\n\0`),
  echoed('frames: CRLF line ends in 1.2', (to) => `SEND\r\ndestination:${to}\r\nx-a:1\r\n\r\nhello\r\n\0`),
  echoed('frames: text of many scripts', (to) => `SEND\ndestination:${to}\nx-a:é ü 漢 😀\n\né ü 漢 😀\0`),
  echoed('frames: the first of repeated headers', (to) => `SEND\ndestination:${to}\nx-a:1\nx-a:2\n\nx\0`),
  echoed('frames: the first of repeated content-lengths', (to) =>
    Buffer.from(`SEND\ndestination:${to}\ncontent-length:3\ncontent-length:1\n\nabc\0`),
  ),
  echoed('frames: an empty header value', (to) => `SEND\ndestination:${to}\nx-a:\n\nx\0`),
  echoed('frames: over TCP', (to) => frame('SEND', { destination: to, 'content-length': '3' }, 'a\0b'), {
    transport: 'tcp',
  }),
  echoed('frames: binary WebSocket messages', (to) => frame('SEND', { destination: to }, 'x')),
  echoed(
    'frames: a body that is not UTF-8, over TCP',
    (to) => frame('SEND', { destination: to }, Buffer.from([0xff, 0xfe])),
    {
      transport: 'tcp',
    },
  ),
  echoed('frames: a body that is not UTF-8, over WebSocket', (to) =>
    frame('SEND', { destination: to }, Buffer.from([0xff, 0xfe])),
  ),
  echoed('frames: a body of 1 MiB', (to) => `SEND\ndestination:${to}\n\n${'x'.repeat(2 ** 20)}\0`),
  scenario('frames: two frames in one WebSocket message', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/topic/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination });
    alice.client.send(Buffer.concat([frame('SEND', { destination }, 'one'), frame('SEND', { destination }, 'two')]));
    await alice.messages(2);
  }),
  scenario('frames: a frame in pieces of seven bytes', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/topic/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination });
    alice.client.sendInPieces(frame('SEND', { destination, 'x-a': 'é' }, 'é ü 漢 😀'), 7);
    await alice.message();
  }),
  scenario('frames: a frame in pieces over TCP', async (stage) => {
    const alice = await stage.connect('alice', { transport: 'tcp' });
    const destination = `/topic/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination });
    alice.client.sendInPieces(frame('SEND', { destination }, '0123456789'.repeat(50)), 191);
    await alice.message();
  }),

  header('escapes: all escapes of 1.2', '1.2', 'x-a:a\\cb\\nc\\\\d\\re'),
  header('escapes: escapes in a header name', '1.2', 'x-a\\cb:1'),
  header('escapes: all escapes of 1.1', '1.1', 'x-a:a\\cb\\nc\\\\d'),
  header('escapes: \\r is undefined in 1.1', '1.1', 'x-a:a\\rb'),
  header('escapes: a backslash in 1.0', '1.0', 'x-a:C:\\new'),
  header('escapes: a 1.0 subscriber gets values unescaped', '1.2', 'x-a:a\\cb\\\\c', '1.0'),
  header('escapes: an undefined escape', '1.2', 'x-a:a\\tb'),
  header('escapes: a raw colon in a value', '1.2', 'x-a:http://example.com:80/'),
  header('headers: spaces around a value in 1.2', '1.2', 'x-a: b '),
  header('headers: spaces around a value in 1.0', '1.0', 'x-a: b '),
  header('headers: spaces around a name', '1.2', 'x-a :b'),

  bad('frames: a header without a colon', 'SEND\ndestination\n\nx\0'),
  bad('frames: content-length is not a number', 'SEND\ndestination:/topic/a\ncontent-length:abc\n\nx\0'),
  bad('frames: content-length is negative', 'SEND\ndestination:/topic/a\ncontent-length:-1\n\nx\0'),
  bad('frames: no NUL after content-length bytes', 'SEND\ndestination:/topic/a\ncontent-length:2\n\nabcdef\0'),
  bad('frames: a carriage return inside a command', 'SE\rND\ndestination:/topic/a\n\nx\0'),
  bad('frames: garbage over TCP', 'GET / HTTP/1.1\r\nHost: example.com\r\n\r\n\0', { transport: 'tcp' }),
  scenario('frames: a body on SUBSCRIBE', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name()}` }, 'body');
  }),
  scenario('frames: 200 headers', async (stage) => {
    const alice = await stage.connect('alice');
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`x-${n}`, 'v']));
    await alice.request('SEND', { destination: `/topic/${stage.name()}`, ...many }, 'x');
  }),
];
