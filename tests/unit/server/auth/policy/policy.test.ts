import { describe, expect, test } from '@jest/globals';
import type { Action, Principal } from '../../../../../server/src/auth/auth.js';
import { createPolicy, PolicyError } from '../../../../../server/src/auth/policy/policy.js';
import type { PolicyRule } from '../../../../../server/src/auth/policy/policy.js';
import { furtherPermissionsOfSubscribe } from '../../../../../server/src/auth/policy/required-permissions.js';
import { parseDestination } from '../../../../../server/src/destinations/destination.js';

const ANN: Principal = { name: 'ann', anonymous: false, claims: {} };
const ANONYMOUS: Principal = { name: 'anonymous', anonymous: true, claims: {} };
const having = (claims: Principal['claims'], name = 'ann'): Principal => ({ name, anonymous: false, claims });

/** Decides about a request such as `send /topic/a` or `subscribe /topic/#`. */
function may(rules: readonly PolicyRule[], request: string, principal = ANN, topicExchange?: string): boolean {
  const [action, destination] = read(request);
  const policy = createPolicy(rules, topicExchange === undefined ? {} : { topicExchange });
  return policy.allows(principal, action, destination) as boolean;
}

function read(request: string): [Action, ReturnType<typeof parseDestination>] {
  const [action, ...rest] = request.split(' ') as [Action, ...string[]];
  const parsed = parseDestination(rest.join(' '), action);
  return [action, parsed.kind === 'user' && action === 'subscribe' ? { ...parsed, user: 'ann' } : parsed];
}

const allow = (destination: string | string[]): PolicyRule => ({ allow: ['send', 'subscribe'], destination });
const deny = (destination: string | string[]): PolicyRule => ({ deny: ['send', 'subscribe'], destination });
const ALL = allow('/#');

describe('a rule that allows', () => {
  test.each([
    ['/topic/chat.#', 'send /topic/chat.a', true],
    ['/topic/chat.#', 'send /topic/chat/a/b', true],
    ['/topic/chat/#', 'send /topic/chat.a', true],
    ['/topic/chat.#', 'send /topic/chat', true],
    ['/topic/chat.#', 'send /topic/chats', false],
    ['/topic/chat.#', 'send /topic/Chat.a', false],
    ['/topic/chat.#', 'send /queue/chat.a', false],
    ['/topic/chat.#', 'subscribe /topic/chat.#', true],
    ['/topic/chat.#', 'subscribe /topic/chat.*.b', true],
    ['/topic/chat.#', 'subscribe /topic/*', false],
    ['/topic/chat.#', 'subscribe /topic/#', false],
    ['/topic/chat.#', 'subscribe /topic/#.chat', false],
    ['/topic/chat.*', 'subscribe /topic/chat.#', false],
    ['/topic/chat.*', 'subscribe /topic/chat.*', true],
    ['/topic/a.b', 'subscribe /topic/a.*', false],
    ['/topic/a', 'send /topic/a', true],
    ['/topic/a', 'send /topic/a.', false],
    // In a SEND, wildcards are literal characters of the key
    ['/topic/a.*', 'send /topic/a.#', true],
    ['/topic/a.*', 'send /topic/a.*', true],
    ['/topic/a.b', 'send /topic/a.*', false],
    ['/topic/a.b', 'send /topic/#', false],
    // The exchange behind /topic, spelled out
    ['/topic/chat.#', 'subscribe /exchange/amq.topic/chat.a', true],
    ['/topic/chat.#', 'subscribe /exchange/amq.topic/#', false],
    ['/topic/chat.#', 'subscribe /exchange/amq.topic', false],
    ['/exchange/amq.topic/chat.#', 'send /topic/chat.a', true],
    ['/exchange/%61mq.topic/chat.#', 'send /topic/chat.a', true],
    ['/topic/chat.#', 'send /exchange/events/chat.a', false],
    ['/exchange/events/a.#', 'subscribe /exchange/events/a.*', true],
    ['/exchange/events/a.#', 'subscribe /exchange/events', false],
    ['/exchange/events/#', 'subscribe /exchange/events', true],
    ['/exchange/events/#', 'subscribe /exchange/other/a', false],
    ['/exchange/*/a', 'send /exchange/other/a', true],
    ['/exchange/*/a', 'send /exchange/other/b', false],
    ['/exchange/*/#', 'send /topic/a', true],
    // Exchanges that ignore keys
    ['/exchange/amq.fanout/a', 'subscribe /exchange/amq.fanout/a', false],
    ['/exchange/amq.headers/a', 'send /exchange/amq.headers/a', false],
    ['/exchange/amq.match/#', 'subscribe /exchange/amq.match/a', true],
    // An allow rule covers only its own spelling of a queue
    ['/queue/jobs', 'send /queue/jobs', true],
    ['/queue/jobs', 'subscribe jobs', true],
    ['jobs', 'subscribe /queue/jobs', true],
    ['/queue/jobs', 'subscribe /amq/queue/jobs', false],
    ['/queue/jobs', 'send /reply-queue/jobs', false],
    ['/amq/queue/jobs', 'send /queue/jobs', false],
    ['/reply-queue/stomp-relay.reply.*', 'send /reply-queue/stomp-relay.reply.x', true],
    ['/reply-queue/stomp-relay.reply.*', 'send /reply-queue/stomp-relay.durable.x', false],
    ['/reply-queue/amq.rabbitmq.reply-to.#', 'send /reply-queue/amq.rabbitmq.reply-to.g1/h+.x==', true],
    ['/reply-queue/stomp-relay.reply.*', 'send /reply-queue/amq.rabbitmq.reply-to.x', false],
    ['/reply-queue/#', 'send /queue/stomp', false],
    ['/queue/jobs.*', 'subscribe /queue/jobs.a', true],
    ['/queue/jobs.*', 'subscribe /queue/jobs.*', true],
    ['/queue/jobs.a', 'subscribe /queue/jobs.*', false],
    ['/queue/jobs.a', 'subscribe /queue/#', false],
    ['/queue/a%2Fb', 'subscribe /queue/a%2fb', true],
    ['/queue/a%2Eb', 'subscribe /queue/a.b', true],
    ['/queue/jobs', 'subscribe /queue/%6aobs', true],
    // Users
    ['/user/queue/replies', 'subscribe /user/queue/replies', true],
    ['/user/queue/replies', 'subscribe /user/queue/others', false],
    ['/user/queue/#', 'subscribe /user/queue/a/b', true],
    ['/user/queue/replies', 'send /user/queue/queue/replies', false],
    ['/user/*/queue/replies', 'send /user/bob/queue/replies', true],
    ['/user/*/queue/replies', 'send /user/b.o%2Fb/queue/replies', true],
    ['/user/bob/queue/replies', 'send /user/ann/queue/replies', false],
    ['/user/*/queue/a.#', 'send /user/ann/queue/a/b', true],
    ['/user/*/queue/replies', 'subscribe /user/queue/replies', false],
    ['/#', 'subscribe /topic/#', true],
    ['/#', 'send /user/bob/queue/x', true],
    ['/#', 'send /reply-queue/x', true],
    ['/#', 'subscribe /exchange/amq.fanout', true],
  ])('%s and "%s": %s', (destination, request, expected) => {
    const [action, other] = request.startsWith('send')
      ? (['send', 'subscribe'] as const)
      : (['subscribe', 'send'] as const);
    const isOneSided = /^\/(user|reply-queue)\//.test(destination);
    expect(may([{ allow: isOneSided ? ['send', 'subscribe'] : action, destination }], request)).toBe(expected);
    if (!isOneSided) expect(may([{ allow: other, destination }], request)).toBe(false);
  });
});

describe('a rule that denies', () => {
  test.each([
    ['/topic/secret.#', 'send /topic/secret.a', false],
    ['/topic/secret.#', 'send /topic/open', true],
    ['/topic/secret.#', 'subscribe /topic/#', false],
    ['/topic/secret.#', 'subscribe /topic/*', false],
    ['/topic/secret.#', 'subscribe /topic/*.a', false],
    ['/topic/secret.#', 'subscribe /topic/#.a', false],
    ['/topic/secret.#', 'subscribe /topic/open.#', true],
    ['/topic/secret.#', 'send /topic/#', true],
    ['/topic/secret.#', 'subscribe /exchange/amq.topic/secret.a', false],
    ['/topic/secret.#', 'subscribe /exchange/amq.topic/#', false],
    ['/topic/secret.#', 'subscribe /exchange/%61mq.topic/%73ecret', false],
    ['/topic/secret/#', 'subscribe /topic/secret.a', false],
    ['/exchange/amq.topic/secret', 'subscribe /topic/secret', false],
    ['/exchange/events/secret', 'subscribe /exchange/events/*', false],
    ['/exchange/events/secret', 'subscribe /exchange/events', true],
    ['/exchange/amq.fanout/secret', 'subscribe /exchange/amq.fanout/other', false],
    ['/exchange/amq.fanout/secret', 'send /exchange/amq.fanout', false],
    ['/exchange/*/secret', 'send /topic/secret', false],
    ...['/queue/jobs', '/amq/queue/jobs', 'jobs'].flatMap(
      (rule) =>
        [
          [rule, 'subscribe /queue/jobs', false],
          [rule, 'subscribe jobs', false],
          [rule, 'subscribe /amq/queue/jobs', false],
          [rule, 'send /reply-queue/jobs', false],
          [rule, 'send /queue/%6Aobs', false],
          [rule, 'send /queue/#', true],
        ] as [string, string, boolean][],
    ),
    ['/reply-queue/jobs', 'send /queue/jobs', false],
    ['/queue/jobs.#', 'subscribe /amq/queue/jobs.a', false],
    ['/user/queue/private', 'subscribe /user/queue/private', false],
    ['/user/boss/queue/#', 'send /user/boss/queue/x', false],
    ['/user/boss/queue/#', 'send /user/%62oss/queue/x', false],
    ['/user/boss/queue/#', 'send /user/ann/queue/x', true],
    ['/#', 'send /topic/a', false],
  ])('%s and "%s": %s', (destination, request, expected) => {
    const rule: PolicyRule = { deny: ['send', 'subscribe'], destination };
    const rules = destination.startsWith('/reply-queue') ? [{ ...rule, deny: 'send' as const }] : [rule];
    expect(may([...rules, ALL], request)).toBe(expected);
  });
});

test('the first rule that applies decides; if none applies, the policy refuses', () => {
  const rules = [allow('/topic/secret.notice'), deny('/topic/secret.#'), allow('/topic/#')];
  expect(may(rules, 'send /topic/secret.notice')).toBe(true);
  expect(may(rules, 'send /topic/secret.plan')).toBe(false);
  expect(may(rules, 'send /topic/a')).toBe(true);
  expect(may(rules, 'subscribe /topic/secret.*')).toBe(false);
  expect(may(rules, 'send /queue/a')).toBe(false);
  expect(may([], 'send /topic/a')).toBe(false);
});

test('a rule applies to each destination of its list, and only for its action', () => {
  const rules: PolicyRule[] = [{ allow: 'subscribe', destination: ['/topic/a', '/queue/b'] }];
  expect(may(rules, 'subscribe /topic/a')).toBe(true);
  expect(may(rules, 'subscribe /queue/b')).toBe(true);
  expect(may(rules, 'send /topic/a')).toBe(false);
});

test('the topic exchange has the configured name', () => {
  expect(may([allow('/topic/a')], 'send /exchange/news/a', ANN, 'news')).toBe(true);
  expect(may([allow('/topic/a')], 'send /exchange/amq.topic/a', ANN, 'news')).toBe(false);
});

test('temporary queues need no rule', () => {
  const temporary = { kind: 'temp-queue', text: '/temp-queue/t', name: 't' } as const;
  expect(createPolicy([deny('/#')]).allows(ANN, 'send', temporary)).toBe(true);
});

describe('dead letters with an unknown key', () => {
  const permissionFor = (exchange: string) =>
    furtherPermissionsOfSubscribe(new Map([['x-dead-letter-exchange', exchange]]))[0]!;
  test.each([
    ['e', [allow('/exchange/e/#')], true],
    ['e', [allow('/exchange/e/*')], false],
    ['e', [deny('/exchange/e/a'), allow('/#')], false],
    ['e', [deny('/exchange/other/#'), allow('/#')], true],
    ['amq.topic', [allow('/topic/#')], true],
    ['', [allow('/queue/#')], false],
    ['', [deny('/queue/a'), allow('/#')], false],
    ['', [allow('/#')], true],
  ])('to the exchange "%s" by %j: %s', (exchange, rules, expected) => {
    const { action, destination } = permissionFor(exchange);
    expect(createPolicy(rules).allows(ANN, action, destination)).toBe(expected);
  });
});

describe('users', () => {
  const TOPIC = { destination: '/topic/a' };
  test.each<[PolicyRule[], boolean, boolean]>([
    [[{ allow: 'send', ...TOPIC }], true, false],
    [[{ allow: 'send', users: 'authenticated', ...TOPIC }], true, false],
    [[{ allow: 'send', users: 'anonymous', ...TOPIC }], false, true],
    [[{ allow: 'send', users: 'everyone', ...TOPIC }], true, true],
    [
      [
        { deny: 'send', ...TOPIC },
        { allow: 'send', users: 'everyone', destination: '/#' },
      ],
      false,
      false,
    ],
    [
      [
        { deny: 'send', users: 'anonymous', ...TOPIC },
        { allow: 'send', users: 'everyone', destination: '/#' },
      ],
      true,
      false,
    ],
    [
      [
        { deny: 'send', users: 'authenticated', ...TOPIC },
        { allow: 'send', users: 'everyone', destination: '/#' },
      ],
      false,
      true,
    ],
  ])('%j: with a login %s, without %s', (rules, authenticated, anonymous) => {
    expect(may(rules, 'send /topic/a')).toBe(authenticated);
    expect(may(rules, 'send /topic/a', ANONYMOUS)).toBe(anonymous);
  });
});

describe('claims', () => {
  test.each<[PolicyRule['claims'], Principal['claims'], boolean]>([
    [{ role: 'admin' }, { role: 'admin' }, true],
    [{ role: 'admin' }, { role: 'user' }, false],
    [{ role: 'admin' }, {}, false],
    [{ role: ['admin', 'staff'] }, { role: 'staff' }, true],
    [{ role: ['admin', 'staff'] }, { role: ['user', 'staff'] }, true],
    [{ role: 'admin' }, { role: ['user'] }, false],
    [{ role: 'admin' }, { role: 'admin user' }, false],
    [{ role: 'admin' }, { role: { admin: true } }, false],
    [{ role: 'admin', tenant: 'acme' }, { role: 'admin' }, false],
    [{ role: 'admin', tenant: 'acme' }, { role: 'admin', tenant: 'acme' }, true],
    [{ level: 3 }, { level: 3 }, true],
    [{ level: 3 }, { level: '3' }, true],
    [{ staff: true }, { staff: true }, true],
    [{ staff: true }, { staff: false }, false],
    [{ 'realm_access.roles': 'admin' }, { realm_access: { roles: ['admin'] } }, true],
    [{ 'https://example.com/role': 'admin' }, { 'https://example.com/role': 'admin' }, true],
    [{ 'a.b': 'x' }, { 'a.b': 'x', a: { b: 'y' } }, true],
    [{ 'a.b': 'x' }, { a: null }, false],
    // Inherited properties of an object are not claims
    [{ 'constructor.name': 'Object' }, {}, false],
    [{ undefined: 'undefined' }, {}, false],
    [{ role: 'null' }, { role: null }, false],
  ])('%j of %j: %s', (claims, of, expected) => {
    expect(may([{ allow: 'send', destination: '/topic/a', claims }], 'send /topic/a', having(of))).toBe(expected);
    expect(may([{ deny: 'send', destination: '/topic/a', claims }, ALL], 'send /topic/a', having(of))).toBe(!expected);
  });
});

describe('templates', () => {
  const rules = [
    allow(['/topic/private.{user}.#', '/topic/{claims.tenant}/news', '/queue/{claims.org.id}.*']),
    { allow: 'send', destination: ['/user/{user}/queue/x', '/exchange/{claims.tenant}/#'] } as const,
  ];
  test.each([
    ['subscribe /topic/private.ann.#', ANN, true],
    ['subscribe /topic/private.ann.a', ANN, true],
    ['subscribe /topic/private.bob.#', ANN, false],
    ['subscribe /topic/private.*.a', ANN, false],
    ['subscribe /topic/private.#', ANN, false],
    ['send /topic/private.ann', ANN, true],
    ['send /topic/private.anonymous.a', ANONYMOUS, false],
    ['send /topic/private.anonymous.a', having({}, 'anonymous'), true],
    ['send /topic/acme.news', having({ tenant: 'acme' }), true],
    ['send /topic/7.news', having({ tenant: 7 }), true],
    ['send /topic/other.news', having({ tenant: 'acme' }), false],
    ['send /topic/acme.news', having({ tenant: ['acme'] }), false],
    ['send /topic/true.news', having({ tenant: { true: 'x' } }), false],
    ['send /queue/7.a', having({ org: { id: 7 } }), true],
    ['send /queue/8.a', having({ org: { id: 7 } }), false],
    ['send /user/ann/queue/x', ANN, true],
    ['send /user/bob/queue/x', ANN, false],
    ['send /user/a.n*%2Fn@example.org/queue/x', having({}, 'a.n*/n@example.org'), true],
    ['send /exchange/a.b/k', having({ tenant: 'a.b' }), true],
    ['send /user/undefined/queue/x', ANONYMOUS, false],
  ])('"%s" by %j: %s', (request, principal, expected) => {
    expect(may(rules, request, { ...principal, anonymous: principal === ANONYMOUS })).toBe(expected);
  });

  // A value that is not a single word is neither split nor used as a pattern
  test.each(['*', '#', 'a.b', 'ann.#', 'a/b', 'a*', '#b', '.', ''])(
    'the value "%s" allows nothing and denies everything that it could match',
    (value) => {
      const principal = having({ tenant: value });
      for (const request of [
        'subscribe /topic/x.#',
        'subscribe /topic/x.*.b',
        'send /topic/x.b',
        `send /topic/x.a/b`,
        'send /topic/x.*',
      ]) {
        expect(may([allow('/topic/x.{claims.tenant}.#')], request, principal)).toBe(false);
        expect(may([deny('/topic/x.{claims.tenant}.#'), ALL], request, principal)).toBe(false);
        expect(may([deny('/topic/y.{claims.tenant}.#'), ALL], request, principal)).toBe(true);
      }
    },
  );

  test.each([
    ['a user without the claim', ANN],
    ['an anonymous client', ANONYMOUS],
  ])('a template without a value allows nothing and denies everything that it could match: %s', (_, principal) => {
    const template = principal === ANN ? '{claims.tenant}' : '{user}';
    const rest: PolicyRule = { allow: ['send', 'subscribe'], destination: '/#', users: 'everyone' };
    const of = (destination: string) => [{ deny: 'send', destination } as const, rest];
    expect(may(of(`/topic/x.${template}`), 'send /topic/x.anonymous', principal)).toBe(false);
    expect(may(of(`/topic/x.${template}`), 'send /topic/y.anonymous', principal)).toBe(true);
    expect(may(of(`/user/${template}/queue/x`), 'send /user/bob/queue/x', principal)).toBe(false);
    expect(may(of(`/user/${template}/queue/x`), 'send /user/bob/queue/y', principal)).toBe(true);
    expect(may([{ ...allow(`/topic/${template}`), users: 'everyone' }], 'send /topic/anonymous', principal)).toBe(
      false,
    );
  });

  test('a literal brace is written as an escape', () => {
    expect(may([allow('/topic/%7Buser%7D')], 'send /topic/{user}')).toBe(true);
    expect(may([allow('/topic/%7Buser%7D')], 'send /topic/ann')).toBe(false);
  });
});

describe('a refusal', () => {
  const policy = createPolicy([
    deny('/topic/secret.#'),
    deny('/topic/team.{claims.team}'),
    allow(['/topic/private.{user}.#', '/queue/jobs']),
    { ...allow('/topic/staff'), claims: { role: 'staff' } },
  ]);
  const MAIL = having({}, 'ann@example.org');
  test.each([
    ['send /topic/secret.a', ANN, 'policy.rules.0 denies it'],
    [
      'send /topic/team.a',
      ANN,
      'policy.rules.1 denies it, since this user has no single word (without . * # /) for {claims.team}',
    ],
    [
      'subscribe /topic/private.#',
      ANN,
      'policy.rules.2 allows only a part of what it reaches, or only another spelling',
    ],
    ['send /amq/queue/jobs', ANN, 'policy.rules.2 allows only a part of what it reaches, or only another spelling'],
    [
      'send /topic/private.ann',
      MAIL,
      'policy.rules.2 does not allow it, since this user has no single word (without . * # /) for {user}',
    ],
    ['send /topic/other', ANN, 'no rule of the policy allows it'],
    ['send /topic/staff', ANN, 'no rule of the policy allows it'],
  ])('"%s" is explained', (request, principal, expected) => {
    const [action, destination] = read(request);
    expect(policy.allows(principal, action, destination)).toBe(false);
    expect(policy.explain?.(principal, action, destination)).toBe(expected);
  });
});

describe('queueArguments', () => {
  const may = (rules: readonly PolicyRule[], ...queueArguments: string[]): boolean =>
    createPolicy(rules).allows(ANN, 'subscribe', parseDestination('/queue/a', 'subscribe'), queueArguments) as boolean;

  test('an allow rule with a list applies to requests without other arguments', () => {
    const rules = [{ ...ALL, queueArguments: ['x-expires', 'x-message-ttl'] }];
    expect(may(rules)).toBe(true);
    expect(may(rules, 'x-expires')).toBe(true);
    expect(may(rules, 'x-expires', 'x-max-length')).toBe(false);
    expect(may([{ ...ALL, queueArguments: [] }], 'x-expires')).toBe(false);
    expect(may([...rules, { ...ALL, queueArguments: ['x-max-length'] }], 'x-max-length')).toBe(true);
  });

  test('a deny rule with a list applies to requests with one of its arguments', () => {
    const rules = [{ ...deny('/#'), queueArguments: ['x-max-priority'] }, ALL];
    expect(may(rules)).toBe(true);
    expect(may(rules, 'x-expires')).toBe(true);
    expect(may(rules, 'x-expires', 'x-max-priority')).toBe(false);
  });

  test('a rule without a list allows any', () => {
    expect(may([ALL], 'x-expires', 'x-max-priority')).toBe(true);
  });

  test('a refusal names the arguments', () => {
    const policy = createPolicy([{ ...ALL, queueArguments: [] }]);
    const request = [ANN, 'subscribe', parseDestination('/queue/a', 'subscribe'), ['x-expires']] as const;
    expect(policy.explain!(...request)).toBe('policy.rules.0 allows it without x-expires');
  });
});

describe('an invalid rule', () => {
  const problemsOf = (...rules: PolicyRule[]): readonly string[] => {
    try {
      createPolicy(rules);
    } catch (error) {
      if (error instanceof PolicyError) return error.problems;
      throw error;
    }
    return [];
  };
  test.each([
    ['/topc/a', /is not a destination that this relay knows/],
    ['/topic/', /empty name/],
    ['/exchange/e', /has no key: \/exchange\/NAME\/# is all/],
    ['/exchange/#/a', /"\*" stands for any exchange or user/],
    ['/topic/chat*', /stand for whole words/],
    ['/queue/a#', /stand for whole words/],
    ['/user/ann*/queue/x', /stand for whole words/],
    ['/topic/a-{user}', /whole word: /],
    ['/topic/{user}{user}', /whole word: /],
    ['/topic/{name}', /\{name\} is not a template/],
    ['/topic/{claims.}', /is not a template/],
    ['/topic/{user', /%7B/],
    ['/topic/a}', /%7D/],
    ['/topic/\ud800', /surrogate/],
    ['/temp-queue/t', /reply-to/],
    ['/queue/stomp-relay.x', /clients cannot use/],
    ['/user/queue', /user/],
  ])('has an invalid destination: %s', (destination, problem) => {
    expect(problemsOf(ALL, allow(destination))).toEqual([expect.stringMatching(problem)]);
    expect(problemsOf(ALL, allow(['/topic/a', destination]))[0]).toMatch(/^policy\.rules\.1\.destination "/);
  });

  test('has an action that its destination does not support', () => {
    expect(problemsOf({ allow: 'send', destination: '/user/queue/x' })).toHaveLength(1);
    expect(problemsOf({ allow: 'subscribe', destination: '/user/ann/queue/x' })).toHaveLength(1);
    expect(problemsOf({ deny: 'subscribe', destination: '/reply-queue/x' })).toHaveLength(1);
    expect(problemsOf(allow(['/user/queue/x', '/user/*/queue/x', '/reply-queue/x']))).toEqual([]);
  });

  test('has a queue argument that clients cannot use, or no action that uses them', () => {
    expect(problemsOf({ ...ALL, queueArguments: ['x-expires', 'durable'] })).toEqual([
      'policy.rules.0.queueArguments has "durable", which is no queue argument that clients can use',
    ]);
    expect(problemsOf({ allow: 'send', destination: '/queue/a', queueArguments: ['x-expires'] })).toEqual([
      expect.stringContaining('policy.rules.0 has queueArguments, and so must have subscribe'),
    ]);
  });

  test('has neither allow nor deny, or both', () => {
    expect(problemsOf({ destination: '/topic/a' }, { allow: 'send', deny: 'send', destination: '/topic/a' })).toEqual([
      'policy.rules.0 must have either allow or deny',
      'policy.rules.1 must have either allow or deny',
    ]);
  });

  test('is listed with all other invalid rules', () => {
    expect(problemsOf(allow('/a/b'), ALL, deny('/c/d'))).toEqual([
      expect.stringMatching(/^policy\.rules\.0\.destination "\/a\/b" cannot be used/),
      expect.stringMatching(/^policy\.rules\.2\.destination "\/c\/d" cannot be used/),
    ]);
  });

  test('rules with too many words are refused', () => {
    const long = allow(`/topic/${Array<string>(120).fill('a').join('.')}`);
    expect(problemsOf(...Array<PolicyRule>(81).fill(long))).toEqual([]);
    expect(problemsOf(...Array<PolicyRule>(83).fill(long))).toEqual([
      expect.stringMatching(/words together: at most 10000/),
    ]);
  });
});
