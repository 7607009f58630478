/** DISCONNECT and UNSUBSCRIBE. */
import { scenario } from '../stage.js';
import type { Scenario } from '../stage.js';

const unsubscribed = (name: string, destination: (own: string) => string): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const to = destination(stage.name());
    await alice.request('SUBSCRIBE', { id: 's', destination: to });
    bob.send('SEND', { destination: to }, 'before');
    await alice.message();
    await alice.request('UNSUBSCRIBE', { id: 's' });
    bob.send('SEND', { destination: to }, 'after');
    await alice.request('SUBSCRIBE', { id: 'marker', destination: `/topic/${stage.name('marker')}` });
    bob.send('SEND', { destination: `/topic/${stage.name('marker')}` }, 'marker');
    await alice.message();
  });

export const scenarios: readonly Scenario[] = [
  scenario('disconnecting: DISCONNECT with a receipt', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('DISCONNECT');
    await alice.end();
    alice.note(`close code ${(await alice.client.expectClose()).code}`);
  }),
  scenario('disconnecting: DISCONNECT without a receipt', async (stage) => {
    const alice = await stage.connect('alice');
    alice.send('DISCONNECT');
    await alice.end();
    alice.note(`close code ${(await alice.client.expectClose()).code}`);
  }),
  scenario('disconnecting: DISCONNECT over TCP', async (stage) => {
    const alice = await stage.connect('alice', { transport: 'tcp' });
    await alice.request('DISCONNECT');
    await alice.end();
  }),
  scenario('disconnecting: a SEND before DISCONNECT arrives', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name()}` });
    bob.send('SEND', { destination: `/topic/${stage.name()}` }, 'last words');
    await bob.leave();
    await alice.message();
  }),
  scenario('disconnecting: an unread queue message stays for the next client', async (stage) => {
    const alice = await stage.connect('alice');
    alice.send('SEND', { destination: `/queue/${stage.name()}` }, 'kept');
    await alice.leave();
    const bob = await stage.connect('bob');
    await bob.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}` });
    await bob.message();
  }),
  unsubscribed('unsubscribing: from a topic', (own) => `/topic/${own}`),
  unsubscribed('unsubscribing: from a queue', (own) => `/queue/${own}`),
  unsubscribed('unsubscribing: from an exchange', (own) => `/exchange/amq.direct/${own}`),
  scenario('unsubscribing: one of two subscriptions to the same topic', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/topic/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 'one', destination });
    await alice.request('SUBSCRIBE', { id: 'two', destination });
    await alice.request('UNSUBSCRIBE', { id: 'one' });
    bob.send('SEND', { destination }, 'x');
    await alice.message();
  }),
  scenario('unsubscribing: the id can be used again', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name('old')}` });
    await alice.request('UNSUBSCRIBE', { id: 's' });
    await alice.request('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name('new')}` });
    bob.send('SEND', { destination: `/topic/${stage.name('old')}` }, 'old');
    bob.send('SEND', { destination: `/topic/${stage.name('new')}` }, 'new');
    await alice.message();
  }),
  scenario('unsubscribing: UNSUBSCRIBE with an unknown id', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('UNSUBSCRIBE', { id: 'unknown' });
  }),
  scenario('unsubscribing: UNSUBSCRIBE of an unknown durable subscription', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('UNSUBSCRIBE', { id: 'unknown', durable: 'true' });
  }),
  scenario('unsubscribing: UNSUBSCRIBE without id in 1.2', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name()}` });
    await alice.request('UNSUBSCRIBE', { destination: `/topic/${stage.name()}` });
  }),
  scenario('unsubscribing: UNSUBSCRIBE by destination in 1.0', async (stage) => {
    const alice = await stage.connect('alice', { version: '1.0' });
    const bob = await stage.connect('bob');
    const destination = `/topic/${stage.name()}`;
    await alice.request('SUBSCRIBE', { destination });
    bob.send('SEND', { destination }, 'x');
    await alice.message();
    await alice.request('UNSUBSCRIBE', { destination });
  }),
  scenario('unsubscribing: an ACK of an earlier delivery', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/queue/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination, ack: 'client-individual' });
    alice.send('SEND', { destination }, 'x');
    const message = await alice.message();
    await alice.request('UNSUBSCRIBE', { id: 's' });
    await alice.request('ACK', alice.ackOf(message));
  }),
  scenario('unsubscribing: unacknowledged messages return to the queue', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/queue/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination, ack: 'client-individual' });
    bob.send('SEND', { destination }, 'first');
    await alice.message();
    await alice.request('UNSUBSCRIBE', { id: 's' });
    await bob.request('SUBSCRIBE', { id: 's', destination });
    // longer than the grace for late ACKs
    await stage.later(stage.name(), 1500);
    while ((await bob.body()) !== 'marker');
  }),
];
