/** Ack modes, ACK and NACK, redelivery, prefetch. */
import type { Player } from '../player.js';
import type { ClientOptions, Stage, Scenario } from '../stage.js';
import { scenario } from '../stage.js';

type Ack = 'auto' | 'client' | 'client-individual';

/** Alice subscribes to a queue with an ack mode and receives the bodies that Bob sends. */
async function delivered(stage: Stage, ack: Ack, bodies: readonly string[], options: ClientOptions = {}) {
  const alice = await stage.connect('alice', options);
  const bob = await stage.connect('bob');
  const destination = `/queue/${stage.name()}`;
  await alice.request('SUBSCRIBE', { id: 's', destination, ack, 'prefetch-count': '10' });
  for (const body of bodies) bob.send('SEND', { destination }, body);
  return { alice, bob, destination, messages: await alice.messages(bodies.length) };
}

/**
 * Disconnects a client and records the messages left in the queue: those that a new client receives before a marker.
 */
async function remaining(stage: Stage, leaving: Player, destination: string): Promise<void> {
  await leaving.leave();
  const carol = await stage.connect('carol');
  await carol.request('SUBSCRIBE', { id: 's', destination });
  // AMQP keeps a requeued message in its place, before later messages
  carol.send('SEND', { destination }, 'marker');
  for (let body = ''; body !== 'marker';) body = (await carol.message()).body.toString();
}

export const scenarios: readonly Scenario[] = [
  scenario('acks: an ACK in mode client is cumulative', async (stage) => {
    const { alice, destination, messages } = await delivered(stage, 'client', ['1', '2', '3']);
    await alice.request('ACK', alice.ackOf(messages[1]!));
    await remaining(stage, alice, destination);
  }),
  scenario('acks: mode client in 1.1', async (stage) => {
    const { alice, destination, messages } = await delivered(stage, 'client', ['1', '2', '3'], { version: '1.1' });
    await alice.request('ACK', alice.ackOf(messages[1]!));
    await remaining(stage, alice, destination);
  }),
  scenario('acks: mode client in 1.0', async (stage) => {
    const { alice, destination, messages } = await delivered(stage, 'client', ['1', '2', '3'], { version: '1.0' });
    await alice.request('ACK', { 'message-id': messages[1]!.headers['message-id']! });
    await remaining(stage, alice, destination);
  }),
  scenario('acks: an ACK in mode client-individual covers one message', async (stage) => {
    const { alice, destination, messages } = await delivered(stage, 'client-individual', ['1', '2', '3']);
    await alice.request('ACK', alice.ackOf(messages[1]!));
    await remaining(stage, alice, destination);
  }),
  scenario('acks: mode client-individual in 1.1', async (stage) => {
    const { alice, destination, messages } = await delivered(stage, 'client-individual', ['1', '2'], {
      version: '1.1',
    });
    await alice.request('ACK', alice.ackOf(messages[1]!));
    await remaining(stage, alice, destination);
  }),
  scenario('acks: an ACK in mode client with two subscriptions', async (stage) => {
    const alice = await stage.connect('alice');
    const one = `/queue/${stage.name('one')}`;
    const two = `/queue/${stage.name('two')}`;
    for (const destination of [one, two]) {
      await alice.request('SUBSCRIBE', { id: destination === one ? 'one' : 'two', destination, ack: 'client' });
      alice.send('SEND', { destination }, destination === one ? '1' : '2');
    }
    const messages = await alice.messages(2);
    await alice.request('ACK', alice.ackOf(messages[1]!));
    await remaining(stage, alice, one);
  }),
  scenario('acks: a client leaves without an ACK', async (stage) => {
    const { alice, destination } = await delivered(stage, 'client', ['1', '2']);
    await remaining(stage, alice, destination);
  }),
  scenario('acks: mode auto needs no ACK', async (stage) => {
    const { alice, destination } = await delivered(stage, 'auto', ['1', '2']);
    await remaining(stage, alice, destination);
  }),
  scenario('acks: an ACK in mode auto', async (stage) => {
    const { alice, messages } = await delivered(stage, 'auto', ['1']);
    alice.send('ACK', alice.ackOf(messages[0]!));
    await alice.refusal();
  }),
  scenario('acks: an ACK with an unknown id', async (stage) => {
    const { alice } = await delivered(stage, 'client', ['1']);
    await alice.request('ACK', { id: 'nothing' });
  }),
  scenario('acks: two ACKs of one message', async (stage) => {
    const { alice, messages } = await delivered(stage, 'client-individual', ['1']);
    alice.send('ACK', alice.ackOf(messages[0]!));
    alice.send('ACK', alice.ackOf(messages[0]!));
    await alice.refusal();
  }),
  scenario('acks: an ACK without id in 1.2', async (stage) => {
    const { alice, messages } = await delivered(stage, 'client', ['1']);
    await alice.request('ACK', { 'message-id': messages[0]!.headers['message-id']!, subscription: 's' });
  }),
  scenario('acks: an ACK without subscription in 1.1', async (stage) => {
    const { alice, messages } = await delivered(stage, 'client', ['1'], { version: '1.1' });
    await alice.request('ACK', { 'message-id': messages[0]!.headers['message-id']! });
  }),
  scenario('acks: an ACK with the headers of all versions', async (stage) => {
    const { alice, destination, messages } = await delivered(stage, 'client', ['1']);
    const { 'message-id': messageId, ack } = messages[0]!.headers;
    await alice.request('ACK', { id: ack!, 'message-id': messageId!, subscription: 's' });
    await remaining(stage, alice, destination);
  }),
  scenario('acks: SUBSCRIBE with an unknown ack mode', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}`, ack: 'sometimes' });
  }),
  scenario('nacks: a NACK redelivers the message', async (stage) => {
    const { alice, messages } = await delivered(stage, 'client-individual', ['1']);
    await alice.request('NACK', alice.ackOf(messages[0]!));
    await alice.request('ACK', alice.ackOf(await alice.message()));
  }),
  scenario('nacks: a NACK in 1.1', async (stage) => {
    const { alice, messages } = await delivered(stage, 'client-individual', ['1'], { version: '1.1' });
    await alice.request('NACK', alice.ackOf(messages[0]!));
    await alice.request('ACK', alice.ackOf(await alice.message()));
  }),
  scenario('nacks: a NACK in 1.0', async (stage) => {
    const { alice, messages } = await delivered(stage, 'client', ['1'], { version: '1.0' });
    await alice.request('NACK', { 'message-id': messages[0]!.headers['message-id']! });
    await alice.message();
  }),
  scenario('nacks: a NACK in mode client is cumulative', async (stage) => {
    const { alice, messages } = await delivered(stage, 'client', ['1', '2']);
    await alice.request('NACK', alice.ackOf(messages[1]!));
    const again = await alice.messages(2);
    await alice.request('ACK', alice.ackOf(again[1]!));
  }),
  scenario('nacks: requeue:false drops the message', async (stage) => {
    const { alice, destination, messages } = await delivered(stage, 'client-individual', ['1', '2']);
    await alice.request('NACK', { ...alice.ackOf(messages[0]!), requeue: 'false' });
    await alice.request('ACK', alice.ackOf(messages[1]!));
    await remaining(stage, alice, destination);
  }),
  scenario('nacks: requeue:false dead-letters the message', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await bob.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name('dead')}` });
    const headers = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': stage.name('dead') };
    const destination = `/queue/${stage.name('alive')}`;
    await alice.request('SUBSCRIBE', { id: 's', destination, ack: 'client-individual', ...headers });
    const channel = await stage.backEnd();
    channel.sendToQueue(stage.name('alive'), Buffer.from('x'));
    const message = await alice.message();
    await alice.request('NACK', { ...alice.ackOf(message), requeue: 'false' });
    const dead = await bob.client.take((f) => f.command === 'MESSAGE', 'the dead letter');
    bob.note(`dead letter ${dead.body.toString()} ${dead.headers['x-first-death-reason'] ?? '-'}`);
  }),
  scenario('nacks: a NACK of a message of a topic', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name()}`, ack: 'client-individual' });
    bob.send('SEND', { destination: `/topic/${stage.name()}` }, 'x');
    await alice.request('NACK', alice.ackOf(await alice.message()));
    await alice.request('ACK', alice.ackOf(await alice.message()));
  }),
  scenario('redelivery: a redelivered message is marked', async (stage) => {
    const { alice, destination } = await delivered(stage, 'client', ['1']);
    alice.client.destroy();
    await alice.client.expectClose();
    const carol = await stage.connect('carol');
    await carol.request('SUBSCRIBE', { id: 's', destination, ack: 'client' });
    await carol.message();
  }),
  scenario('prefetch: at most prefetch-count messages are unacknowledged', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/topic/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination, ack: 'client', 'prefetch-count': '5' });
    for (let n = 0; n < 10; n++) bob.send('SEND', { destination }, String(n));
    const first = await alice.messages(5);
    // a sixth MESSAGE would arrive before this RECEIPT
    await alice.request('SEND', { destination: `/topic/${stage.name('unused')}` }, 'x');
    alice.note(`${alice.client.received().length} more`);
    await alice.request('ACK', alice.ackOf(first[4]!));
    await alice.messages(5);
  }),
  scenario('prefetch: prefetch-count is not a number', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}`, 'prefetch-count': 'many' });
  }),
];
