import { describe, expect, test } from '@jest/globals';
import { BrokerError } from '../../../../../../server/src/brokers/broker.js';
import { KeyBindings } from '../../../../../../server/src/brokers/rabbitmq/consume/key-bindings.js';

/** A broker whose answers the test gives, one by one. */
class Asked {
  readonly calls: string[] = [];
  readonly bindings: KeyBindings;
  readonly refused: string[] = [];
  readonly whole: boolean[] = [];
  private answers: { resolve: () => void; reject: (error: Error) => void }[] = [];

  constructor(operationsMax = 1) {
    const operations = {
      bind: (queue: string, key: string) => this.ask(`+${queue}:${key}`),
      unbind: (queue: string, key: string) => this.ask(`-${queue}:${key}`),
    };
    const refused = (key: string, { code }: BrokerError): void => void this.refused.push(`${key} ${code}`);
    this.bindings = new KeyBindings(operations, operationsMax, refused, (isWhole) => this.whole.push(isWhole));
  }

  private ask(call: string): Promise<void> {
    this.calls.push(call);
    return new Promise((resolve, reject) => this.answers.push({ resolve, reject }));
  }

  get open(): number {
    return this.answers.length;
  }

  /** Answers what is asked, and lets what follows from it happen. */
  async answer(error?: Error): Promise<void> {
    const answer = this.answers.shift();
    if (!answer) throw new Error('nothing is asked');
    if (error) answer.reject(error);
    else answer.resolve();
    await settle();
  }

  async answerAll(): Promise<void> {
    while (this.open > 0) await this.answer();
  }
}

/** Lets all promises that can go on do so. */
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
  test('who wants the same key waits for the same operation', async () => {
    const asked = new Asked();
    asked.bindings.attach('q', []);
    const first = asked.bindings.request('k');
    const second = asked.bindings.request('k');
    await settle();
    expect(second).toBe(first);
    expect(asked.calls).toEqual(['+q:k']);
    await asked.answer();
    expect(await outcome(first)).toBe('done');
    expect(asked.bindings.request('k')).toBeUndefined();
    expect(asked.calls).toHaveLength(1);
  });

  test('one who comes does not wait for all who leave', async () => {
    const asked = new Asked();
    asked.bindings.attach('q', []);
    for (const key of ['a', 'b', 'c', 'd']) void asked.bindings.request(key);
    await asked.answerAll();
    for (const key of ['a', 'b', 'c', 'd']) void asked.bindings.drop(key);
    void asked.bindings.request('new');
    await asked.answerAll();
    expect(asked.calls.slice(4)).toEqual(['-q:a', '+q:new', '-q:b', '-q:c', '-q:d']);
  });

  test('one operation at a time, and the latest wish wins', async () => {
    const asked = new Asked();
    asked.bindings.attach('q', []);
    void asked.bindings.request('a');
    void asked.bindings.request('b');
    await settle();
    expect(asked.calls).toEqual(['+q:a']);
    // Changed its mind before its turn: never asked
    const dropped = asked.bindings.drop('b');
    await asked.answer();
    expect(await outcome(dropped)).toBe('done');
    expect(asked.calls).toEqual(['+q:a']);
    expect(asked.bindings.pending).toBe(0);
  });

  test('dropped while it is being bound, it is unbound afterwards; wanted again meanwhile, it is not', async () => {
    const asked = new Asked();
    asked.bindings.attach('q', []);
    void asked.bindings.request('a');
    await settle();
    void asked.bindings.drop('a');
    await asked.answer();
    expect(asked.calls).toEqual(['+q:a', '-q:a']);
    const again = asked.bindings.request('a');
    expect(await outcome(again)).toBe('waiting');
    await asked.answer();
    expect(asked.calls).toEqual(['+q:a', '-q:a', '+q:a']);
    await asked.answer();
    expect(await outcome(again)).toBe('done');
  });

  test('without a queue it waits, and what is dropped costs nothing', async () => {
    const asked = new Asked();
    const wanted = asked.bindings.request('a');
    const other = asked.bindings.request('b');
    expect(await outcome(asked.bindings.drop('b'))).toBe('done');
    expect(await outcome(other)).toBe('done');
    expect(await outcome(wanted)).toBe('waiting');
    asked.bindings.attach('q', ['a', 'b']);
    await settle();
    await asked.answerAll();
    expect(asked.calls).toEqual(['+q:a']);
    expect(await outcome(wanted)).toBe('done');
  });

  test('a new queue is bound in the order given, and answers about the old one mean nothing', async () => {
    const asked = new Asked();
    asked.bindings.attach('old', []);
    for (const key of ['a', 'b', 'c']) void asked.bindings.request(key);
    await asked.answerAll();
    void asked.bindings.request('d');
    asked.bindings.detach();
    asked.bindings.attach('new', ['c', 'd', 'a', 'b']);
    const wants = ['a', 'c', 'd'].map((key) => asked.bindings.request(key));
    // The bind of the old queue
    await asked.answer();
    expect(await Promise.all(wants.map(outcome))).toEqual(['waiting', 'waiting', 'waiting']);
    await asked.answerAll();
    expect(asked.calls.slice(3)).toEqual(['+old:d', '+new:a', '+new:c', '+new:d', '+new:b']);
    expect(await Promise.all(wants.map(outcome))).toEqual(['done', 'done', 'done']);
  });

  test('who waits for a key comes before the keys that a new queue is given back', async () => {
    const asked = new Asked();
    asked.bindings.attach('old', []);
    for (const key of ['a', 'b', 'c', 'd']) void asked.bindings.request(key);
    await asked.answerAll();
    asked.bindings.detach();
    const whileAway = asked.bindings.request('new');
    asked.bindings.attach('q', ['d', 'c', 'b', 'a', 'new']);
    const later = asked.bindings.request('later');
    const again = asked.bindings.request('a');
    await asked.answer();
    await asked.answer();
    await asked.answer();
    expect(await Promise.all([whileAway, later, again].map(outcome))).toEqual(['done', 'done', 'done']);
    await asked.answerAll();
    expect(asked.calls.slice(4)).toEqual(['+q:new', '+q:later', '+q:a', '+q:d', '+q:c', '+q:b']);
  });

  test('it asks for several things at a time, but for one thing about a key', async () => {
    const asked = new Asked(3);
    asked.bindings.attach('q', []);
    for (const key of ['a', 'b', 'c', 'd']) void asked.bindings.request(key);
    await settle();
    expect(asked.calls).toEqual(['+q:a', '+q:b', '+q:c']);
    void asked.bindings.drop('a');
    void asked.bindings.request('a');
    void asked.bindings.drop('b');
    await asked.answer();
    expect(asked.calls.slice(3)).toEqual(['+q:d']);
    await asked.answer();
    expect(asked.calls.slice(4)).toEqual(['-q:b']);
    await asked.answerAll();
    expect(asked.calls).toHaveLength(5);
    expect(asked.bindings.pending).toBe(0);
  });

  test('a key that the broker is still asked about for the old queue is not asked about for the new one', async () => {
    const asked = new Asked(2);
    asked.bindings.attach('old', []);
    const wanted = asked.bindings.request('a');
    const left = asked.bindings.request('b');
    asked.bindings.detach();
    const dropped = asked.bindings.drop('b');
    asked.bindings.attach('new', ['a', 'b']);
    await settle();
    expect(asked.calls).toEqual(['+old:a', '+old:b']);
    await asked.answer();
    expect(asked.calls.slice(2)).toEqual(['+new:a']);
    await asked.answerAll();
    expect(asked.calls).toHaveLength(3);
    expect([await outcome(wanted), await outcome(left), await outcome(dropped)]).toEqual(['done', 'done', 'done']);
  });

  test('several that could not be asked are all asked again', async () => {
    const asked = new Asked(2);
    asked.bindings.attach('q', []);
    const wants = ['a', 'b'].map((key) => asked.bindings.request(key));
    await asked.answer(new BrokerError('broker-unavailable', 'late'));
    await asked.answer(new BrokerError('broker-unavailable', 'late'));
    expect(asked.open).toBe(0);
    // Long before it does so by itself
    for (const key of ['a', 'b']) void asked.bindings.request(key);
    await asked.answerAll();
    expect(await Promise.all(wants.map(outcome))).toEqual(['done', 'done']);
    asked.bindings.detach();
  });

  test('who subscribes after a loss waits for the next queue, also for a key that was bound', async () => {
    const asked = new Asked();
    asked.bindings.attach('old', []);
    void asked.bindings.request('a');
    await settle();
    await asked.answer();
    asked.bindings.detach();
    expect(asked.bindings.pending).toBe(1);
    const waiting = asked.bindings.request('a');
    expect(await outcome(waiting)).toBe('waiting');
    asked.bindings.attach('new', ['a']);
    await settle();
    await asked.answer();
    expect(await outcome(waiting)).toBe('done');
  });

  test('an unbinding that was not answered may have been done: who wants the key meanwhile has it bound again', async () => {
    const asked = new Asked();
    asked.bindings.attach('q', []);
    void asked.bindings.request('a');
    await settle();
    await asked.answer();
    void asked.bindings.drop('a');
    await settle();
    const again = asked.bindings.request('a');
    await asked.answer(new BrokerError('broker-unavailable', 'late'));
    expect(await outcome(again)).toBe('waiting');
    await asked.answer();
    expect(await outcome(again)).toBe('done');
    expect(asked.calls).toEqual(['+q:a', '-q:a', '+q:a']);
    expect(asked.bindings.pending).toBe(0);
  });

  test('a binding that was not answered may have been made: it is taken back when nobody wants it any more', async () => {
    const asked = new Asked();
    asked.bindings.attach('q', []);
    void asked.bindings.request('a');
    await asked.answer(new BrokerError('broker-unavailable', 'late'));
    const dropped = asked.bindings.drop('a');
    expect(await outcome(dropped)).toBe('waiting');
    await asked.answer();
    expect(asked.calls).toEqual(['+q:a', '-q:a']);
    expect(await outcome(dropped)).toBe('done');
    asked.bindings.detach();
  });

  test('a key that the broker refuses is refused to those who wait, and hurts no other', async () => {
    const asked = new Asked();
    asked.bindings.attach('q', []);
    const bad = asked.bindings.request('bad');
    const good = asked.bindings.request('good');
    await settle();
    await asked.answer(new BrokerError('access-refused', 'no'));
    expect(asked.refused).toEqual(['bad access-refused']);
    expect(await outcome(bad)).toBe('access-refused');
    await asked.answer();
    expect(await outcome(good)).toBe('done');
    expect(await outcome(asked.bindings.drop('bad'))).toBe('done');
    // Who wants it next asks again
    void asked.bindings.request('bad');
    await settle();
    expect(asked.calls).toEqual(['+q:bad', '+q:good', '+q:bad']);
  });

  test('a queue that is found again may still have the bindings that nobody wants any more', async () => {
    const asked = new Asked(2);
    asked.bindings.attach('q', []);
    for (const key of ['a', 'b', 'c']) void asked.bindings.request(key);
    await asked.answerAll();
    void asked.bindings.drop('a');
    asked.bindings.detach();
    void asked.bindings.drop('b');
    await asked.answer(new BrokerError('broker-unavailable', 'lost'));
    asked.bindings.attach('q', ['c']);
    await asked.answerAll();
    expect(asked.calls.slice(4).sort()).toEqual(['+q:c', '-q:a', '-q:b']);
    expect(asked.bindings.pending).toBe(0);
  });

  test('what nobody wants of a queue that is gone is forgotten', async () => {
    const asked = new Asked();
    asked.bindings.attach('old', []);
    void asked.bindings.request('a');
    await asked.answerAll();
    asked.bindings.detach();
    expect(await outcome(asked.bindings.drop('a'))).toBe('done');
    asked.bindings.attach('new', []);
    await settle();
    expect(asked.calls).toEqual(['+old:a']);
    expect(asked.bindings.pending).toBe(0);
  });

  test('nobody waits any more once they are closed, whatever is under way', async () => {
    const asked = new Asked();
    asked.bindings.attach('q', []);
    const first = asked.bindings.request('a');
    const second = asked.bindings.request('b');
    await settle();
    asked.bindings.close(new BrokerError('broker-unavailable', 'stopping'));
    expect([await outcome(first), await outcome(second)]).toEqual(['broker-unavailable', 'broker-unavailable']);
    await asked.answer();
    expect(asked.calls).toEqual(['+q:a']);
  });
});

describe('after a loss, the bindings are whole again', () => {
  async function lost(keys: readonly string[]): Promise<Asked> {
    const asked = new Asked();
    for (const key of keys) void asked.bindings.request(key);
    asked.bindings.attach('q1', keys);
    await settle();
    await asked.answerAll();
    asked.bindings.detach();
    expect(asked.whole).toEqual([false]);
    return asked;
  }

  test('when each key that was bound is bound again, whatever else is wanted meanwhile', async () => {
    const asked = await lost(['a', 'b']);
    asked.bindings.attach('q2', ['a', 'b']);
    await asked.answer();
    void asked.bindings.request('new');
    expect(asked.whole).toEqual([false]);
    while (!asked.whole.includes(true)) await asked.answer();
    expect(asked.calls.filter((call) => call.startsWith('+q2')).slice(0, 2)).toContain('+q2:a');
    await asked.answerAll();
    expect(asked.whole).toEqual([false, true]);
  });

  test('when one is refused, or not wanted any more', async () => {
    const asked = await lost(['a', 'b']);
    asked.bindings.attach('q2', ['a', 'b']);
    await asked.answer(new BrokerError('access-refused', 'no'));
    expect(asked.whole).toEqual([false]);
    void asked.bindings.drop('b');
    expect(asked.whole).toEqual([false, true]);
  });

  test('and where nothing was bound, nothing is missing', () => {
    const asked = new Asked();
    void asked.bindings.request('a');
    asked.bindings.detach();
    expect(asked.whole).toEqual([]);
  });
});
