import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Action } from '../../../../server/src/auth/auth.js';
import type { Destination } from '../../../../server/src/destinations/destination.js';
import { Send } from '../../../../server/src/publishing/send.js';
import { ScriptedBroker } from '../../../support/scripted-broker.js';

const ANN = { userName: 'ann', id: 's-1' };

let broker: ScriptedBroker;
let asked: string[];
let answer: () => boolean | Promise<boolean>;
beforeEach(() => {
  broker = new ScriptedBroker();
  asked = [];
  answer = () => true;
});

function sendOf(headers: Record<string, string>, destination = '/topic/a', body = 'text'): Send {
  const input = { destination, headers: new Map(Object.entries(headers)), body: Buffer.from(body), mandatory: false };
  return new Send(input, ANN);
}

const subject = () => ({
  principal: { name: 'ann', anonymous: false, claims: {} },
  userName: 'ann',
  context: {
    broker,
    policy: {
      allows: (_: unknown, action: Action, { text }: Destination) => {
        asked.push(`${action} ${text}`);
        return answer();
      },
    },
    options: { connectTimeoutMs: 1_000 },
  },
});
const noQueue = (): never => {
  throw new Error('no temporary queue is needed');
};

describe('Send', () => {
  test('is checked in the same tick where nothing has to be waited for', async () => {
    const send = sendOf({ receipt: '1', colour: 'red' });
    expect(send.check(subject(), noQueue)).toBeUndefined();
    expect(broker.calls).toEqual(['prepare /topic/a text']);
    await send.publish();
    expect(broker.calls).toEqual(['prepare /topic/a text', 'publish /topic/a text']);
    expect(Object.fromEntries(broker.publications[0]!.message.headers)).toEqual({
      colour: 'red',
      user: 'ann',
      session: 's-1',
    });
  });

  test('cannot be published before its checks', () => {
    expect(() => sendOf({}).publish()).toThrow('before its checks');
    expect(broker.calls).toEqual([]);
  });

  test('counts all headers that came, and the body', () => {
    expect(sendOf({ receipt: '12', colour: 'red' }, '/topic/a', 'text').bytes).toBe(9 + 9 + 4);
  });

  test('a policy that takes its time is waited for, and what it refuses never reaches the broker', async () => {
    let decide: (isAllowed: boolean) => void = () => undefined;
    answer = () => new Promise((resolve) => (decide = resolve));
    const allowed = sendOf({});
    const checking = allowed.check(subject(), noQueue);
    expect(broker.calls).toEqual([]);
    decide(true);
    await checking;
    expect(broker.calls).toEqual(['prepare /topic/a text']);
    const refused = sendOf({}, '/topic/b').check(subject(), noQueue);
    decide(false);
    await expect(refused).rejects.toMatchObject({ code: 'access-denied' });
    expect(broker.calls).toEqual(['prepare /topic/a text']);
  });

  test('reply-to is a permission of its own, unless it names a temporary queue', async () => {
    const outside = sendOf({ 'reply-to': '/queue/r' });
    await outside.check(subject(), noQueue);
    expect(asked).toEqual(['send /topic/a', 'send /queue/r']);
    asked = [];
    const inside = sendOf({ 'reply-to': '/temp-queue/r' });
    await inside.check(subject(), ({ name }) => Promise.resolve(`address-of-${name}`));
    expect(asked).toEqual(['send /topic/a']);
    await inside.publish();
    expect(broker.publications[0]!.message.headers.get('reply-to')).toBe('address-of-r');
    expect(inside.permissions).toHaveLength(1);
  });

  test('a session is meant only among those of a user', () => {
    for (const [to, target] of [
      ['/user/bob/queue/x', 's-2'],
      ['/topic/a', undefined],
      ['/queue/a', undefined],
      ['/exchange/e/k', undefined],
    ] as const) {
      expect(sendOf({ session: 's-2' }, to).message.toSession).toBe(target);
    }
    expect(sendOf({}, '/user/bob/queue/x').message.toSession).toBeUndefined();
  });

  test('a broker that is not ready is waited for', async () => {
    broker.holds.add('prepare');
    const checking = sendOf({}).check(subject(), noQueue);
    broker.preparations[0]!.refuse(new Error('away'));
    await expect(checking).rejects.toThrow('away');
  });
});
