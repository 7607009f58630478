/** DISCONNECT and UNSUBSCRIBE. */
import { scenario, type Scenario } from '../stage.js';

const unsubscribed = (name: string, destination: (own: string) => string): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const to = destination(stage.name());
    await alice.ask('SUBSCRIBE', { id: 's', destination: to });
    bob.tell('SEND', { destination: to }, 'before');
    await alice.message();
    await alice.ask('UNSUBSCRIBE', { id: 's' });
    bob.tell('SEND', { destination: to }, 'after');
    await alice.ask('SUBSCRIBE', { id: 'marker', destination: `/topic/${stage.name('marker')}` });
    bob.tell('SEND', { destination: `/topic/${stage.name('marker')}` }, 'marker');
    await alice.message();
  });

export const scenarios: readonly Scenario[] = [
  scenario('disconnecting: DISCONNECT with a receipt', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask('DISCONNECT');
    await alice.end();
    alice.note(`close code ${(await alice.client.expectClose()).code}`);
  }),
  scenario('disconnecting: DISCONNECT without a receipt', async (stage) => {
    const alice = await stage.connect('alice');
    alice.tell('DISCONNECT');
    await alice.end();
    alice.note(`close code ${(await alice.client.expectClose()).code}`);
  }),
  scenario('disconnecting: DISCONNECT over TCP', async (stage) => {
    const alice = await stage.connect('alice', { transport: 'tcp' });
    await alice.ask('DISCONNECT');
    await alice.end();
  }),
  scenario('disconnecting: a SEND before DISCONNECT arrives', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await alice.ask('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name()}` });
    bob.tell('SEND', { destination: `/topic/${stage.name()}` }, 'last words');
    await bob.leave();
    await alice.message();
  }),
  scenario('disconnecting: an unread queue message stays for the next', async (stage) => {
    const alice = await stage.connect('alice');
    alice.tell('SEND', { destination: `/queue/${stage.name()}` }, 'kept');
    await alice.leave();
    const bob = await stage.connect('bob');
    await bob.ask('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}` });
    await bob.message();
  }),
  unsubscribed('unsubscribing: from a topic', (own) => `/topic/${own}`),
  unsubscribed('unsubscribing: from a queue', (own) => `/queue/${own}`),
  unsubscribed('unsubscribing: from an exchange', (own) => `/exchange/amq.direct/${own}`),
  scenario('unsubscribing: one of two subscriptions to the same topic', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/topic/${stage.name()}`;
    await alice.ask('SUBSCRIBE', { id: 'one', destination });
    await alice.ask('SUBSCRIBE', { id: 'two', destination });
    await alice.ask('UNSUBSCRIBE', { id: 'one' });
    bob.tell('SEND', { destination }, 'x');
    await alice.message();
  }),
  scenario('unsubscribing: the id is free again', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await alice.ask('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name('old')}` });
    await alice.ask('UNSUBSCRIBE', { id: 's' });
    await alice.ask('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name('new')}` });
    bob.tell('SEND', { destination: `/topic/${stage.name('old')}` }, 'old');
    bob.tell('SEND', { destination: `/topic/${stage.name('new')}` }, 'new');
    await alice.message();
  }),
  scenario('unsubscribing: an unknown id', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask('UNSUBSCRIBE', { id: 'nobody' });
  }),
  scenario('unsubscribing: an unknown durable subscription', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask('UNSUBSCRIBE', { id: 'nobody', durable: 'true' });
  }),
  scenario('unsubscribing: no id in 1.2', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name()}` });
    await alice.ask('UNSUBSCRIBE', { destination: `/topic/${stage.name()}` });
  }),
  scenario('unsubscribing: by destination in 1.0', async (stage) => {
    const alice = await stage.connect('alice', { version: '1.0' });
    const bob = await stage.connect('bob');
    const destination = `/topic/${stage.name()}`;
    await alice.ask('SUBSCRIBE', { destination });
    bob.tell('SEND', { destination }, 'x');
    await alice.message();
    await alice.ask('UNSUBSCRIBE', { destination });
  }),
  scenario('unsubscribing: what was delivered can still be acknowledged', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/queue/${stage.name()}`;
    await alice.ask('SUBSCRIBE', { id: 's', destination, ack: 'client-individual' });
    alice.tell('SEND', { destination }, 'x');
    const message = await alice.message();
    await alice.ask('UNSUBSCRIBE', { id: 's' });
    await alice.ask('ACK', alice.ackOf(message));
  }),
  scenario('unsubscribing: what was not acknowledged goes back to the queue', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/queue/${stage.name()}`;
    await alice.ask('SUBSCRIBE', { id: 's', destination, ack: 'client-individual' });
    bob.tell('SEND', { destination }, 'first');
    await alice.message();
    await alice.ask('UNSUBSCRIBE', { id: 's' });
    await bob.ask('SUBSCRIBE', { id: 's', destination });
    // longer than the grace for late ACKs
    await stage.later(stage.name(), 1500);
    while ((await bob.body()) !== 'marker');
  }),
];
