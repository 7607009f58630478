/** BEGIN, COMMIT, ABORT, and receipts inside transactions. */
import { scenario, type Scenario } from '../stage.js';

const alone = (name: string, command: string, headers: Readonly<Record<string, string>>): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask(command, headers);
  });

export const scenarios: readonly Scenario[] = [
  scenario('transactions: a COMMIT sends what was held', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/topic/${stage.name()}`;
    await alice.ask('SUBSCRIBE', { id: 's', destination });
    await bob.ask('BEGIN', { transaction: 't' });
    bob.tell('SEND', { destination, transaction: 't' }, 'hello!');
    bob.tell('SEND', { destination }, 'again!');
    await alice.message();
    await bob.ask('COMMIT', { transaction: 't' });
    await alice.message();
  }),
  scenario('transactions: an ABORT forgets it', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/exchange/amq.direct/${stage.name()}`;
    await alice.ask('SUBSCRIBE', { id: 's', destination });
    await bob.ask('BEGIN', { transaction: 't' });
    bob.tell('SEND', { destination, transaction: 't' }, 'hello!');
    await bob.ask('ABORT', { transaction: 't' });
    bob.tell('SEND', { destination }, 'again!');
    await alice.message();
  }),
  scenario('transactions: the end of the session aborts', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/topic/${stage.name()}`;
    await alice.ask('SUBSCRIBE', { id: 's', destination });
    await bob.ask('BEGIN', { transaction: 't' });
    bob.tell('SEND', { destination, transaction: 't' }, 'held');
    await bob.leave();
    const carol = await stage.connect('carol');
    carol.tell('SEND', { destination }, 'marker');
    await alice.message();
  }),
  scenario('transactions: RECEIPT of a held SEND', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/queue/${stage.name()}`;
    await alice.ask('BEGIN', { transaction: 't' });
    for (const receipt of ['a', 'b', 'c']) alice.tell('SEND', { destination, transaction: 't', receipt }, receipt);
    alice.tell('COMMIT', { transaction: 't' });
    for (const receipt of ['a', 'b', 'c']) await alice.receipt(receipt);
  }),
  scenario('transactions: an ACK in one that is committed', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/queue/${stage.name()}`;
    await alice.ask('SUBSCRIBE', { id: 's', destination, ack: 'client' });
    await alice.ask('BEGIN', { transaction: 't' });
    alice.tell('SEND', { destination }, 'x');
    await alice.ask('ACK', { ...alice.ackOf(await alice.message()), transaction: 't' });
    await alice.ask('COMMIT', { transaction: 't' });
    await alice.leave();
    const bob = await stage.connect('bob');
    await bob.ask('SUBSCRIBE', { id: 's', destination });
    bob.tell('SEND', { destination }, 'marker');
    await bob.message();
  }),
  scenario('transactions: an ACK in one that is aborted', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/queue/${stage.name()}`;
    await alice.ask('SUBSCRIBE', { id: 's', destination, ack: 'client-individual' });
    await alice.ask('BEGIN', { transaction: 't' });
    alice.tell('SEND', { destination }, 'x');
    const message = await alice.message();
    await alice.ask('ACK', { ...alice.ackOf(message), transaction: 't' });
    await alice.ask('ABORT', { transaction: 't' });
    await alice.ask('ACK', alice.ackOf(message));
  }),
  scenario('transactions: a NACK in one that is committed', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/queue/${stage.name()}`;
    await alice.ask('SUBSCRIBE', { id: 's', destination, ack: 'client-individual' });
    await alice.ask('BEGIN', { transaction: 't' });
    alice.tell('SEND', { destination }, 'x');
    await alice.ask('NACK', { ...alice.ackOf(await alice.message()), transaction: 't' });
    await alice.ask('COMMIT', { transaction: 't' });
    await alice.message();
  }),
  scenario('transactions: two at a time', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/queue/${stage.name()}`;
    await alice.ask('SUBSCRIBE', { id: 's', destination });
    for (const transaction of ['one', 'two']) await bob.ask('BEGIN', { transaction });
    bob.tell('SEND', { destination, transaction: 'one' }, '1');
    bob.tell('SEND', { destination, transaction: 'two' }, '2');
    for (const transaction of ['two', 'one']) await bob.ask('COMMIT', { transaction });
    await alice.messages(2);
  }),
  scenario('transactions: an id may be used again', async (stage) => {
    const alice = await stage.connect('alice');
    for (const end of ['COMMIT', 'ABORT', 'COMMIT']) {
      await alice.ask('BEGIN', { transaction: 't' });
      await alice.ask(end, { transaction: 't' });
    }
  }),
  scenario('transactions: a second BEGIN with the same id', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask('BEGIN', { transaction: 't' });
    await alice.ask('BEGIN', { transaction: 't' });
  }),
  alone('transactions: BEGIN without an id', 'BEGIN', {}),
  alone('transactions: COMMIT of an unknown one', 'COMMIT', { transaction: 'nothing' }),
  alone('transactions: ABORT of an unknown one', 'ABORT', { transaction: 'nothing' }),
  scenario('transactions: SEND in an unknown one', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask('SEND', { destination: `/topic/${stage.name()}`, transaction: 'nothing' }, 'x');
  }),
  scenario('transactions: ACK in an unknown one', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/queue/${stage.name()}`;
    await alice.ask('SUBSCRIBE', { id: 's', destination, ack: 'client' });
    alice.tell('SEND', { destination }, 'x');
    await alice.ask('ACK', { ...alice.ackOf(await alice.message()), transaction: 'nothing' });
  }),
  scenario('transactions: one of two SENDs goes to a missing exchange', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.ask('BEGIN', { transaction: 't' });
    alice.tell('SEND', { destination: `/topic/${stage.name()}`, transaction: 't' }, 'x');
    alice.tell('SEND', { destination: `/exchange/${stage.name('missing')}`, transaction: 't' }, 'x');
    alice.tell('COMMIT', { transaction: 't' });
    await alice.refusal();
  }),
];
