import { describe, expect, test } from '@jest/globals';
import { BrokerError } from '../../../../server/src/brokers/broker.js';
import { checkMessage, messageBytes, presentReplyTo } from '../../../../server/src/brokers/message-checks.js';
import { messageOf } from '../../../../server/src/contract/broker-desk.js';
import { EMPTY_BODY } from '../../../../server/src/stomp/frame.js';

const LIMITS = { keyWordsMax: 3, patternHashesMax: 1 };
const check = (headers: Record<string, string>, key = 'k'): void =>
  checkMessage({ headers: new Map(Object.entries(headers)), body: EMPTY_BODY }, key, LIMITS);

describe('checkMessage', () => {
  test('the words of a routing key are limited', () => {
    for (const key of ['', 'a.b.c', '..', 'abc.def/ghi.jkl']) expect(() => check({}, key)).not.toThrow();
    for (const key of ['a.b.c.d', '...']) {
      expect(() => check({}, key)).toThrow(expect.objectContaining({ code: 'invalid-destination' }));
    }
    expect(() => check({}, 'a.b.c.d')).toThrow(/4 words.*topics\.keyWordsMax \(3\)/);
  });

  test.each([
    ['/topic/a.b.c', true],
    ['/topic/a/b/c', true],
    ['/exchange/e.with.many.dots/a.b.c', true],
    ['/user/queue/a.b.c', true],
    ['/user/ann.b/queue/x.y.z', true],
    ['/user/ann.b.c/queue/x', false],
    ['q.u.e', true],
    ['/topic/a.b.c.d', false],
    ['/topic/a/b/c/d', false],
    ['/topic/a%2Eb%2Ec%2Ed', false],
    ['/exchange/e/a.b.c.d', false],
    ['/queue/a.b.c.d', false],
    ['/reply-queue/a.b.c.d', false],
    ['amq.topic/a.b.c.d', false],
  ])('the key of the reply-to %s is accepted: %s', (replyTo, isAccepted) => {
    if (isAccepted) return expect(() => check({ 'reply-to': replyTo })).not.toThrow();
    expect(() => check({ 'reply-to': replyTo })).toThrow(
      expect.objectContaining({ code: 'invalid-header', message: expect.stringContaining('topics.keyWordsMax (3)') }),
    );
  });

  test.each([
    ['content-type', 'text/plain'],
    ['expiration', '0'],
    ['expiration', '4294967295'],
    ['priority', '255'],
    ['timestamp', '1700000000'],
    ['persistent', 'True'],
    ['reply-to', 'amq.gen-1'],
    ['correlation-id', 'é'.repeat(127)],
    ['x-custom', 'v'.repeat(60_000)],
    ['cc', 'anything'],
    ['toString', 'x'],
  ])('%s is accepted: case %#', (name, value) => {
    expect(() => check({ [name]: value })).not.toThrow();
  });

  test.each([
    ['expiration', 'soon', /milliseconds/],
    ['expiration', '-1', /milliseconds/],
    ['expiration', '4294967296', /up to 4294967295/],
    ['expiration', '', /milliseconds/],
    ['priority', '256', /from 0 to 255/],
    ['priority', 'high', /from 0 to 255/],
    ['timestamp', '2026-01-01', /seconds since 1970/],
    ['timestamp', '-5', /seconds since 1970/],
    ['persistent', 'maybe', /true or false/],
    ['CC', 'other', /to each destination/],
    ['BCC', 'other', /to each destination/],
    ['user-id', 'guest', /another name/],
    ['reply-to', 'amq.rabbitmq.reply-to', /temp-queue/],
    ['reply-to', '/reply-queue/amq.rabbitmq.reply-to.x', /temp-queue/],
    ['type', 't'.repeat(256), /256 bytes: at most 255/],
    ['app-id', 'é'.repeat(128), /256 bytes: at most 255/],
    ['n'.repeat(256), 'v', /name has 256 bytes/],
    ['big', 'v'.repeat(65_534), /65537 bytes together: at most 65536/],
  ])('case %#: %j is refused', (name, value, sentence) => {
    expect(() => check({ [name]: value })).toThrow(sentence);
    expect(() => check({ [name]: value })).toThrow(expect.objectContaining({ code: 'invalid-header' }));
    expect(() => check({ [name]: value })).toThrow(BrokerError);
  });
});

test.each([
  ['amq.gen-1', '/reply-queue/amq.gen-1'],
  ['a/b', '/reply-queue/a/b'],
  ['/reply-queue/x', '/reply-queue/x'],
  ['/queue/x', '/queue/x'],
  ['/topic/x', '/topic/x'],
  ['/exchange/x/y', '/exchange/x/y'],
  ['/amq/queue/x', '/amq/queue/x'],
  ['/user/bob/queue/x', '/user/bob/queue/x'],
  ['/nonsense', '/reply-queue//nonsense'],
])('presentReplyTo(%s)', (value, presented) => {
  expect(presentReplyTo(value)).toBe(presented);
});

test('messageBytes grows with headers and body', () => {
  const empty = messageBytes(messageOf(''));
  expect(messageBytes(messageOf('12345', { abc: 'de' }))).toBe(empty + 64 + 10);
});
