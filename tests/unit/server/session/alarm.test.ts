/** With the extension `blocked` a client gets a notice when the broker takes no messages, and when it does again. */
import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import { Harness, tick, useFakeTime } from './harness.js';

let harness: Harness;
beforeEach(() => {
  useFakeTime();
  harness = new Harness();
});
afterEach(async () => {
  harness.broker.release();
  await tick();
  expect(await harness.leftovers()).toEqual([]);
  jest.useRealTimers();
});

function alarm(reason: string | undefined): void {
  harness.broker.alarm = { reason, count: 1, listen: () => undefined };
  harness.sessions.reportAlarm(reason);
}

test('clients with the extension get both notices, and others nothing', async () => {
  const told = await harness.connect({ 'relay-extensions': 'blocked' });
  const plain = await harness.connect({ 'relay-extensions': 'soft-errors' });
  alarm('low on memory');
  alarm(undefined);
  const [blocked, unblocked, ...more] = told.fresh();
  expect(blocked).toMatchObject({
    command: 'MESSAGE',
    headers: { subscription: 'relay', destination: '/relay/blocked', reason: 'low on memory' },
  });
  expect(blocked?.body.toString()).toContain('(low on memory): SENDs wait');
  expect(unblocked).toMatchObject({ command: 'MESSAGE', headers: { destination: '/relay/unblocked' } });
  expect([more, plain.fresh()]).toEqual([[], []]);
});

test('a client that connects during an alarm gets the notice after CONNECTED', async () => {
  alarm('low on disk');
  const client = harness.open();
  client.sendFrame('CONNECT', { 'accept-version': '1.2', host: '/', 'relay-extensions': 'blocked' });
  await tick();
  expect(client.fresh().map(({ command, headers }) => [command, headers['destination']])).toEqual([
    ['CONNECTED', undefined],
    ['MESSAGE', '/relay/blocked'],
  ]);
});
