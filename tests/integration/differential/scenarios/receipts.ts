/** What a RECEIPT stands for, and what an ERROR says about the frame that it answers. */
import { scenario, type Scenario } from '../stage.js';

export const scenarios: readonly Scenario[] = [
  scenario('receipts: of SEND to a topic without subscribers', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask('SEND', { destination: `/topic/${stage.name()}` }, 'x');
  }),
  scenario('receipts: of fifty SENDs', async (stage) => {
    const alice = await stage.connect('alice');
    const ids = Array.from({ length: 50 }, (_, n) => `receipt-${n}`);
    for (const receipt of ids) alice.tell('SEND', { destination: `/queue/${stage.name()}`, receipt }, 'x');
    for (const id of ids) await alice.receipt(id);
  }),
  scenario('receipts: only for SENDs that ask', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/queue/${stage.name()}`;
    await alice.ask('SUBSCRIBE', { id: 's', destination });
    bob.tell('SEND', { destination, receipt: 'a' }, 'first');
    bob.tell('SEND', { destination }, 'second');
    bob.tell('SEND', { destination, receipt: 'b' }, 'third');
    await bob.receipt('a');
    await bob.receipt('b');
    await alice.messages(3);
  }),
  scenario('receipts: a receipt id with a colon', async (stage) => {
    const alice = await stage.connect('alice');
    alice.tell('SEND', { destination: `/topic/${stage.name()}`, receipt: 'a\\cb' }, 'x');
    await alice.receipt('a:b');
  }),
  scenario('receipts: of every other command', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/queue/${stage.name()}`;
    await alice.ask('SUBSCRIBE', { id: 's', destination, ack: 'client' });
    alice.tell('SEND', { destination }, 'x');
    await alice.ask('NACK', alice.ackOf(await alice.message()));
    await alice.ask('ACK', alice.ackOf(await alice.message()));
    await alice.ask('BEGIN', { transaction: 't' });
    await alice.ask('ABORT', { transaction: 't' });
    await alice.ask('BEGIN', { transaction: 't' });
    await alice.ask('COMMIT', { transaction: 't' });
    await alice.ask('UNSUBSCRIBE', { id: 's' });
    await alice.ask('DISCONNECT');
    await alice.end();
  }),
  scenario('receipts: of a SEND that is refused', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask('SEND', { destination: '/no-such-kind/x' }, 'x');
  }),
  scenario('receipts: of a SEND to a missing exchange', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask('SEND', { destination: `/exchange/${stage.name()}/k` }, 'x');
  }),
  scenario('receipts: of a SUBSCRIBE to a missing exchange', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask('SUBSCRIBE', { id: 's', destination: `/exchange/${stage.name()}/k` });
  }),
  scenario('receipts: of a SEND that reaches no queue', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask('SEND', { destination: `/amq/queue/${stage.name()}` }, 'x');
  }),
  scenario('receipts: of a SEND that reaches no queue and must', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask('SEND', { destination: `/amq/queue/${stage.name()}`, mandatory: 'true' }, 'x');
  }),
  scenario('receipts: of a SEND that the queue rejects', async (stage) => {
    const channel = await stage.backEnd();
    await channel.assertQueue(stage.name(), { arguments: { 'x-max-length': 0, 'x-overflow': 'reject-publish' } });
    const alice = await stage.connect('alice');
    await alice.ask('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name('marker')}` });
    alice.tell('SEND', { destination: `/amq/queue/${stage.name()}`, receipt: 'refused' }, 'x');
    await stage.later(stage.name('marker'), 1000);
    await alice.body();
  }),
  scenario('receipts: RECEIPT of SUBSCRIBE means that nothing is missed', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    for (let n = 0; n < 10; n++) {
      await alice.ask('SUBSCRIBE', { id: `s${n}`, destination: `/topic/${stage.name(`${n}`)}` });
      bob.tell('SEND', { destination: `/topic/${stage.name(`${n}`)}` }, String(n));
      await alice.message();
    }
  }),
];
