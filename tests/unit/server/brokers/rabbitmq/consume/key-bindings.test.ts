import { describe, expect, test } from '@jest/globals';
import { BrokerError } from '../../../../../../server/src/brokers/broker.js';
import { KeyBindings } from '../../../../../../server/src/brokers/rabbitmq/consume/key-bindings.js';

/** A broker whose answers the test gives one by one. */
class ScriptedBindings {
  readonly calls: string[] = [];
  readonly bindings: KeyBindings;
  readonly refused: string[] = [];
  readonly whole: boolean[] = [];
  private answers: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(operationsMax = 1) {
    const operations = {
      bind: (queue: string, key: string) => this.operation(`+${queue}:${key}`),
      unbind: (queue: string, key: string) => this.operation(`-${queue}:${key}`),
    };
    const refused = (key: string, { code }: BrokerError): void => void this.refused.push(`${key} ${code}`);
    this.bindings = new KeyBindings(operations, operationsMax, refused, (isWhole) => this.whole.push(isWhole));
  }

  private operation(call: string): Promise<void> {
    this.calls.push(call);
    return new Promise((resolve, reject) => this.answers.push({ resolve, reject }));
  }

  get open(): number {
    return this.answers.length;
  }

  /** Answers the oldest operation, and waits for the consequences. */
  async answer(error?: Error): Promise<void> {
    const answer = this.answers.shift();
    if (!answer) throw new Error('no operation is open');
    if (error) answer.reject(error);
    else answer.resolve();
    await settle();
  }

  async answerAll(): Promise<void> {
    while (this.open > 0) await this.answer();
  }
}

/** Lets all pending promises settle. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

async function outcome(promise: Promise<void> | undefined): Promise<string> {
  if (!promise) return 'bound';
  const pending = Symbol();
  const result = await Promise.race([
    promise.then(
      () => 'done',
      (error: BrokerError) => error.code,
    ),
    settle().then(() => pending),
  ]);
  return result === pending ? 'waiting' : (result as string);
}

describe('KeyBindings', () => {
  test('callers that request the same key share one operation', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('q', []);
    const first = scripted.bindings.request('k');
    const second = scripted.bindings.request('k');
    await settle();
    expect(second).toBe(first);
    expect(scripted.calls).toEqual(['+q:k']);
    await scripted.answer();
    expect(await outcome(first)).toBe('done');
    expect(scripted.bindings.request('k')).toBeUndefined();
    expect(scripted.calls).toHaveLength(1);
  });

  test('a request does not wait behind all drops', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('q', []);
    for (const key of ['a', 'b', 'c', 'd']) void scripted.bindings.request(key);
    await scripted.answerAll();
    for (const key of ['a', 'b', 'c', 'd']) void scripted.bindings.drop(key);
    void scripted.bindings.request('new');
    await scripted.answerAll();
    expect(scripted.calls.slice(4)).toEqual(['-q:a', '+q:new', '-q:b', '-q:c', '-q:d']);
  });

  test('a request does not wait behind all requests of another account', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('q', []);
    for (const key of ['a', 'b', 'c', 'd']) void scripted.bindings.request(key, 'user:many');
    void scripted.bindings.request('new', 'user:one');
    await scripted.answerAll();
    expect(scripted.calls).toEqual(['+q:a', '+q:b', '+q:new', '+q:c', '+q:d']);
  });

  test('runs one operation at a time, and the latest desired state wins', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('q', []);
    void scripted.bindings.request('a');
    void scripted.bindings.request('b');
    await settle();
    expect(scripted.calls).toEqual(['+q:a']);
    // Dropped before its turn: no operation
    const dropped = scripted.bindings.drop('b');
    await scripted.answer();
    expect(await outcome(dropped)).toBe('done');
    expect(scripted.calls).toEqual(['+q:a']);
    expect(scripted.bindings.pending).toBe(0);
  });

  test('a key that is dropped during its binding is unbound afterwards, and can be requested again', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('q', []);
    void scripted.bindings.request('a');
    await settle();
    void scripted.bindings.drop('a');
    await scripted.answer();
    expect(scripted.calls).toEqual(['+q:a', '-q:a']);
    const again = scripted.bindings.request('a');
    expect(await outcome(again)).toBe('waiting');
    await scripted.answer();
    expect(scripted.calls).toEqual(['+q:a', '-q:a', '+q:a']);
    await scripted.answer();
    expect(await outcome(again)).toBe('done');
  });

  test('requests wait for a queue, and dropped keys cost no operation', async () => {
    const scripted = new ScriptedBindings();
    const requested = scripted.bindings.request('a');
    const other = scripted.bindings.request('b');
    expect(await outcome(scripted.bindings.drop('b'))).toBe('done');
    expect(await outcome(other)).toBe('done');
    expect(await outcome(requested)).toBe('waiting');
    scripted.bindings.attach('q', ['a', 'b']);
    await settle();
    await scripted.answerAll();
    expect(scripted.calls).toEqual(['+q:a']);
    expect(await outcome(requested)).toBe('done');
  });

  test('a new queue is bound in the given order, and answers for the old queue are ignored', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('old', []);
    for (const key of ['a', 'b', 'c']) void scripted.bindings.request(key);
    await scripted.answerAll();
    void scripted.bindings.request('d');
    scripted.bindings.detach();
    scripted.bindings.attach('new', ['c', 'd', 'a', 'b']);
    const requests = ['a', 'c', 'd'].map((key) => scripted.bindings.request(key));
    // The bind of the old queue
    await scripted.answer();
    expect(await Promise.all(requests.map(outcome))).toEqual(['waiting', 'waiting', 'waiting']);
    await scripted.answerAll();
    expect(scripted.calls.slice(3)).toEqual(['+old:d', '+new:a', '+new:c', '+new:d', '+new:b']);
    expect(await Promise.all(requests.map(outcome))).toEqual(['done', 'done', 'done']);
  });

  test('requested keys come before the keys that a new queue gets back', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('old', []);
    for (const key of ['a', 'b', 'c', 'd']) void scripted.bindings.request(key);
    await scripted.answerAll();
    scripted.bindings.detach();
    const whileAway = scripted.bindings.request('new');
    scripted.bindings.attach('q', ['d', 'c', 'b', 'a', 'new']);
    const later = scripted.bindings.request('later');
    const again = scripted.bindings.request('a');
    await scripted.answer();
    await scripted.answer();
    await scripted.answer();
    expect(await Promise.all([whileAway, later, again].map(outcome))).toEqual(['done', 'done', 'done']);
    await scripted.answerAll();
    expect(scripted.calls.slice(4)).toEqual(['+q:new', '+q:later', '+q:a', '+q:d', '+q:c', '+q:b']);
  });

  test('a new queue gets the keys of each account back in turns, however many one of them has', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('old', []);
    const keys = Array.from({ length: 3_000 }, (_, index) => `many.${index}`);
    for (const key of keys) void scripted.bindings.request(key, 'user:many');
    for (const key of ['small.1', 'small.2']) void scripted.bindings.request(key, 'user:small');
    await scripted.answerAll();
    scripted.calls.length = 0;
    scripted.bindings.detach();
    scripted.bindings.attach('new', [...keys, 'small.1', 'small.2']);
    for (let answers = 0; answers < 3; answers++) await scripted.answer();
    expect(scripted.calls).toEqual(['+new:many.0', '+new:small.1', '+new:many.1', '+new:small.2']);
    await scripted.answerAll();
    expect(new Set(scripted.calls).size).toBe(3_002);
    expect(scripted.bindings.pending).toBe(0);
  });

  test('a key that another account requested too does not wait behind the keys of the first', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('old', []);
    const keys = ['a', 'b', 'c', 'd', 'news'];
    for (const key of keys) void scripted.bindings.request(key, 'user:many');
    void scripted.bindings.request('news', 'user:one');
    await scripted.answerAll();
    expect(scripted.calls).toEqual(['+old:a', '+old:b', '+old:news', '+old:c', '+old:d']);
    scripted.bindings.detach();
    scripted.bindings.attach('new', keys);
    await scripted.answerAll();
    expect(scripted.calls.slice(5)).toEqual(['+new:a', '+new:news', '+new:b', '+new:c', '+new:d']);
  });

  test('runs several operations at a time, but one per key', async () => {
    const scripted = new ScriptedBindings(3);
    scripted.bindings.attach('q', []);
    for (const key of ['a', 'b', 'c', 'd']) void scripted.bindings.request(key);
    await settle();
    expect(scripted.calls).toEqual(['+q:a', '+q:b', '+q:c']);
    void scripted.bindings.drop('a');
    void scripted.bindings.request('a');
    void scripted.bindings.drop('b');
    await scripted.answer();
    expect(scripted.calls.slice(3)).toEqual(['+q:d']);
    await scripted.answer();
    expect(scripted.calls.slice(4)).toEqual(['-q:b']);
    await scripted.answerAll();
    expect(scripted.calls).toHaveLength(5);
    expect(scripted.bindings.pending).toBe(0);
  });

  test('a key with an open operation for the old queue waits before its operation for the new one', async () => {
    const scripted = new ScriptedBindings(2);
    scripted.bindings.attach('old', []);
    const requested = scripted.bindings.request('a');
    const left = scripted.bindings.request('b');
    scripted.bindings.detach();
    const dropped = scripted.bindings.drop('b');
    scripted.bindings.attach('new', ['a', 'b']);
    await settle();
    expect(scripted.calls).toEqual(['+old:a', '+old:b']);
    await scripted.answer();
    expect(scripted.calls.slice(2)).toEqual(['+new:a']);
    await scripted.answerAll();
    expect(scripted.calls).toHaveLength(3);
    expect([await outcome(requested), await outcome(left), await outcome(dropped)]).toEqual(['done', 'done', 'done']);
  });

  test('all operations that failed as unavailable run again', async () => {
    const scripted = new ScriptedBindings(2);
    scripted.bindings.attach('q', []);
    const requests = ['a', 'b'].map((key) => scripted.bindings.request(key));
    await scripted.answer(new BrokerError('broker-unavailable', 'late'));
    await scripted.answer(new BrokerError('broker-unavailable', 'late'));
    expect(scripted.open).toBe(0);
    // Long before the automatic retry
    for (const key of ['a', 'b']) void scripted.bindings.request(key);
    await scripted.answerAll();
    expect(await Promise.all(requests.map(outcome))).toEqual(['done', 'done']);
    scripted.bindings.detach();
  });

  test('a request after a loss waits for the next queue, even for a key that was bound', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('old', []);
    void scripted.bindings.request('a');
    await settle();
    await scripted.answer();
    scripted.bindings.detach();
    expect(scripted.bindings.pending).toBe(1);
    const waiting = scripted.bindings.request('a');
    expect(await outcome(waiting)).toBe('waiting');
    scripted.bindings.attach('new', ['a']);
    await settle();
    await scripted.answer();
    expect(await outcome(waiting)).toBe('done');
  });

  test('an unanswered unbinding may have happened: a key that is requested meanwhile is bound again', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('q', []);
    void scripted.bindings.request('a');
    await settle();
    await scripted.answer();
    void scripted.bindings.drop('a');
    await settle();
    const again = scripted.bindings.request('a');
    await scripted.answer(new BrokerError('broker-unavailable', 'late'));
    expect(await outcome(again)).toBe('waiting');
    await scripted.answer();
    expect(await outcome(again)).toBe('done');
    expect(scripted.calls).toEqual(['+q:a', '-q:a', '+q:a']);
    expect(scripted.bindings.pending).toBe(0);
  });

  test('an unanswered binding may have happened: a key that is dropped meanwhile is unbound', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('q', []);
    void scripted.bindings.request('a');
    await scripted.answer(new BrokerError('broker-unavailable', 'late'));
    const dropped = scripted.bindings.drop('a');
    expect(await outcome(dropped)).toBe('waiting');
    await scripted.answer();
    expect(scripted.calls).toEqual(['+q:a', '-q:a']);
    expect(await outcome(dropped)).toBe('done');
    scripted.bindings.detach();
  });

  test('a key that the broker refuses fails for its callers, and affects no other key', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('q', []);
    const bad = scripted.bindings.request('bad');
    const good = scripted.bindings.request('good');
    await settle();
    await scripted.answer(new BrokerError('access-refused', 'no'));
    expect(scripted.refused).toEqual(['bad access-refused']);
    expect(await outcome(bad)).toBe('access-refused');
    await scripted.answer();
    expect(await outcome(good)).toBe('done');
    expect(await outcome(scripted.bindings.drop('bad'))).toBe('done');
    // The next request tries again
    void scripted.bindings.request('bad');
    await settle();
    expect(scripted.calls).toEqual(['+q:bad', '+q:good', '+q:bad']);
  });

  test('a queue that is attached again keeps its bindings, and gets those that changed meanwhile', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('q', []);
    for (const key of ['a', 'b', 'c', 'd']) void scripted.bindings.request(key);
    await scripted.answerAll();
    void scripted.bindings.request('unanswered');
    scripted.bindings.detach();
    const kept = scripted.bindings.request('a');
    void scripted.bindings.drop('b');
    void scripted.bindings.drop('c');
    void scripted.bindings.request('c');
    void scripted.bindings.request('new');
    await scripted.answer(new BrokerError('broker-unavailable', 'lost'));
    expect(await outcome(kept)).toBe('waiting');
    scripted.bindings.attach('q', ['a', 'c', 'd', 'unanswered', 'new']);
    expect(await outcome(kept)).toBe('done');
    expect(scripted.bindings.request('d')).toBeUndefined();
    await scripted.answerAll();
    expect(scripted.calls.slice(5).sort()).toEqual(['+q:new', '+q:unanswered', '-q:b']);
    expect(scripted.bindings.pending).toBe(0);
  });

  test('a refused key is bound when its queue is attached again', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('q', []);
    void scripted.bindings.request('a');
    await scripted.answer(new BrokerError('access-refused', 'no'));
    scripted.bindings.detach();
    scripted.bindings.attach('q', ['a']);
    await scripted.answerAll();
    expect(scripted.calls).toEqual(['+q:a', '+q:a']);
    expect(scripted.bindings.pending).toBe(0);
  });

  test('a queue that is attached again loses the bindings that were dropped meanwhile', async () => {
    const scripted = new ScriptedBindings(2);
    scripted.bindings.attach('q', []);
    for (const key of ['a', 'b', 'c']) void scripted.bindings.request(key);
    await scripted.answerAll();
    void scripted.bindings.drop('a');
    scripted.bindings.detach();
    void scripted.bindings.drop('b');
    await scripted.answer(new BrokerError('broker-unavailable', 'lost'));
    scripted.bindings.attach('q', ['c']);
    await scripted.answerAll();
    expect(scripted.calls.slice(4).sort()).toEqual(['-q:a', '-q:b']);
    expect(scripted.bindings.pending).toBe(0);
  });

  test('dropped keys of a lost queue are forgotten', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('old', []);
    void scripted.bindings.request('a');
    await scripted.answerAll();
    scripted.bindings.detach();
    expect(await outcome(scripted.bindings.drop('a'))).toBe('done');
    scripted.bindings.attach('new', []);
    await settle();
    expect(scripted.calls).toEqual(['+old:a']);
    expect(scripted.bindings.pending).toBe(0);
  });

  test('close rejects all callers, even with an operation in progress', async () => {
    const scripted = new ScriptedBindings();
    scripted.bindings.attach('q', []);
    const first = scripted.bindings.request('a');
    const second = scripted.bindings.request('b');
    await settle();
    scripted.bindings.close(new BrokerError('broker-unavailable', 'stopping'));
    expect([await outcome(first), await outcome(second)]).toEqual(['broker-unavailable', 'broker-unavailable']);
    await scripted.answer();
    expect(scripted.calls).toEqual(['+q:a']);
  });
});

describe('after a loss, the bindings are whole again', () => {
  async function lost(keys: readonly string[]): Promise<ScriptedBindings> {
    const scripted = new ScriptedBindings();
    for (const key of keys) void scripted.bindings.request(key);
    scripted.bindings.attach('q1', keys);
    await settle();
    await scripted.answerAll();
    scripted.bindings.detach();
    expect(scripted.whole).toEqual([false]);
    return scripted;
  }

  test('when each key that was bound is bound again, whatever else is requested meanwhile', async () => {
    const scripted = await lost(['a', 'b']);
    scripted.bindings.attach('q2', ['a', 'b']);
    await scripted.answer();
    void scripted.bindings.request('new');
    expect(scripted.whole).toEqual([false]);
    while (!scripted.whole.includes(true)) await scripted.answer();
    expect(scripted.calls.filter((call) => call.startsWith('+q2')).slice(0, 2)).toContain('+q2:a');
    await scripted.answerAll();
    expect(scripted.whole).toEqual([false, true]);
  });

  test('at once, when the queue is the same', async () => {
    const scripted = await lost(['a', 'b']);
    scripted.bindings.attach('q1', ['a', 'b']);
    expect(scripted.whole).toEqual([false, true]);
    expect(scripted.open).toBe(0);
  });

  test('when the missing keys are refused or dropped', async () => {
    const scripted = await lost(['a', 'b']);
    scripted.bindings.attach('q2', ['a', 'b']);
    await scripted.answer(new BrokerError('access-refused', 'no'));
    expect(scripted.whole).toEqual([false]);
    void scripted.bindings.drop('b');
    expect(scripted.whole).toEqual([false, true]);
  });

  test('without a report, if nothing was bound', () => {
    const scripted = new ScriptedBindings();
    void scripted.bindings.request('a');
    scripted.bindings.detach();
    expect(scripted.whole).toEqual([]);
  });
});
