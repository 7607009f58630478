/** examples/chatbot over AMQP and STOMP: several users, forged requests, and services that die. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { CHATBOT_FOLDER, LONG_QUESTION, runChatbot, startChatbot } from '../support/chatbot-service.js';
import type { ChatbotService } from '../support/chatbot-service.js';
import { eventually } from '../support/deadline.js';
import { privateNode } from '../support/rabbitmq.js';
import type { RabbitNode } from '../support/rabbitmq.js';
import { createBroker, startRelay } from '../support/relay.js';
import type { TestBroker, TestRelay } from '../support/relay.js';
import { connectStomp } from '../support/stomp-client.js';
import type { ReceivedFrame, StompClient } from '../support/stomp-client.js';

/** Pause between the parts of an answer, for LONG_QUESTION. */
const SLOW_MS = 200;

jest.setTimeout(60_000); // starts processes

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});

const startService = (url: string, pauseMs = 1): Promise<ChatbotService> => startChatbot(url, pauseMs, cleanUp);

async function connect(relay: TestRelay, login?: string): Promise<StompClient> {
  const client = await connectStomp(relay.webSocketUrl, login === undefined ? {} : { login, passcode: 'any' });
  cleanUp.push(() => client.destroy());
  await client.receipt('SUBSCRIBE', { id: 'replies', destination: '/user/queue/replies' });
  return client;
}

function ask(client: StompClient, question: string, headers: Record<string, string> = {}): string {
  const id = randomUUID();
  client.sendFrame('SEND', { destination: '/queue/chatbot', 'correlation-id': id, ...headers }, question);
  return headers['correlation-id'] ?? id;
}

const stop = (client: StompClient, id: string, headers: Record<string, string> = {}) =>
  client.receipt('SEND', { destination: '/topic/chatbot.stop', 'correlation-id': id, ...headers });

const nextPart = (client: StompClient, id: string): Promise<ReceivedFrame> =>
  client.take((frame) => frame.headers['correlation-id'] === id, `a part of the answer to ${id}`);

interface Answer {
  readonly text: string;
  readonly numbers: readonly number[];
  readonly outcome: string | undefined;
}

/** Collects an answer up to its final part. */
async function answer(client: StompClient, id: string): Promise<Answer> {
  const parts: ReceivedFrame[] = [];
  do parts.push(await nextPart(client, id));
  while (parts.at(-1)!.headers['final'] !== 'true');
  return {
    text: parts
      .map(({ body }) => body.toString())
      .join(' ')
      .trim(),
    numbers: parts.map(({ headers }) => Number(headers['part'])),
    outcome: parts.at(-1)!.headers['outcome'],
  };
}

const expected = (count: number, backwards: string): Answer => {
  const words = `You have asked me ${count} words, and backwards they are: ${backwards}`;
  return {
    text: words,
    numbers: words
      .split(' ')
      .concat('')
      .map((_, index) => index + 1),
    outcome: 'answered',
  };
};

const WAYS = [
  { way: 'STOMP', broker: 'memory' },
  { way: 'STOMP', broker: 'rabbitmq' },
  { way: 'AMQP', broker: 'rabbitmq' },
] as const;

describe.each(WAYS)('over $way, with the broker $broker', ({ way, broker: kind }) => {
  let broker: TestBroker;
  let relay: TestRelay;
  beforeAll(async () => {
    broker = await createBroker(kind);
    relay = await startRelay(broker.url);
  });
  afterAll(async () => {
    await relay?.stop();
    await broker?.delete();
  });

  const start = (pauseMs?: number) => startService(way === 'AMQP' ? broker.url : relay.webSocketUrl, pauseMs);

  test('the chatbot answers in numbered parts, only to the session of the question', async () => {
    await start();
    const [asker, sameUser, other, anonymous] = [
      await connect(relay, 'ada lovelace/1'),
      await connect(relay, 'ada lovelace/1'),
      await connect(relay, 'bob'),
      await connect(relay),
    ];
    expect(await answer(asker, ask(asker, 'one two three'))).toEqual(expected(3, 'three two one'));
    // the next message for the others is the answer to their own question
    for (const silent of [sameUser, other, anonymous]) {
      const id = ask(silent, 'hello');
      const first = await silent.expectFrame('MESSAGE', { 'correlation-id': id, part: '1' });
      expect(first.headers['destination']).toBe('/user/queue/replies');
      await answer(silent, id);
    }
  });

  test('several instances of the chatbot share the questions of several users', async () => {
    await Promise.all([start(), start()]);
    const askers = await Promise.all(['ann', 'ben', 'ann', 'cid'].map((login) => connect(relay, login)));
    const answers = await Promise.all(
      askers.flatMap((asker, number) =>
        [1, 2, 3].map((round) => answer(asker, ask(asker, `question ${round} of ${number}`))),
      ),
    );
    const expectedAnswers = askers.flatMap((_, number) =>
      [1, 2, 3].map((round) => expected(4, `${number} of ${round} question`)),
    );
    expect(answers).toEqual(expectedAnswers);
  });

  test('the session of a question can stop its answer', async () => {
    await start(SLOW_MS);
    const asker = await connect(relay, 'ada');
    const id = ask(asker, LONG_QUESTION);
    await nextPart(asker, id);
    await stop(asker, id);
    const { outcome, numbers } = await answer(asker, id);
    expect(outcome).toBe('stopped');
    expect(numbers.at(-1)).toBeLessThan(300);
  });

  test('another user, or another session of the same user, cannot stop an answer, even with forged headers', async () => {
    await start(SLOW_MS);
    const [asker, sameUser, thief] = [
      await connect(relay, 'ada'),
      await connect(relay, 'ada'),
      await connect(relay, 'eve'),
    ];
    const id = ask(asker, LONG_QUESTION);
    const { headers } = await nextPart(asker, id);
    const session = asker.connected?.headers['session'] ?? '';
    expect(headers['part']).toBe('1');
    for (const other of [sameUser, thief]) {
      await stop(other, id);
      await stop(other, id, { user: 'ada', session });
      // after a stop of its own answer, the earlier stops have been handled
      const own = ask(other, LONG_QUESTION);
      await nextPart(other, own);
      await stop(other, own);
      expect((await answer(other, own)).outcome).toBe('stopped');
    }
    const { length } = asker.received();
    for (let count = 0; count <= length; count++) {
      expect((await nextPart(asker, id)).headers['final']).toBeUndefined(); // the parts received so far, and one more
    }
    await stop(asker, id);
    expect((await answer(asker, id)).outcome).toBe('stopped');
  });

  test('a stop that arrives before its question is obeyed', async () => {
    await start(SLOW_MS);
    const asker = await connect(relay, 'ada');
    const id = randomUUID();
    await stop(asker, id);
    ask(asker, LONG_QUESTION, { 'correlation-id': id });
    expect(await answer(asker, id)).toEqual({ text: '', numbers: [1], outcome: 'stopped' });
  });

  test('the answer to a question with forged user and session goes to its sender', async () => {
    await start();
    const victim = await connect(relay, 'ada');
    const thief = await connect(relay, 'eve');
    const session = victim.connected?.headers['session'] ?? '';
    const id = ask(thief, 'who am I', { user: 'ada', session });
    expect(await answer(thief, id)).toEqual(expected(3, 'I am who'));
    const own = ask(victim, 'and I');
    await victim.expectFrame('MESSAGE', { 'correlation-id': own, part: '1' });
  });

  test('an invalid question is refused in one part', async () => {
    await start();
    const asker = await connect(relay, 'ada');
    const refused = (text: RegExp) => ({ text: expect.stringMatching(text), numbers: [1], outcome: 'refused' });
    expect(await answer(asker, ask(asker, '  '))).toEqual(refused(/needs some text/));
    expect(await answer(asker, ask(asker, 'x'.repeat(2_001)))).toEqual(refused(/at most 2000 characters/));
    asker.sendFrame('SEND', { destination: '/queue/chatbot' }, 'no id');
    const { headers, body } = await asker.expectFrame('MESSAGE', { outcome: 'refused' });
    expect([headers['correlation-id'], body.toString()]).toEqual([undefined, expect.stringMatching(/correlation-id/)]);
    const long = 'x'.repeat(201);
    expect(await answer(asker, ask(asker, 'x', { 'correlation-id': long }))).toEqual(refused(/200 bytes/));
  });

  test('a question whose service dies is answered by another instance', async () => {
    const first = await start(SLOW_MS);
    const asker = await connect(relay, 'ada');
    const id = ask(asker, 'short question');
    await nextPart(asker, id);
    first.child.kill('SIGKILL');
    await once(first.child, 'exit');
    const rest = answer(asker, id);
    await start();
    expect((await rest).text).toMatch(/You have asked me 2 words, and backwards they are: question short$/);
  });
});

test('over AMQP the chatbot reconnects after a restart of RabbitMQ', async () => {
  const node: RabbitNode = await privateNode();
  cleanUp.push(() => node.stop());
  const relay = await startRelay(node.amqpUrl, { rabbitmq: { reconnectMaxMs: 500 } });
  cleanUp.push(() => relay.stop());
  const { lines } = await startService(node.amqpUrl);
  const asker = await connect(relay, 'ada');
  expect(await answer(asker, ask(asker, 'before'))).toEqual(expected(1, 'before'));
  await node.kill();
  await node.start();
  await lines.until(({ length }) => length >= 2, 60_000, 'to be ready again');
  // answers are live messages, so the relay must have bound the user's destination again
  await eventually(
    async () => (await node.ctl('list_bindings', 'routing_key', '--silent')).includes('replies.ada') || undefined,
    30_000,
    () => 'the binding of the user is missing',
  );
  expect(await answer(asker, ask(asker, 'after'))).toEqual(expected(1, 'after'));
}, 240_000);

test('over STOMP the chatbot reconnects after a restart of its relay', async () => {
  const relay = await startRelay();
  const { port } = new URL(relay.webSocketUrl);
  const { lines } = await startService(relay.webSocketUrl);
  await relay.stop();
  const next = await startRelay('memory:', { listen: { port: Number(port), tcpPort: 0, adminPort: 0 } });
  cleanUp.push(() => next.stop());
  await lines.next();
  const asker = await connect(next, 'ada');
  expect(await answer(asker, ask(asker, 'hello again'))).toEqual(expected(2, 'again hello'));
}, 60_000);

test('ask.js prints an answer, and SIGTERM ends the chatbot with status 0', async () => {
  const relay = await startRelay();
  cleanUp.push(() => relay.stop());
  const { child } = await startService(relay.webSocketUrl);
  const asking = spawn(process.execPath, [path.join(CHATBOT_FOLDER, 'ask.js'), 'how', 'are', 'you'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, RELAY_URL: relay.webSocketUrl },
  });
  const [printed] = await Promise.all([text(asking.stdout), once(asking, 'exit')]);
  expect(printed).toBe('You have asked me 3 words, and backwards they are: you are how \n(answered)\n');
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
}, 60_000);

test.each([
  ['login', { auth: { authenticators: [{ kind: 'users' as const, users: [] }] } }, 'authentication failed: '],
  ['question', { policy: { rules: [] } }, 'access denied: '],
])('ask.js ends without another attempt when its %s is refused', async (_, options, reason) => {
  const relay = await startRelay('memory:', options);
  cleanUp.push(() => relay.stop());
  const asking = spawn(process.execPath, [path.join(CHATBOT_FOLDER, 'ask.js'), 'hello'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, RELAY_URL: relay.webSocketUrl, ASK_PASSCODE: 'wrong' },
  });
  cleanUp.push(() => asking.kill('SIGKILL'));
  const [printed, exit] = await Promise.all([text(asking.stderr), once(asking, 'exit')]);
  expect(exit).toEqual([1, null]);
  expect(printed.split('\n')).toEqual([expect.stringContaining(reason), '']);
});

test.each([
  ['login', { auth: { authenticators: [{ kind: 'users' as const, users: [] }] } }, '', 'authentication failed: '],
  ['subscription', { policy: { rules: [] } }, '', 'access denied: '],
  ['handshake', {}, '/elsewhere', 'Unexpected server response: 404'],
])('the chatbot ends with the reason when its %s is refused', async (_, options, path, reason) => {
  const relay = await startRelay('memory:', options);
  cleanUp.push(() => relay.stop());
  const { status, said } = await runChatbot(
    path === '' ? relay.webSocketUrl : new URL(path, relay.webSocketUrl).href,
    cleanUp,
  );
  expect(status).toBe(1);
  expect(said).toContain(`refused, giving up: relay: ${reason}`);
});
