/** Ack modes, ACK and NACK, redelivery, prefetch. */
import type { Player } from '../player.js';
import type { ClientOptions, Stage } from '../stage.js';
import { scenario, type Scenario } from '../stage.js';

type Ack = 'auto' | 'client' | 'client-individual';

/** Alice subscribes to a queue with an ack mode, Bob has sent bodies to it. */
async function delivered(stage: Stage, ack: Ack, bodies: readonly string[], options: ClientOptions = {}) {
  const alice = await stage.connect('alice', options);
  const bob = await stage.connect('bob');
  const destination = `/queue/${stage.name()}`;
  await alice.ask('SUBSCRIBE', { id: 's', destination, ack, 'prefetch-count': '10' });
  for (const body of bodies) bob.tell('SEND', { destination }, body);
  return { alice, bob, destination, messages: await alice.messages(bodies.length) };
}

/** What is left in the queue once this client has gone: what a new one gets, up to a marker. */
async function left(stage: Stage, gone: Player, destination: string): Promise<void> {
  await gone.leave();
  const carol = await stage.connect('carol');
  await carol.ask('SUBSCRIBE', { id: 's', destination });
  // AMQP keeps a requeued message in its place, before what is sent later
  carol.tell('SEND', { destination }, 'marker');
  for (let body = ''; body !== 'marker';) body = (await carol.message()).body.toString();
}

export const scenarios: readonly Scenario[] = [
  scenario('acks: client is cumulative', async (stage) => {
    const { alice, destination, messages } = await delivered(stage, 'client', ['1', '2', '3']);
    await alice.ask('ACK', alice.ackOf(messages[1]!));
    await left(stage, alice, destination);
  }),
  scenario('acks: client in 1.1', async (stage) => {
    const { alice, destination, messages } = await delivered(stage, 'client', ['1', '2', '3'], { version: '1.1' });
    await alice.ask('ACK', alice.ackOf(messages[1]!));
    await left(stage, alice, destination);
  }),
  scenario('acks: client in 1.0', async (stage) => {
    const { alice, destination, messages } = await delivered(stage, 'client', ['1', '2', '3'], { version: '1.0' });
    await alice.ask('ACK', { 'message-id': messages[1]!.headers['message-id']! });
    await left(stage, alice, destination);
  }),
  scenario('acks: client-individual is single', async (stage) => {
    const { alice, destination, messages } = await delivered(stage, 'client-individual', ['1', '2', '3']);
    await alice.ask('ACK', alice.ackOf(messages[1]!));
    await left(stage, alice, destination);
  }),
  scenario('acks: client-individual in 1.1', async (stage) => {
    const { alice, destination, messages } = await delivered(stage, 'client-individual', ['1', '2'], {
      version: '1.1',
    });
    await alice.ask('ACK', alice.ackOf(messages[1]!));
    await left(stage, alice, destination);
  }),
  scenario('acks: client acks inside one subscription only', async (stage) => {
    const alice = await stage.connect('alice');
    const one = `/queue/${stage.name('one')}`;
    const two = `/queue/${stage.name('two')}`;
    for (const destination of [one, two]) {
      await alice.ask('SUBSCRIBE', { id: destination === one ? 'one' : 'two', destination, ack: 'client' });
      alice.tell('SEND', { destination }, destination === one ? '1' : '2');
    }
    const messages = await alice.messages(2);
    await alice.ask('ACK', alice.ackOf(messages[1]!));
    await left(stage, alice, one);
  }),
  scenario('acks: nothing is acknowledged', async (stage) => {
    const { alice, destination } = await delivered(stage, 'client', ['1', '2']);
    await left(stage, alice, destination);
  }),
  scenario('acks: auto needs none', async (stage) => {
    const { alice, destination } = await delivered(stage, 'auto', ['1', '2']);
    await left(stage, alice, destination);
  }),
  scenario('acks: an ACK in mode auto', async (stage) => {
    const { alice, messages } = await delivered(stage, 'auto', ['1']);
    alice.tell('ACK', alice.ackOf(messages[0]!));
    await alice.refusal();
  }),
  scenario('acks: an unknown id', async (stage) => {
    const { alice } = await delivered(stage, 'client', ['1']);
    await alice.ask('ACK', { id: 'nothing' });
  }),
  scenario('acks: the same message twice', async (stage) => {
    const { alice, messages } = await delivered(stage, 'client-individual', ['1']);
    alice.tell('ACK', alice.ackOf(messages[0]!));
    alice.tell('ACK', alice.ackOf(messages[0]!));
    await alice.refusal();
  }),
  scenario('acks: no id in 1.2', async (stage) => {
    const { alice, messages } = await delivered(stage, 'client', ['1']);
    await alice.ask('ACK', { 'message-id': messages[0]!.headers['message-id']!, subscription: 's' });
  }),
  scenario('acks: no subscription in 1.1', async (stage) => {
    const { alice, messages } = await delivered(stage, 'client', ['1'], { version: '1.1' });
    await alice.ask('ACK', { 'message-id': messages[0]!.headers['message-id']! });
  }),
  scenario('acks: the headers of all versions together', async (stage) => {
    const { alice, destination, messages } = await delivered(stage, 'client', ['1']);
    const { 'message-id': messageId, ack } = messages[0]!.headers;
    await alice.ask('ACK', { id: ack!, 'message-id': messageId!, subscription: 's' });
    await left(stage, alice, destination);
  }),
  scenario('acks: an unknown mode', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}`, ack: 'sometimes' });
  }),
  scenario('nacks: the message comes again', async (stage) => {
    const { alice, messages } = await delivered(stage, 'client-individual', ['1']);
    await alice.ask('NACK', alice.ackOf(messages[0]!));
    await alice.ask('ACK', alice.ackOf(await alice.message()));
  }),
  scenario('nacks: in 1.1', async (stage) => {
    const { alice, messages } = await delivered(stage, 'client-individual', ['1'], { version: '1.1' });
    await alice.ask('NACK', alice.ackOf(messages[0]!));
    await alice.ask('ACK', alice.ackOf(await alice.message()));
  }),
  scenario('nacks: in 1.0, which has none', async (stage) => {
    const { alice, messages } = await delivered(stage, 'client', ['1'], { version: '1.0' });
    await alice.ask('NACK', { 'message-id': messages[0]!.headers['message-id']! });
    await alice.message();
  }),
  scenario('nacks: client is cumulative', async (stage) => {
    const { alice, messages } = await delivered(stage, 'client', ['1', '2']);
    await alice.ask('NACK', alice.ackOf(messages[1]!));
    const again = await alice.messages(2);
    await alice.ask('ACK', alice.ackOf(again[1]!));
  }),
  scenario('nacks: requeue:false drops it', async (stage) => {
    const { alice, destination, messages } = await delivered(stage, 'client-individual', ['1', '2']);
    await alice.ask('NACK', { ...alice.ackOf(messages[0]!), requeue: 'false' });
    await alice.ask('ACK', alice.ackOf(messages[1]!));
    await left(stage, alice, destination);
  }),
  scenario('nacks: requeue:false sends it to the dead letter exchange', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await bob.ask('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name('dead')}` });
    const headers = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': stage.name('dead') };
    const destination = `/queue/${stage.name('alive')}`;
    await alice.ask('SUBSCRIBE', { id: 's', destination, ack: 'client-individual', ...headers });
    const channel = await stage.backEnd();
    channel.sendToQueue(stage.name('alive'), Buffer.from('x'));
    const message = await alice.message();
    await alice.ask('NACK', { ...alice.ackOf(message), requeue: 'false' });
    const dead = await bob.client.take((f) => f.command === 'MESSAGE', 'the dead letter');
    bob.note(`dead letter ${dead.body.toString()} ${dead.headers['x-first-death-reason'] ?? '-'}`);
  }),
  scenario('nacks: on a topic', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await alice.ask('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name()}`, ack: 'client-individual' });
    bob.tell('SEND', { destination: `/topic/${stage.name()}` }, 'x');
    await alice.ask('NACK', alice.ackOf(await alice.message()));
    await alice.ask('ACK', alice.ackOf(await alice.message()));
  }),
  scenario('redelivery: says so', async (stage) => {
    const { alice, destination } = await delivered(stage, 'client', ['1']);
    alice.client.destroy();
    await alice.client.expectClose();
    const carol = await stage.connect('carol');
    await carol.ask('SUBSCRIBE', { id: 's', destination, ack: 'client' });
    await carol.message();
  }),
  scenario('prefetch: no more than prefetch-count wait for their ACK', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/topic/${stage.name()}`;
    await alice.ask('SUBSCRIBE', { id: 's', destination, ack: 'client', 'prefetch-count': '5' });
    for (let n = 0; n < 10; n++) bob.tell('SEND', { destination }, String(n));
    const first = await alice.messages(5);
    // its RECEIPT would stand behind a sixth MESSAGE
    await alice.ask('SEND', { destination: `/topic/${stage.name('nobody')}` }, 'x');
    alice.note(`${alice.client.received().length} more`);
    await alice.ask('ACK', alice.ackOf(first[4]!));
    await alice.messages(5);
  }),
  scenario('prefetch: is no number', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}`, 'prefetch-count': 'many' });
  }),
];
