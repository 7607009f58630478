/** A feed on a client with recovery. The hooks' tests cover the rest of it. */
import { expect, test } from '@jest/globals';
import { createFeed } from '../../../../client-sdk/src/react/feed.js';
import { openConnected, settled } from '../open-client.js';

const TOPIC = '/topic/a';

test('the next subscription continues behind the last message that a watcher got', async () => {
  const { client, socket } = await openConnected({}, { 'relay-extensions': 'soft-errors,recovery' });
  let position: string | null = null;
  const keep = { getItem: () => position, setItem: (_: string, value: string) => void (position = value) };
  const received: string[] = [];
  const open = () =>
    createFeed(client, (render) => render(), TOPIC, { keep, onMessage: ({ body }) => received.push(body) });
  const deliver = (n: number): void =>
    socket.deliver(TOPIC, String(n), { 'message-id': `h0-${n}`, 'relay-position': `p${n}` });
  const leave = open().watch(() => {});
  await socket.acknowledge('SUBSCRIBE', 0, { 'relay-position': 'p0' });
  deliver(1);
  leave();
  deliver(2); // in the turn of the unmount
  await settled();
  deliver(3); // on its way when the client unsubscribed
  const leaveNext = open().watch(() => {});
  const { headers } = await socket.frame('SUBSCRIBE', 1);
  expect(headers['relay-since']).toBe('p1');
  await socket.acknowledge('SUBSCRIBE', 1, { 'relay-recovered': 'true', 'relay-position': 'p1' });
  for (const n of [2, 3, 4]) deliver(n);
  expect(received).toEqual(['1', '2', '3', '4']);
  expect(socket.seen('UNSUBSCRIBE')).toHaveLength(1);
  leaveNext();
});
