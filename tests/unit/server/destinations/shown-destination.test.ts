import { describe, expect, test } from '@jest/globals';
import { parseDestination } from '../../../../server/src/destinations/destination.js';
import {
  formatDestination,
  originOf,
  shownDestination,
} from '../../../../server/src/destinations/shown-destination.js';

describe('shownDestination', () => {
  test.each([
    // [destination of SUBSCRIBE, exchange, key, destination of MESSAGE]
    ['/topic/a.b', 'amq.topic', 'a.b', '/topic/a.b'],
    ['/topic/a/b', 'amq.topic', 'a.b', '/topic/a/b'],
    ['/topic/a/b.c', 'amq.topic', 'a.b.c', '/topic/a/b.c'],
    ['/topic/%61', 'amq.topic', 'a', '/topic/%61'],
    ['/topic/a/*', 'amq.topic', 'a.x', '/topic/a/x'],
    ['/topic/a.*', 'amq.topic', 'a.x', '/topic/a.x'],
    ['/topic/#', 'amq.topic', 'a.x', '/topic/a.x'],
    ['/topic/a/#', 'amq.topic', 'a.x/y.100%', '/topic/a/x%2Fy/100%25'],
    ['/topic/a/#', 'amq.topic', 'a..b', '/topic/a..b'],
    ['/topic/a/#', 'amq.topic', 'a.b.', '/topic/a.b.'],
    ['/topic/#', 'amq.topic', 'é\n', '/topic/é%0A'],
    ['/topic/a/*', 'came.through.another', 'a.x', '/topic/a/x'],
    ['/topic/a', '', 'some-queue', '/queue/some-queue'],
    ['/exchange/E', 'E', '', '/exchange/E'],
    ['/exchange/E', 'E', 'k', '/exchange/E/k'],
    ['/exchange/E/k.*', 'E', 'k.a/b', '/exchange/E/k.a%2Fb'],
    ['/exchange/a%2Fb/k', 'a/b', 'k', '/exchange/a%2Fb/k'],
    ['/exchange/amq.topic/k', 'amq.topic', 'k', '/exchange/amq.topic/k'],
    ['/user/queue/x', 'stomp-relay.user', 'x.bob', '/user/queue/x'],
    ['/queue/q', '', 'q', '/queue/q'],
    ['q', '', 'q', 'q'],
    ['/amq/queue/q', '', 'q', '/amq/queue/q'],
    ['/queue/q', '', 'other', '/queue/other'],
    ['/queue/q', 'amq.topic', 'a.b/c', '/topic/a.b%2Fc'],
    ['/queue/q', 'E', 'q', '/exchange/E/q'],
    ['/queue/q', 'amq.fanout', '', '/exchange/amq.fanout'],
  ])('%s, through exchange "%s" with key "%s": %s', (text, exchange, key, expected) => {
    expect(shownDestination(parseDestination(text, 'subscribe'), originOf(exchange, key, 'amq.topic'))).toBe(expected);
  });

  test('uses the matching key of a message with several keys', () => {
    const topic = parseDestination('/topic/copies/*', 'subscribe');
    expect(shownDestination(topic, { kind: 'topic', key: 'a' }, 'copies.b')).toBe('/topic/copies/b');
  });

  test('uses the destination of the SEND for a message to a user that reached a queue', () => {
    const queue = parseDestination('/queue/q', 'subscribe');
    expect(shownDestination(queue, { kind: 'user', text: '/user/ann/queue/x' })).toBe('/user/ann/queue/x');
  });

  test('uses the configured topic exchange', () => {
    const queue = parseDestination('/queue/q', 'subscribe');
    expect(shownDestination(queue, originOf('news', 'a', 'news'))).toBe('/topic/a');
    expect(shownDestination(queue, originOf('amq.topic', 'a', 'news'))).toBe('/exchange/amq.topic/a');
  });

  test('uses the text of the SUBSCRIBE if its key is exact', () => {
    const text = '/topic/a/%62';
    expect(shownDestination(parseDestination(text, 'subscribe'), { kind: 'topic', key: 'a.b' })).toBe(text);
  });

  test('is a valid destination of SEND with the same key', () => {
    for (const key of ['a', 'a.b', 'a/b', '100%', 'a..b', '.', 'é ☕', '*.#', '%2F']) {
      for (const pattern of ['/topic/#', '/topic/#/#']) {
        const shown = shownDestination(parseDestination(pattern, 'subscribe'), { kind: 'topic', key });
        expect(parseDestination(shown, 'send')).toMatchObject({ kind: 'topic', key });
      }
      expect(parseDestination(formatDestination('', key, 'amq.topic'), 'send')).toMatchObject({
        kind: 'queue',
        queue: key,
      });
      expect(parseDestination(formatDestination(key, key, 'amq.topic'), 'send')).toMatchObject({ exchange: key, key });
    }
  });
});
