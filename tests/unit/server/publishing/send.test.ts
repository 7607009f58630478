import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Action } from '../../../../server/src/auth/auth.js';
import type { Destination } from '../../../../server/src/destinations/destination.js';
import { Send } from '../../../../server/src/publishing/send.js';
import { ScriptedBroker } from '../../../support/scripted-broker.js';

const ANN = { userName: 'ann', id: 's-1' };

let broker: ScriptedBroker;
let checked: string[];
let answer: () => boolean | Promise<boolean>;
beforeEach(() => {
  broker = new ScriptedBroker();
  checked = [];
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
        checked.push(`${action} ${text}`);
        return answer();
      },
    },
    options: { connectTimeoutMs: 1_000 },
  },
});
const noQueue = (): never => {
  throw new Error('this message needs no temporary queue');
};

describe('Send', () => {
  test('passes its checks in the same tick if policy and broker answer at once', async () => {
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

  test('counts all received headers and the body', () => {
    expect(sendOf({ receipt: '12', colour: 'red' }, '/topic/a', 'text').bytes).toBe(9 + 9 + 2 * 128 + 4);
  });

  test('waits for an asynchronous policy; a refused message never reaches the broker', async () => {
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

  test('needs a permission for reply-to, unless it names a temporary queue', async () => {
    const outside = sendOf({ 'reply-to': '/queue/r' });
    await outside.check(subject(), noQueue);
    expect(checked).toEqual(['send /topic/a', 'send /queue/r']);
    checked = [];
    const inside = sendOf({ 'reply-to': '/temp-queue/r' });
    await inside.check(subject(), ({ name }) => Promise.resolve(`address-of-${name}`));
    expect(checked).toEqual(['send /topic/a']);
    await inside.publish();
    expect(broker.publications[0]!.message.headers.get('reply-to')).toBe('address-of-r');
    expect(inside.permissions).toHaveLength(1);
  });

  test('the header session has an effect only for destinations of a user', () => {
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

  test('replies to an address of direct reply-to only if its session has received it', async () => {
    const reply = (): Send => sendOf({}, '/reply-queue/amq.rabbitmq.reply-to.x');
    const refusal = expect.objectContaining({ code: 'invalid-destination' });
    expect(() => reply().check(subject(), noQueue)).toThrow(refusal);
    expect(() => reply().check({ ...subject(), hasReceived: () => false }, noQueue)).toThrow(refusal);
    const hasReceived = (address: string): boolean => address === 'amq.rabbitmq.reply-to.x';
    await reply().check({ ...subject(), hasReceived }, noQueue);
    expect(broker.calls).toEqual(['prepare /reply-queue/amq.rabbitmq.reply-to.x text']);
  });

  test('waits for a broker that is not ready', async () => {
    broker.holds.add('prepare');
    const checking = sendOf({}).check(subject(), noQueue);
    broker.preparations[0]!.refuse(new Error('away'));
    await expect(checking).rejects.toThrow('away');
  });
});
