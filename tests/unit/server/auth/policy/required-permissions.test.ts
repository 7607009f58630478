import { describe, expect, test } from '@jest/globals';
import {
  furtherPermissionsOfSend,
  furtherPermissionsOfSubscribe,
} from '../../../../../server/src/auth/policy/required-permissions.js';
import type { RequiredPermission } from '../../../../../server/src/auth/policy/required-permissions.js';
import { parseDestination, parseReplyTo } from '../../../../../server/src/destinations/destination.js';

type Headers = Readonly<Record<string, string>>;

const textsOf = (permissions: readonly RequiredPermission[]): string[] =>
  permissions.map(({ action, destination: { kind, text } }) => `${action} ${kind} ${text}`);
const toSend = (to: string, headers: Headers) =>
  textsOf(
    furtherPermissionsOfSend(parseDestination(to, 'send'), new Map(Object.entries(headers)), tempQueueOf(headers)),
  );
const tempQueueOf = (headers: Headers) =>
  headers['reply-to'] === undefined ? undefined : parseReplyTo(headers['reply-to']);
const toSubscribe = (headers: Headers) => textsOf(furtherPermissionsOfSubscribe(new Map(Object.entries(headers))));

describe('a SEND', () => {
  test.each<[string, Headers, string[]]>([
    ['/topic/a', {}, []],
    ['/queue/a', { 'content-type': 'text/plain', 'x-own': '1', persistent: 'true' }, []],
    ['/topic/a', { 'reply-to': '' }, []],
    ['/topic/a', { 'reply-to': '/temp-queue/t' }, []],
    ['/topic/a', { 'reply-to': '/user/queue/replies' }, ['subscribe user /user/queue/replies']],
    ['/topic/a', { 'reply-to': '/user/ann/queue/x' }, ['send user /user/ann/queue/x']],
    [
      '/topic/a',
      { 'reply-to': '/user/queue/queue/x' },
      ['subscribe user /user/queue/queue/x', 'send user /user/queue/queue/x'],
    ],
    ['/topic/a', { 'reply-to': '/topic/b' }, ['send topic /topic/b']],
    ['/topic/a', { 'reply-to': '/exchange/e/k' }, ['send exchange /exchange/e/k']],
    ['/topic/a', { 'reply-to': '/amq/queue/b' }, ['send amq-queue /amq/queue/b']],
    ['/topic/a', { 'reply-to': '/reply-queue/b' }, ['send reply-queue /reply-queue/b']],
    ['/topic/a', { 'reply-to': 'b' }, ['send queue /queue/b']],
    ['/topic/a', { 'reply-to': 'b%2Fc' }, ['send queue /queue/b%252Fc']],
    // Spring AMQP reads these as an exchange and a key
    ['/topic/a', { 'reply-to': 'e/k.l' }, ['send queue /queue/e%2Fk.l', 'send exchange /exchange/e/k.l']],
    [
      '/topic/a',
      { 'reply-to': 'topic://e/k/l' },
      ['send queue /queue/topic:%2F%2Fe%2Fk%2Fl', 'send exchange /exchange/e/k%2Fl'],
    ],
    // Spring AMQP uses the last scheme, and needs no slash behind it
    [
      '/topic/a',
      { 'reply-to': 'topic://e/k://l' },
      ['send queue /queue/topic:%2F%2Fe%2Fk:%2F%2Fl', 'send exchange /exchange/l'],
    ],
    ['/topic/a', { 'reply-to': 'direct:///q' }, ['send queue /queue/direct:%2F%2F%2Fq', 'send queue /queue/q']],
    [
      '/topic/a',
      { 'reply-to': 'stomp-relay.user/x.ann' },
      ['send reply-queue /reply-queue/stomp-relay.user/x.ann', 'send exchange /exchange/stomp-relay.user/x.ann'],
    ],
    ['/topic/a', { 'reply-to': 'stomp-relay.durable.x' }, ['send reply-queue /reply-queue/stomp-relay.durable.x']],
    // These headers have no effect without a queue to declare
    ['/topic/a', { 'x-dead-letter-exchange': 'e' }, []],
    ['/amq/queue/a', { 'x-dead-letter-exchange': 'e', 'x-max-length': 'none' }, []],
    ['/queue/a', { 'x-max-length': '1' }, ['subscribe queue /queue/a']],
    ['a', { 'auto-delete': 'true' }, ['subscribe queue a']],
    [
      '/queue/a',
      { 'reply-to': 'b', 'x-dead-letter-exchange': 'e', 'x-dead-letter-routing-key': 'k' },
      ['send queue /queue/b', 'subscribe queue /queue/a', 'send exchange /exchange/e/k'],
    ],
  ])('to %s with %j needs %j', (to, headers, permissions) => {
    expect(toSend(to, headers)).toEqual(permissions);
  });

  test.each([
    '/nonsense/x',
    '/queue/a/b',
    '/temp-queue/a/b',
    '/user/queue/',
    '/queue/stomp-relay.x',
    '/exchange/amq.rabbitmq.trace/x',
    'direct:///amq.rabbitmq.reply-to.x',
    'topic://amq.rabbitmq.trace/x',
  ])('is refused with reply-to:%s, which cannot receive replies', (replyTo) => {
    expect(() => toSend('/topic/a', { 'reply-to': replyTo })).toThrow(
      expect.objectContaining({ code: 'invalid-destination' }),
    );
  });

  test.each(['/reply-queue/amq.rabbitmq.reply-to.x', 'amq.rabbitmq.trace/x', 'amq.rabbitmq.reply-to.x'])(
    'is refused with reply-to:%s, a name of RabbitMQ itself',
    (replyTo) => {
      const refusal = expect.objectContaining({ code: 'invalid-header' });
      expect(() => toSend('/topic/a', { 'reply-to': replyTo })).toThrow(refusal);
    },
  );
});

test.each([
  ['invalid-header', 'a://'.repeat(4_000) + '\n'],
  ['invalid-header', 'é'.repeat(128)],
  ['invalid-destination', `/temp-queue/${'%61'.repeat(700)}`],
])('a reply-to that is too long is refused before it is parsed: %s', (code, replyTo) => {
  expect(() => toSend('/topic/a', { 'reply-to': replyTo })).toThrow(expect.objectContaining({ code }));
});

describe('a SUBSCRIBE', () => {
  test.each<[Headers, string[]]>([
    [{}, []],
    [{ 'x-max-length': '1', durable: 'true', 'x-dead-letter-routing-key': 'k' }, []],
    [{ 'x-queue-name': ' jobs ' }, ['subscribe queue /queue/jobs', 'send queue /queue/jobs']],
    [{ 'x-dead-letter-exchange': ' e ', 'x-dead-letter-routing-key': 'a.b' }, ['send exchange /exchange/e/a.b']],
    [{ 'x-dead-letter-exchange': 'e', 'x-dead-letter-routing-key': '' }, ['send exchange /exchange/e']],
    [{ 'x-dead-letter-exchange': 'e' }, ['send exchange /exchange/e/#']],
    [{ 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'q' }, ['send queue /queue/q']],
    [{ 'x-dead-letter-exchange': '' }, ['send exchange /queue/#']],
    [
      { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'stomp-relay.durable.x' },
      ['send reply-queue /reply-queue/stomp-relay.durable.x'],
    ],
  ])('with %j needs %j', (headers, permissions) => {
    expect(toSubscribe(headers)).toEqual(permissions);
  });

  test('without a dead-letter key needs permission for any key', () => {
    const [permission] = furtherPermissionsOfSubscribe(new Map([['x-dead-letter-exchange', 'e']]));
    expect(permission?.destination).toEqual({
      kind: 'exchange',
      text: '/exchange/e/#',
      exchange: 'e',
      key: '#',
      anyKey: true,
    });
  });
});
