/** What the encoder writes, the parser reads back: random frames of nasty headers, in random cuts, in each version. */
import { expect, test } from '@jest/globals';
import { encodeFrame } from '../../../../server/src/stomp/encoder.js';
import { VERSIONS } from '../../../../server/src/stomp/frame.js';
import type { Version } from '../../../../server/src/stomp/frame.js';
import { LIMITS, parse, randomCuts, seededRandom } from './cuts.js';

const ALPHABET = ['\\', '\\n', '\n', '\r', ':', '\0', ' ', 'c', 'n', 'r', 't', 'é', '🙂', '\uFEFF', '\x7f', '\t', 'a'];
const FRAMES = 300;
const limits = { ...LIMITS, headerLineMaxBytes: 1_000, headersMaxBytes: 10_000 };

/** Whether the version can say it, written down anew from the specifications. */
const CAN_SAY: Record<Version, (name: string, value: string) => boolean> = {
  '1.0': (name, value) => !/[\0\r\n]/.test(name + value) && !name.includes(':'),
  '1.1': (name, value) => !/\0/.test(name + value),
  '1.2': (name, value) => !(name + value).includes('\0'),
};

/** What arrives: 1.0 readers drop spaces around values. */
const asRead = (value: string, version: Version) => (version === '1.0' ? value.replace(/^ +| +$/g, '') : value);

test.each(VERSIONS)('STOMP %s', (version) => {
  const random = seededRandom(12);
  const below = (limit: number) => Math.floor(random() * limit);
  const text = (maxParts: number) =>
    Array.from({ length: below(maxParts + 1) }, () => ALPHABET[below(ALPHABET.length)]).join('');

  const sent = Array.from({ length: FRAMES }, () => ({
    headers: Array.from({ length: below(8) }, (): [string, string] => [text(4), text(8)]),
    body: Buffer.from(Array.from({ length: below(3) * below(50) }, () => below(3) * below(256))),
  }));
  const stream = Buffer.concat(sent.map(({ headers, body }) => encodeFrame('SEND', headers, body, version)));
  const { frames, error, midFrame } = parse(randomCuts(stream, random, 200), version, limits);

  expect(error).toBeUndefined();
  expect(midFrame).toBe(false);
  expect(frames).toHaveLength(FRAMES);
  sent.forEach(({ headers, body }, index) => {
    const expected = new Map<string, string>();
    for (const [name, value] of headers) {
      if (name === '' || !CAN_SAY[version](name, value) || expected.has(name)) continue;
      expected.set(name, asRead(value, version));
    }
    if (body.length > 0) expected.set('content-length', String(body.length));
    expect(new Map(frames[index]?.headers)).toEqual(expected);
    expect(frames[index]?.body).toBe(body.toString('latin1'));
  });
});

test('frames that are not escaped come back too', () => {
  const passcode = 'a:b\\c\\ \\n';
  const stream = encodeFrame(
    'CONNECT',
    [
      ['accept-version', '1.2'],
      ['passcode', passcode],
    ],
    Buffer.alloc(0),
    undefined,
  );
  expect(parse([stream], undefined).frames[0]?.headers).toContainEqual(['passcode', passcode]);
});
