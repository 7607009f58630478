import { expect, test } from '@jest/globals';
import type { Channel } from 'amqplib';
import type { ScratchChannels } from '../../../../../server/src/brokers/rabbitmq/amqp/scratch-channels.js';
import { Exchanges } from '../../../../../server/src/brokers/rabbitmq/exchanges.js';

test.each<[string, number | undefined, object | undefined]>([
  ['is missing is declared', undefined, undefined],
  [
    'has another type is refused',
    406,
    { code: 'queue-conflict', message: expect.stringMatching(/"x".*durable topic/) },
  ],
  ['the relay may not declare is accepted as it is', 403, undefined],
])('an exchange of the relay that %s', async (_, reply, refusal) => {
  const calls: string[] = [];
  const channel = {
    assertExchange: (...declared: unknown[]) => {
      calls.push(`declare ${JSON.stringify(declared)}`);
      return reply === undefined ? Promise.resolve() : Promise.reject(Object.assign(new Error(), { code: reply }));
    },
    checkExchange: (name: string) => Promise.resolve(calls.push(`check ${name}`)),
  };
  const scratch = { run: (work: (channel: Channel) => unknown) => work(channel as unknown as Channel) };
  const exchanges = new Exchanges(scratch as unknown as ScratchChannels);
  const ensured = exchanges.ensureOwn('x');
  await (refusal ? expect(ensured).rejects.toMatchObject(refusal) : ensured);
  expect(exchanges.knows('x')).toBe(refusal === undefined);
  expect(calls).toEqual(['declare ["x","topic",{"durable":true}]', ...(reply === 403 ? ['check x'] : [])]);
});

test('callers share the answer of a check, and a refused binding makes the next check ask again', async () => {
  let checks = 0;
  const channel = { checkExchange: () => Promise.resolve(checks++) };
  const scratch = { run: (work: (channel: Channel) => unknown) => work(channel as unknown as Channel) };
  const exchanges = new Exchanges(scratch as unknown as ScratchChannels);
  await Promise.all([exchanges.check('x'), exchanges.check('x')]);
  expect([checks, exchanges.knows('x')]).toEqual([1, true]);
  const refusal = Object.assign(new Error(), { code: 404 });
  await expect(exchanges.ask('x', undefined, () => Promise.reject(refusal))).rejects.toMatchObject({
    code: 'exchange-not-found',
  });
  expect(exchanges.knows('x')).toBe(false);
});
