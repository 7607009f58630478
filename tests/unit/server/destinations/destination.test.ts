import { describe, expect, test } from '@jest/globals';
import {
  DestinationError,
  directReplyAddress,
  parseDestination,
  parseReplyTo,
  otherSpelling,
  receivedReplyAddress,
  repliesToUnreachable,
  userKey,
} from '../../../../server/src/destinations/destination.js';

const refusal = (run: () => unknown): string => {
  try {
    run();
  } catch (error) {
    if (error instanceof DestinationError) {
      expect(error.code).toBe('invalid-destination');
      return error.message;
    }
    throw error;
  }
  throw new Error('nothing was refused');
};

describe('parseDestination', () => {
  test.each([
    ['/topic/a', { kind: 'topic', key: 'a', spelling: 'dots' }],
    ['/topic/a.b', { kind: 'topic', key: 'a.b', spelling: 'dots' }],
    ['/topic/a/b', { kind: 'topic', key: 'a.b', spelling: 'slashes' }],
    ['/topic/a/b.c', { kind: 'topic', key: 'a.b.c', spelling: 'slashes' }],
    ['/topic/a%2Fb', { kind: 'topic', key: 'a/b', spelling: 'dots' }],
    ['/topic/a%2fb/c', { kind: 'topic', key: 'a/b.c', spelling: 'slashes' }],
    ['/topic/%252F', { kind: 'topic', key: '%2F', spelling: 'dots' }],
    ['/topic/caf%C3%A9', { kind: 'topic', key: 'café', spelling: 'dots' }],
    ['/topic/café ☕', { kind: 'topic', key: 'café ☕', spelling: 'dots' }],
    ['/topic/a..b', { kind: 'topic', key: 'a..b', spelling: 'dots' }],
    ['/topic/*/#', { kind: 'topic', key: '*.#', spelling: 'slashes' }],
    ['/exchange/E', { kind: 'exchange', exchange: 'E', key: '' }],
    ['/exchange/E/', { kind: 'exchange', exchange: 'E', key: '' }],
    ['/exchange/E/k.*', { kind: 'exchange', exchange: 'E', key: 'k.*' }],
    ['/exchange/a%2Fb/c%2Fd', { kind: 'exchange', exchange: 'a/b', key: 'c/d' }],
    ['/queue/q', { kind: 'queue', queue: 'q' }],
    ['/queue/q.%2F%25', { kind: 'queue', queue: 'q./%' }],
    ['plain', { kind: 'queue', queue: 'plain' }],
    ['/amq/queue/q', { kind: 'amq-queue', queue: 'q' }],
    ['/amq/queue/amq.gen-1%2F2', { kind: 'amq-queue', queue: 'amq.gen-1/2' }],
  ])('%s', (text, expected) => {
    for (const action of ['send', 'subscribe'] as const) {
      expect(parseDestination(text, action)).toEqual({ text, ...expected });
    }
  });

  test.each([
    ['/reply-queue/amq.gen-A', 'amq.gen-A'],
    ['/reply-queue/a/b//%2F', 'a/b//%2F'],
    ['/reply-queue/stomp-relay.reply.x', 'stomp-relay.reply.x'],
  ])('%s is verbatim, and allows only SEND', (text, queue) => {
    expect(parseDestination(text, 'send')).toEqual({ kind: 'reply-queue', text, queue });
    expect(refusal(() => parseDestination(text, 'subscribe'))).toMatch(/takes only SEND.*reply-to:\/temp-queue/);
  });

  test.each([
    '/reply-queue/amq.rabbitmq.reply-to',
    '/reply-queue/amq.rabbitmq.x',
    '/reply-queue/stomp-relay.history.prices',
    '/queue/stomp-relay.history.prices',
    '/amq/queue/stomp-relay.history.prices',
  ])('%s cannot be sent to: it is a name of RabbitMQ, or a history', (text) => {
    expect(refusal(() => parseDestination(text, 'send'))).toMatch(/clients cannot use/);
  });

  test.each(['/queue/stomp-relay.history.prices', '/amq/queue/stomp-relay.history.prices'])(
    '%s cannot be subscribed to',
    (text) => {
      expect(refusal(() => parseDestination(text, 'subscribe'))).toMatch(/clients cannot use/);
    },
  );

  test('an address of direct reply-to is recognized in a SEND and in a received reply-to, and nowhere else', () => {
    const address = 'amq.rabbitmq.reply-to.g1h/2+.x==';
    expect(directReplyAddress(parseDestination(`/reply-queue/${address}`, 'send'))).toBe(address);
    expect(receivedReplyAddress(`/reply-queue/${address}`)).toBe(address);
    expect(directReplyAddress(parseDestination('/reply-queue/stomp-relay.reply.x', 'send'))).toBeUndefined();
    expect(directReplyAddress(parseDestination('/topic/amq.rabbitmq.reply-to.x', 'send'))).toBeUndefined();
    const others = [address, '/reply-queue/stomp-relay.reply.x', '/topic/xxxxxx/amq.rabbitmq.reply-to.x', undefined];
    for (const other of others) expect(receivedReplyAddress(other)).toBeUndefined();
    const history = 'stomp-relay.history.prices';
    const addresses = [address, `/reply-queue/${address}`, history, `/reply-queue/${history}`, '/topic/a', 'a'];
    expect(addresses.map(repliesToUnreachable)).toEqual([true, true, true, true, false, false]);
  });

  test.each(['amq.topic', 'amq.direct', 'amq.fanout', 'amq.headers', 'amq.match', 'amq.rabbitmq'])(
    '/exchange/%s is allowed',
    (exchange) => {
      for (const action of ['send', 'subscribe'] as const) {
        expect(parseDestination(`/exchange/${exchange}/k`, action)).toMatchObject({ exchange, key: 'k' });
      }
    },
  );

  test.each([
    ['/user/bob/queue/x', 'bob', 'x'],
    ['/user/bob/queue/x/y', 'bob', 'x/y'],
    ['/user/queue/queue/x', 'queue', 'x'],
    ['/user/a%2Fb%40c/queue/x', 'a/b@c', 'x'],
  ])('SEND to %s', (text, user, name) => {
    expect(parseDestination(text, 'send')).toEqual({ kind: 'user', text, user, name });
  });

  test.each([
    ['/user/queue/x', 'x'],
    ['/user/queue/x/y', 'x/y'],
    ['/user/queue/queue/x', 'queue/x'],
  ])('SUBSCRIBE to %s is for the user of the session', (text, name) => {
    expect(parseDestination(text, 'subscribe')).toEqual({ kind: 'user', text, user: undefined, name });
  });

  test.each([
    ['/user/queue/x', 'send', /does not name the recipient.*\/user\/USER\/queue\/NAME/],
    ['/user/queue/queue', 'send', /\/user\/USER\/queue\/NAME/],
    ['/user//queue/x', 'send', /\/user\/USER\/queue\/NAME/],
    ['/user/bob', 'send', /\/user\/USER\/queue\/NAME/],
    ['/user/bob/queue/x', 'subscribe', /\/user\/queue\/NAME/],
    ['/user/queue/', 'subscribe', /\/user\/queue\/NAME/],
    ['/user/queue//x', 'subscribe', /\/user\/queue\/NAME/],
    ['/user/topic/x', 'subscribe', /\/user\/queue\/NAME/],
    ['/temp-queue/x', 'send', /reply-to:\/temp-queue\/x/],
    ['/temp-queue/x', 'subscribe', /without a SUBSCRIBE/],
  ] as const)('%s is refused on %s', (text, action, sentence) => {
    expect(refusal(() => parseDestination(text, action))).toMatch(sentence);
  });

  test.each([
    ['/topic', /empty name.*%2F/],
    ['/topic/', /empty name/],
    ['/topic//a', /empty name/],
    ['/topic/a//b', /empty name/],
    ['/topic/a/', /empty name/],
    ['/queue', /form \/queue\/NAME/],
    ['/queue/', /form \/queue\/NAME/],
    ['/queue/a/b', /form \/queue\/NAME.*%2F/],
    ['/amq/queue', /form \/amq\/queue\/NAME/],
    ['/amq/queue/a/b', /form \/amq\/queue\/NAME.*%2F/],
    ['/exchange', /form \/exchange\/NAME/],
    ['/exchange/', /default exchange/],
    ['/exchange//k', /default exchange/],
    ['/exchange/E/k/more', /form \/exchange\/NAME.*%2F/],
    ['/queue/%zz', /"%" itself is written %25/],
    ['/queue/100%', /"%" itself is written %25/],
    ['/queue/%C3', /UTF-8/],
    ['/queue/%E2%82', /UTF-8/],
    ['/queue/a\0b', /control character/],
    ['/queue/a\nb', /control character/],
    ['/queue/a\rb', /control character/],
    ['/queue/a%00b', /control character/],
    ['/exchange/stomp-relay.user/bob', /clients cannot use.*"stomp-relay\.".*"amq\.rabbitmq\."/],
    ['/queue/stomp-relay.x', /clients cannot use.*"stomp-relay\.".*"amq\.rabbitmq\."/],
    ['/queue/%73tomp-relay.x', /clients cannot use.*"stomp-relay\.".*"amq\.rabbitmq\."/],
    ['/amq/queue/stomp-relay.x', /clients cannot use.*"stomp-relay\.".*"amq\.rabbitmq\."/],
    ['stomp-relay.x', /clients cannot use.*"stomp-relay\.".*"amq\.rabbitmq\."/],
    ['/queue/amq.rabbitmq.reply-to', /clients cannot use/],
    ['/queue/amq.rabbitmq%2Ereply-to.g1h2.x', /clients cannot use/],
    ['/amq/queue/amq.rabbitmq.reply-to.g1h2.x', /clients cannot use/],
    ['amq.rabbitmq.reply-to.g1h2.x', /clients cannot use/],
    ['/exchange/amq.rabbitmq.trace/x', /clients cannot use/],
    ['/exchange/amq.rabbitmq%2Etrace/%23', /clients cannot use/],
    ['/exchange/amq.rabbitmq.event', /clients cannot use/],
    ['/queue/amq.rabbitmq.x', /clients cannot use/],
    ['amq.rabbitmq.x', /clients cannot use/],
    ['', /not a destination.*\/topic, \/exchange, \/queue/],
    ['/', /not a destination/],
    ['//topic/a', /not a destination/],
    ['/amq/topic/a', /not a destination/],
    ['/nonsense/a', /not a destination.*\/topic, \/exchange, \/queue/],
    ['/Topic/a', /not a destination/],
    ['topic/a', /not a destination/],
    ['/dsub/a', /not a destination/],
  ])('%j is refused', (text, sentence) => {
    for (const action of ['send', 'subscribe'] as const) {
      expect(refusal(() => parseDestination(text, action))).toMatch(sentence);
    }
  });

  test('an empty reply queue is refused', () => {
    expect(refusal(() => parseDestination('/reply-queue/', 'send'))).toMatch(/\/reply-queue\/NAME/);
  });

  test('a text that is longer than any destination is not parsed', () => {
    const tooLong = /1\d{4} characters: a destination has at most 2000/;
    expect(refusal(() => parseDestination(`/topic/${'a/'.repeat(8_000)}`, 'send'))).toMatch(tooLong);
    expect(refusal(() => parseReplyTo(`/temp-queue/${'%'.repeat(16_000)}`))).toMatch(tooLong);
    expect(parseReplyTo('a/'.repeat(8_000))).toBeUndefined();
    expect(parseDestination(`/exchange/${'%61'.repeat(255)}/${'%61'.repeat(255)}`, 'send').kind).toBe('exchange');
  });

  test('names have at most 255 bytes of UTF-8', () => {
    for (const prefix of ['/topic/', '/queue/', '/amq/queue/', '/exchange/', '/exchange/E/', '/reply-queue/', '']) {
      parseDestination(prefix + 'é'.repeat(127) + 'x', 'send');
      expect(refusal(() => parseDestination(prefix + 'é'.repeat(128), 'send'))).toMatch(/256 bytes.*at most 255/);
    }
    expect(refusal(() => parseDestination(`/topic/${'a/'.repeat(128)}a`, 'send'))).toMatch(/at most 255/);
  });
});

describe('parseReplyTo', () => {
  test('parses temporary queues, and ignores other texts', () => {
    expect(parseReplyTo('/temp-queue/a%2Fb')).toEqual({ kind: 'temp-queue', text: '/temp-queue/a%2Fb', name: 'a/b' });
    expect(parseReplyTo('/queue/a')).toBeUndefined();
    expect(parseReplyTo('amq.gen-1')).toBeUndefined();
  });

  test.each(['/temp-queue', '/temp-queue/', '/temp-queue/a/b', '/temp-queue/%'])('%s is refused', (text) => {
    expect(refusal(() => parseReplyTo(text))).toMatch(/temp-queue/);
  });
});

describe('userKey', () => {
  test.each([
    ['bob', 'x', 'x.bob'],
    ['bob@example.com', 'replies', 'replies.bob%40example.com'],
    ['a/queue/b', 'c/d', 'c%2Fd.a%2Fqueue%2Fb'],
    ['*', 'x', 'x.%2A'],
    ['#', 'x', 'x.%23'],
    ['a.*', '#.*', '%23%2E%2A.a.%2A'],
    ['%2A', '%2E', '%252E.%252A'],
    ["-_!~'()", "-_!~'()", "-_!~'().-_!~'()"],
    ['Zoë 🙂', 'x', 'x.Zo%C3%AB%20%F0%9F%99%82'],
  ])('of the user %s and the name %s is %s', (user, name, key) => {
    expect(userKey(user, name)).toBe(key);
  });

  test('is unambiguous for any name of a user', () => {
    expect(userKey('a', 'b/queue/x')).not.toBe(userKey('a/queue/b', 'x'));
    expect(userKey('today.ann', 'news')).not.toBe(userKey('ann', 'news.today'));
  });

  test.each([
    ["x.o'hara", 'x.o%27hara'],
    ["it's.ann", 'it%27s.ann'],
    ['x.(a)!', 'x.%28a%29%21'],
    ['x.%2527', undefined],
    ['x.ann%20lee~-_', undefined],
    [`x.${"'".repeat(84)}`, `x.${'%27'.repeat(84)}`],
    [`x.${"'".repeat(85)}`, undefined],
  ])('%s has the other spelling %s', (key, other) => {
    expect(otherSpelling(key)).toBe(other);
  });

  test('refuses names that do not fit into a routing key', () => {
    expect(refusal(() => userKey('u'.repeat(254), 'x'))).toMatch(/at most 255/);
    expect(refusal(() => userKey('x', '.'.repeat(85)))).toMatch(/257 bytes.*at most 255/);
    expect(refusal(() => userKey('\ud800', 'x'))).toMatch(/valid Unicode/);
    expect(refusal(() => userKey('bob', '\ud800'))).toMatch(/valid Unicode/);
  });
});
