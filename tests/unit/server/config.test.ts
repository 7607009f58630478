import { randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { checkExposure, createConfig, loadConfig } from '../../../server/src/config.js';
import { SlowPolicies } from '../../../server/src/delivery/slow-policy.js';
import { problemsOf } from '../../support/config-problems.js';

function yaml(text: string): string {
  const file = join(mkdtempSync(join(tmpdir(), 'relay-config-')), 'relay.yaml');
  writeFileSync(file, text);
  return file;
}

const load = (flags: Record<string, unknown>, environment: Record<string, string> = {}) =>
  loadConfig(flags, environment);

describe('defaults', () => {
  test('are the documented ones', () => {
    const config = load({});
    expect(config.listen).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      path: '/ws',
      tcpPort: 'off',
      adminPort: 8081,
      adminHost: '127.0.0.1',
    });
    expect(config.broker).toEqual({ kind: 'memory' });
    expect(config.websocket.allowedOrigins).toBe('same');
    expect(config.workers).toBe(1);
    expect(config.topicExchange).toBe('amq.topic');
  });

  test('are frozen, at every depth', () => {
    const config = createConfig();
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.session.heartBeat)).toBe(true);
  });

  test('let the largest frame into one WebSocket message', () => {
    const { limits, websocket } = createConfig({ limits: { afterLogin: { bodyMaxBytes: 2_000_000 } } });
    expect(websocket.maxPayloadBytes).toBeGreaterThan(
      limits.afterLogin.bodyMaxBytes + limits.afterLogin.headersMaxBytes,
    );
  });
});

describe('precedence', () => {
  const config = yaml('listen:\n  port: 1001\n  path: /file\n  host: localhost\n');

  test('is flags, variables, file, default', () => {
    const { listen } = load({ config, port: '1003' }, { RELAY_PORT: '1002', RELAY_PATH: '/environment' });
    expect(listen).toMatchObject({ port: 1003, path: '/environment', host: 'localhost', adminPort: 8081 });
  });

  test('takes the file from RELAY_CONFIG, and ignores an empty variable', () => {
    const { listen } = load({}, { RELAY_CONFIG: config, RELAY_PORT: '' });
    expect(listen.port).toBe(1001);
  });
});

describe('values', () => {
  test('a broker is memory: or a list of AMQP addresses', () => {
    expect(load({ broker: 'amqp://a:b@one/v, amqps://a:b@two:5671' }).broker).toEqual({
      kind: 'rabbitmq',
      urls: ['amqp://a:b@one/v', 'amqps://a:b@two:5671'],
    });
    expect(load({ broker: 'memory:' }).broker).toEqual({ kind: 'memory' });
  });

  test('workers is a number, or auto for one for each core', () => {
    const workers = (text: string) => load({ workers: text, broker: 'amqp://localhost' }).workers;
    expect(workers('3')).toBe(3);
    expect(workers('auto')).toBe(Math.min(availableParallelism(), 64));
  });

  test('allowedOrigins is a word or a list', () => {
    const origins = (text: string) => load({ allowOrigin: text }).websocket.allowedOrigins;
    expect(origins('*')).toBe('*');
    expect(origins('same')).toBe('same');
    expect(origins('https://App.example.com, http://localhost:3000')).toEqual([
      'https://app.example.com',
      'http://localhost:3000',
    ]);
    expect(origins('same,http://localhost:3000')).toEqual(['same', 'http://localhost:3000']);
  });

  test('the admin port and the TCP port can be off', () => {
    expect(load({ adminPort: 'off', tcpPort: '0' }).listen).toMatchObject({ adminPort: 'off', tcpPort: 0 });
  });

  test.each(['true', '1', 'yes'])('RELAY_ALLOW_ANONYMOUS=%s is true', (text) => {
    expect(load({}, { RELAY_ALLOW_ANONYMOUS: text }).auth.allowAnonymous).toBe(true);
  });
});

describe('mistakes', () => {
  test.each([
    [{ port: '70000' }, /^listen\.port is 70000 \(--port\): must be a port from 0 to 65535/],
    [{ port: 'http' }, /^listen\.port is "http" \(--port\): must be a port/],
    [{ path: 'ws' }, /^listen\.path is "ws" \(--path\): must be a path such as \/ws/],
    [{ tcpPort: 'on' }, /^listen\.tcpPort is "on" \(--tcp-port\): must be a port .*or "off"/],
    [{ host: 'not a host' }, /^listen\.host is "not a host" \(--host\): must be a host name/],
    [{ broker: 'kafka://x' }, /^broker is .*\(--broker\): must be memory: or amqp:/],
    [{ broker: 'localhost' }, /^broker is .*must be memory: or amqp:/],
    [{ broker: 'amqp://' }, /^broker is .*must be memory: or amqp:/],
    [{ broker: 'memory:,amqp://one' }, /^broker is .*must be memory: or amqp:/],
    [
      { workers: '4' },
      /^workers is 4 \(--workers\): the embedded broker \(memory:\) lives in one process; give --broker/,
    ],
    [{ workers: 'auto' }, /^workers is "auto" \(--workers\): the embedded broker \(memory:\) lives in one process/],
    [{ workers: '0' }, /^workers is 0 \(--workers\): must be a whole number from 1 to 64, or "auto"/],
    [{ workers: 'many' }, /^workers is "many" \(--workers\): must be a whole number from 1 to 64, or "auto"/],
    [
      { allowOrigin: 'https://a.example/path' },
      /allowedOrigins.*\(--allow-origin\): must be "same", "\*", or a list of origins/,
    ],
    [{ tlsCert: 'cert.pem' }, /^listen\.tls\.keyFile is missing: must be the name of a file: .*--tls-key/],
    [{ logLevel: 'loud' }, /^log\.level is "loud" \(--log-level\): must be trace/],
  ])('%j: option, value, source and rule', (flags, sentence) => {
    const problems = problemsOf(() => load(flags));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(sentence);
  });

  test('name the variable that they came from', () => {
    expect(problemsOf(() => load({}, { RELAY_PORT: 'tcp://10.0.0.1:8080' }))).toEqual([
      expect.stringMatching(/^listen\.port is "tcp:\/\/10\.0\.0\.1:8080" \(RELAY_PORT\)/),
    ]);
  });

  test('name the file and suggest the nearest option', () => {
    const config = yaml('session:\n  outboxMaxByte: 5\n  nonsense: 1\nlisen: {}\n');
    const problems = problemsOf(() => load({ config }));
    expect(problems).toEqual([
      `session.outboxMaxByte (${config}) is not an option; did you mean outboxMaxBytes?`,
      expect.stringMatching(
        /^session\.nonsense .* is not an option; the options here are: connectTimeoutMs, heartBeat/,
      ),
      `lisen (${config}) is not an option; did you mean listen?`,
    ]);
  });

  test.each([
    ['auth: { authenticators: [{ kind: jwt, jwksUrl: login }] }', /jwksUrl is "login" .*: must be an address such as/],
    ['auth: { authenticators: [{ kind: users, users: [{ name: ann, passwordHash: 5 }] }] }', /: must be a line that `/],
    [
      'auth: { authenticators: [{ kind: users, users: [{ name: ann }] }] }',
      /passwordHash is missing .*: must be a line/,
    ],
    ['auth: { authenticators: [{ kind: users, file: 5 }] }', /file is 5 .*: must be the name of a file/],
    [`http: { apiKeys: [{ name: '~${randomUUID()}', keyHash: ${'a'.repeat(64)} }] }`, /looks like the id of a session/],
    ['http: { apiKeys: { name: billing } }', /apiKeys is .*: must be a list/],
    ['memory: { exchanges: [{ name: e, type: tree }] }', /type is "tree" .*: must be one of: topic, direct, fanout,/],
    ['listen: { path: 5 }', /path is 5 .*: must be a text/],
    ['broker: []', /broker is \[\] .*: must have 1 or more/],
  ])('%s: one sentence with the option, the value and the rule', (text, sentence) => {
    const problems = problemsOf(() => load({ config: yaml(text) }));
    expect(problems).toEqual([expect.stringMatching(sentence)]);
  });

  test('are all reported at once, with the allowed ranges', () => {
    const config = yaml('session:\n  connectTimeoutMs: 1\n  heartBeat: { graceFactor: 0.5 }\n');
    expect(problemsOf(() => load({ config }))).toEqual([
      `session.connectTimeoutMs is 1 (${config}): must be a whole number from 100 to 600000`,
      `session.heartBeat.graceFactor is 0.5 (${config}): must be a number from 1 to 10`,
    ]);
  });

  test('a file that is missing, broken, or a list is refused', () => {
    expect(problemsOf(() => load({ config: '/nowhere/relay.yaml' }))[0]).toMatch(/cannot read the file \/nowhere/);
    expect(problemsOf(() => load({ config: yaml('a: [') }))[0]).toMatch(/cannot read the file/);
    expect(problemsOf(() => load({ config: yaml('- a') }))[0]).toMatch(/must hold sections/);
  });

  test('a buffer that is smaller than the largest frame is refused', () => {
    const small = { session: { messageMaxBytes: 100_000 }, websocket: { maxPayloadBytes: 100_000 } };
    expect(problemsOf(() => createConfig(small))).toEqual([
      expect.stringMatching(/^websocket\.maxPayloadBytes is 100000 \(createConfig\): must be at least \d+/),
      expect.stringMatching(/^session\.messageMaxBytes is 100000/),
    ]);
  });

  test('a readyDelayMs of more than half of stopTimeoutMs is refused', () => {
    expect(problemsOf(() => createConfig({ stopTimeoutMs: 5_000, drain: { readyDelayMs: 2_500 } }))).toEqual([]);
    expect(problemsOf(() => load({ readyDelay: '2501', stopTimeout: '5000' }))).toEqual([
      'drain.readyDelayMs is 2501 (--ready-delay): must be at most half of stopTimeoutMs (5000), of which it is a part',
    ]);
  });

  test('a rule for slow consumers with a wrong match or an unknown policy is refused', () => {
    const slowConsumers = [
      { match: '/queue/a', policy: 'latest' },
      { match: '/topic/a', policy: 'newest' },
    ] as never;
    expect(problemsOf(() => createConfig({ slowConsumers }))).toEqual([
      expect.stringMatching(
        /^slowConsumers\.0\.match is "\/queue\/a" \(createConfig\): must be \/topic\/.*prefetch-count$/,
      ),
      'slowConsumers.1.policy is "newest" (createConfig): must be disconnect, drop-oldest or latest',
    ]);
  });

  test('never show a password', () => {
    const [problem] = problemsOf(() => load({ broker: 'amqp://user:secret@host, http://user:hid@den/@host' }));
    expect(problem).toContain('***@host');
    expect(problem).not.toMatch(/secret|hid|den/);
  });
});

test('the example in docs/slow-clients.md is valid', () => {
  const text = readFileSync(join(import.meta.dirname, '../../../docs/slow-clients.md'), 'utf8');
  const [, example = ''] = /```yaml\n(.*?)```/s.exec(text) ?? [];
  const { slowConsumers } = load({ config: yaml(example) });
  expect(slowConsumers.map(({ policy }) => policy)).toEqual(['disconnect', 'latest', 'drop-oldest', 'latest']);
  expect(() => new SlowPolicies(slowConsumers)).not.toThrow();
});

describe('exposure', () => {
  test('a host that other machines can reach needs an authenticator or allowAnonymous', () => {
    expect(problemsOf(() => load({ host: '0.0.0.0' }))[0]).toMatch(
      /^listen\.host 0\.0\.0\.0 can be reached .*--allow-anonymous \(RELAY_ALLOW_ANONYMOUS=true\)/,
    );
    expect(load({ host: '0.0.0.0', allowAnonymous: true }).listen.host).toBe('0.0.0.0');
    expect(() => checkExposure(createConfig({ listen: { host: '::' } }), true)).not.toThrow();
  });

  test('anonymous alone does not count', () => {
    const input = { listen: { host: '0.0.0.0' }, auth: { authenticators: [{ kind: 'anonymous' as const }] } };
    expect(problemsOf(() => checkExposure(createConfig(input), false))[0]).toMatch(/no authenticator is configured/);
    const meant = createConfig({ ...input, auth: { ...input.auth, allowAnonymous: true } });
    expect(() => checkExposure(meant, false)).not.toThrow();
  });

  test.each(['127.0.0.1', '127.1.2.3', '::1', 'localhost'])('%s is loopback', (host) => {
    expect(load({ host }).listen.host).toBe(host);
  });
});

describe('authenticators', () => {
  const problemsWith = (...authenticators: unknown[]) =>
    problemsOf(() => createConfig({ auth: { authenticators } } as never));

  test('none are configured by default', () => {
    expect(createConfig().auth).toMatchObject({ allowAnonymous: false, authenticators: [] });
  });

  test('must have a known kind', () => {
    expect(problemsWith({ kind: 'oauth' }, {}, 'jwt')).toEqual([
      expect.stringMatching(/^auth\.authenticators\.0\.kind is "oauth" \(createConfig\): must be one of: jwt, /),
      expect.stringMatching(/^auth\.authenticators\.1\.kind is missing \(createConfig\): must be one of: jwt, /),
      expect.stringMatching(/^auth\.authenticators\.2 is "jwt" \(createConfig\): must be one of: jwt, /),
    ]);
    expect(problemsOf(() => createConfig({ auth: { authenticators: {} } } as never))).toEqual([
      'auth.authenticators is {} (createConfig): must be a list of authenticators',
    ]);
  });

  test('must have only the options of their kind', () => {
    expect(problemsWith({ kind: 'anonymous', kin: 1 })).toEqual([
      'auth.authenticators.0.kin (createConfig) is not an option; did you mean kind?',
    ]);
  });

  const jwt = { kind: 'jwt', keyFile: 'key.pem' };

  test('of kind jwt have the documented defaults', () => {
    expect(createConfig({ auth: { authenticators: [jwt as never] } }).auth.authenticators).toEqual([
      expect.objectContaining({
        ...jwt,
        nameClaim: 'sub',
        clockSkewSeconds: 30,
        requireExpiry: true,
        from: ['passcode', 'authorization'],
        tokenMaxBytes: 8_192,
      }),
    ]);
  });

  test.each([
    [{ keyFil: 'x' }, /^auth\.authenticators\.0\.keyFil \(createConfig\) is not an option; did you mean keyFile\?$/],
    [{ secretFile: 'x' }, /must have keyFile, secretFile or jwksUrl, and only one/],
    [{ keyFile: undefined }, /must have keyFile, secretFile or jwksUrl, and only one/],
    [{ keyFile: undefined, jwksUrl: 'http://login.example.com/jwks' }, /0\.jwksUrl is "http:.*must begin with https/],
    [{ keyFile: undefined, jwksUrl: 'https://me:secret@login.example.com/' }, /0\.jwksUrl is .*must be an address/],
    [{ algorithms: ['HS256'] }, /0\.algorithms is \["HS256"\].*must be HS256, HS384 or HS512 with a secretFile/],
    [
      { keyFile: undefined, secretFile: 'x', algorithms: ['RS256'] },
      /0\.algorithms is .*must be HS256, HS384 or HS512 with a secretFile/,
    ],
    [{ algorithms: ['none'] }, /0\.algorithms\.0 is "none".*must be a list of HS256, .*, PS384, .*, ES512, EdDSA/],
    [{ algorithms: ['ES256', 'HS512'] }, /0\.algorithms is .*none of these with a keyFile or jwksUrl/],
    [{ from: ['query'] }, /0\.from\.0 is "query".*must be a list of passcode, authorization, subprotocol, cookie/],
    [{ from: ['cookie'] }, /must have a cookieName if from has cookie/],
    [{ cookieName: 'a' }, /must have a cookieName if from has cookie, and only then/],
    [{ from: ['cookie'], cookieName: 'a b' }, /0\.cookieName is "a b".*must be the name of a cookie/],
    [{ clockSkewSeconds: 601 }, /0\.clockSkewSeconds is 601.*from 0 to 600/],
    [{ issuer: [] }, /0\.issuer is \[\].*must be a text, or a list of texts/],
  ])('of kind jwt with %j are refused', (options, sentence) => {
    const problems = problemsWith({ ...jwt, ...options });
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(sentence);
    expect(problems[0]).not.toContain('secret@');
  });

  test.each(['http://127.0.0.1:1/jwks', 'http://localhost/jwks', 'http://[::1]/jwks', 'https://login.example.com/'])(
    'of kind jwt may fetch keys from %s',
    (jwksUrl) => {
      expect(problemsWith({ kind: 'jwt', jwksUrl })).toEqual([]);
    },
  );

  test('of kind jwt may use cookies only if allowedOrigins names all origins', () => {
    const withOrigins = (allowedOrigins: unknown) =>
      problemsOf(() =>
        createConfig({
          websocket: { allowedOrigins },
          auth: { authenticators: [{ ...jwt, from: ['cookie'], cookieName: 'a' }] },
        } as never),
      );
    expect(withOrigins(['same', 'https://app.example.com'])).toEqual([]);
    for (const origins of ['*', ['https://app.example.com', 'null']]) {
      expect(withOrigins(origins)).toEqual([
        expect.stringMatching(/^auth\.authenticators\.0\.from is \["cookie"\].*must not have cookie while websocket\./),
      ]);
    }
  });

  test('of kind jwt need distinct issuers if there are several', () => {
    const by = (issuer: unknown) => ({ ...jwt, issuer });
    expect(problemsWith(by('a'), by(['b', 'c']))).toEqual([]);
    expect(problemsWith(by('a'), by(['b', 'a']))).toEqual([
      expect.stringMatching(/1\.issuer is \["b","a"\].*differ between/),
    ]);
    expect(problemsWith(by('a'), jwt)).toEqual([expect.stringMatching(/^auth\.authenticators\.1\.issuer is missing/)]);
  });

  test('other than anonymous exclude allowAnonymous', () => {
    const auth = { allowAnonymous: true, authenticators: [jwt] };
    expect(problemsOf(() => createConfig({ auth } as never))).toEqual([
      expect.stringMatching(
        /^auth\.allowAnonymous is true \(createConfig\): cannot be combined .*\{ kind: anonymous \}/,
      ),
    ]);
    expect(problemsOf(() => createConfig({ auth: { ...auth, allowAnonymous: false } } as never))).toEqual([]);
    expect(() =>
      checkExposure(createConfig({ listen: { host: '::' }, auth: { authenticators: [jwt as never] } }), false),
    ).not.toThrow();
  });

  test('with wrong options do not reveal secrets in the report', () => {
    const [problem] = problemsWith({ kind: 'anonymou', secret: 'hidden', users: [{ password: 'hidden' }] }, 'x');
    expect(problem).not.toContain('hidden');
    const [hash] = problemsWith({ kind: 'users', users: [{ name: 'ann', passwordHash: 'hidden' }] });
    expect(hash).toMatch(/^auth\.authenticators\.0\.users\.0\.passwordHash is \*\*\* /);
    expect(hash).not.toContain('hidden');
    const [whole] = problemsOf(() => createConfig({ auth: [{ secret: 'hidden' }] } as never));
    expect(whole).toBe('auth is [{"secret":"***"}] (createConfig): must be a section');
  });

  test('have anonymous once at most, as the last entry', () => {
    expect(problemsWith({ kind: 'anonymous' }, { kind: 'anonymous' })).toEqual([
      expect.stringMatching(/^auth\.authenticators is .*must have anonymous only once, as its last entry/),
    ]);
  });
});

test('rabbitmq.managementUrl must be an address of HTTP, and its password is not shown', () => {
  const problems = (managementUrl: string) => problemsOf(() => createConfig({ rabbitmq: { managementUrl } }));
  expect(problems('http://me:secret@rabbit.internal:15672/prefix')).toEqual([]);
  for (const wrong of [
    'rabbit.internal:15672',
    'amqp://me:secret@rabbit.internal',
    'http://me:se%cret@rabbit.internal',
  ]) {
    expect(problems(wrong)).toEqual([
      expect.stringMatching(/^rabbitmq\.managementUrl .*must be an address such as http/),
    ]);
    expect(problems(wrong).join()).not.toMatch(/se%?cret/);
  }
});

test('rabbitmq.instanceQueueExpiresMs is a minute, and at least a second', () => {
  expect(createConfig().rabbitmq.instanceQueueExpiresMs).toBe(60_000);
  const problems = problemsOf(() => createConfig({ rabbitmq: { instanceQueueExpiresMs: 999 } }));
  expect(problems).toEqual([expect.stringMatching(/^rabbitmq\.instanceQueueExpiresMs .*1,?000/)]);
});

test('rabbitmq.canaryIntervalMs is 5 s, and at least 100 ms', () => {
  expect(createConfig({}).rabbitmq.canaryIntervalMs).toBe(5_000);
  for (const canaryIntervalMs of [99, 0, -1]) {
    const problems = problemsOf(() => createConfig({ rabbitmq: { canaryIntervalMs } }));
    expect(problems).toEqual([expect.stringMatching(/^rabbitmq\.canaryIntervalMs is .*must be .*100 to 600,?000/)]);
  }
});

test.each(['rabbitmq', 'memory'])('%s.userExchange must be a name that clients cannot address', (section) => {
  const withExchange = (userExchange: string) => createConfig({ [section]: { userExchange } });
  expect(withExchange('stomp-relay.app.user')[section as 'memory'].userExchange).toBe('stomp-relay.app.user');
  for (const wrong of ['users', 'amq.direct', '', `stomp-relay.${'x'.repeat(250)}`]) {
    expect(problemsOf(() => withExchange(wrong))[0]).toMatch(/userExchange.*must begin with stomp-relay\./s);
  }
});

test.each(['rabbitmq', 'memory'])('%s.userExchange must not be the exchange behind /topic', (section) => {
  const problems = problemsOf(() =>
    createConfig({ topicExchange: 'stomp-relay.app', [section]: { userExchange: 'stomp-relay.app' } }),
  );
  expect(problems).toEqual([expect.stringMatching(/^topicExchange is "stomp-relay\.app".*must be another exchange/)]);
});

test('trusted proxies are addresses and networks', () => {
  const trusted = (...trustedProxies: string[]) => createConfig({ listen: { trustedProxies } }).listen.trustedProxies;
  expect(trusted('10.0.0.0/8', '::1', 'fd00::/8')).toHaveLength(3);
  for (const wrong of ['10.0.0.0/33', '10.0.0/8', 'nginx', '10.0.0.0/8/8', '']) {
    expect(problemsOf(() => trusted(wrong))[0]).toMatch(/must be a list of IP addresses, or networks/);
  }
});

test('rabbitmq.blockedTimeoutMs is ten minutes, and may be 0 but not more than a day', () => {
  const blocked = (blockedTimeoutMs: number) => createConfig({ rabbitmq: { blockedTimeoutMs } });
  expect(createConfig({}).rabbitmq.blockedTimeoutMs).toBe(600_000);
  expect(blocked(0).rabbitmq.blockedTimeoutMs).toBe(0);
  expect(problemsOf(() => blocked(86_400_001))).toEqual([
    expect.stringMatching(/^rabbitmq\.blockedTimeoutMs is 86400001 .*must be a whole number from 0 to 86400000/),
  ]);
});

describe('history.rules', () => {
  const rule = { name: 'r', match: '/topic/a.#' };

  test('have defaults, and are none by default', () => {
    expect(createConfig().history.rules).toEqual([]);
    expect(createConfig({ history: { rules: [rule] } }).history.rules).toEqual([
      { ...rule, maxAgeMs: 900_000, maxBytes: 256 * 1024 * 1024 },
    ]);
  });

  test('two of one name are refused', () => {
    const rules = [rule, { name: 's', match: '/topic/b' }, { name: 'r', match: '/topic/c' }];
    expect(problemsOf(() => createConfig({ history: { rules } }))).toEqual([
      expect.stringMatching(/^history\.rules\.2\.name is "r".*must differ from the names of the other rules/),
    ]);
  });

  test.each(['recover', 'perTopic', 'unread', 'parts'])('the option %s is not offered yet', (option) => {
    const rules = [{ ...rule, [option]: 1 }];
    expect(problemsOf(() => createConfig({ history: { rules } }))).toEqual([
      expect.stringMatching(new RegExp(`^history\\.rules\\.0\\.${option} is 1 .*: is not offered yet: leave it out$`)),
    ]);
  });

  test('presence is not offered yet', () => {
    const input = { presence: [] } as never;
    expect(problemsOf(() => createConfig(input))).toEqual([
      expect.stringContaining('presence is [] (createConfig): is'),
    ]);
  });

  test.each(['/queue/a', '/topic/', '/exchange/amq.topic/a', 'a'])('the match %s is refused', (match) => {
    const problems = problemsOf(() => createConfig({ history: { rules: [{ name: 'r', match }] } }));
    expect(problems).toEqual([expect.stringContaining('history.rules.0.match')]);
  });
});

test.each(['/queue/a', '/topic/', '/user/queue/news', 'ui.#'])('the lane %s is refused', (lane) => {
  expect(problemsOf(() => createConfig({ rabbitmq: { lanes: [lane] } }))).toEqual([
    expect.stringMatching(/^rabbitmq\.lanes\.0 is .*: must be \/user\/# or begin with \/topic\//),
  ]);
});
