/** BEGIN, COMMIT, ABORT, and receipts inside transactions. */
import { scenario } from '../stage.js';
import type { Scenario } from '../stage.js';

const alone = (name: string, command: string, headers: Readonly<Record<string, string>>): Scenario =>
  scenario(name, async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request(command, headers);
  });

export const scenarios: readonly Scenario[] = [
  scenario('transactions: COMMIT sends the held messages', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/topic/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination });
    await bob.request('BEGIN', { transaction: 't' });
    bob.send('SEND', { destination, transaction: 't' }, 'hello!');
    bob.send('SEND', { destination }, 'again!');
    await alice.message();
    await bob.request('COMMIT', { transaction: 't' });
    await alice.message();
  }),
  scenario('transactions: ABORT drops the held messages', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/exchange/amq.direct/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination });
    await bob.request('BEGIN', { transaction: 't' });
    bob.send('SEND', { destination, transaction: 't' }, 'hello!');
    await bob.request('ABORT', { transaction: 't' });
    bob.send('SEND', { destination }, 'again!');
    await alice.message();
  }),
  scenario('transactions: the end of the session drops the held messages', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/topic/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination });
    await bob.request('BEGIN', { transaction: 't' });
    bob.send('SEND', { destination, transaction: 't' }, 'held');
    await bob.leave();
    const carol = await stage.connect('carol');
    carol.send('SEND', { destination }, 'marker');
    await alice.message();
  }),
  scenario('transactions: receipts of held SENDs', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/queue/${stage.name()}`;
    await alice.request('BEGIN', { transaction: 't' });
    for (const receipt of ['a', 'b', 'c']) alice.send('SEND', { destination, transaction: 't', receipt }, receipt);
    alice.send('COMMIT', { transaction: 't' });
    for (const receipt of ['a', 'b', 'c']) await alice.receipt(receipt);
  }),
  scenario('transactions: an ACK in a committed transaction', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/queue/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination, ack: 'client' });
    await alice.request('BEGIN', { transaction: 't' });
    alice.send('SEND', { destination }, 'x');
    await alice.request('ACK', { ...alice.ackOf(await alice.message()), transaction: 't' });
    await alice.request('COMMIT', { transaction: 't' });
    await alice.leave();
    const bob = await stage.connect('bob');
    await bob.request('SUBSCRIBE', { id: 's', destination });
    bob.send('SEND', { destination }, 'marker');
    await bob.message();
  }),
  scenario('transactions: an ACK in an aborted transaction', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/queue/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination, ack: 'client-individual' });
    await alice.request('BEGIN', { transaction: 't' });
    alice.send('SEND', { destination }, 'x');
    const message = await alice.message();
    await alice.request('ACK', { ...alice.ackOf(message), transaction: 't' });
    await alice.request('ABORT', { transaction: 't' });
    await alice.request('ACK', alice.ackOf(message));
  }),
  scenario('transactions: a NACK in a committed transaction', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/queue/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination, ack: 'client-individual' });
    await alice.request('BEGIN', { transaction: 't' });
    alice.send('SEND', { destination }, 'x');
    await alice.request('NACK', { ...alice.ackOf(await alice.message()), transaction: 't' });
    await alice.request('COMMIT', { transaction: 't' });
    await alice.message();
  }),
  scenario('transactions: two open transactions', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/queue/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination });
    for (const transaction of ['one', 'two']) await bob.request('BEGIN', { transaction });
    bob.send('SEND', { destination, transaction: 'one' }, '1');
    bob.send('SEND', { destination, transaction: 'two' }, '2');
    for (const transaction of ['two', 'one']) await bob.request('COMMIT', { transaction });
    await alice.messages(2);
  }),
  scenario('transactions: the id can be used again', async (stage) => {
    const alice = await stage.connect('alice');
    for (const end of ['COMMIT', 'ABORT', 'COMMIT']) {
      await alice.request('BEGIN', { transaction: 't' });
      await alice.request(end, { transaction: 't' });
    }
  }),
  scenario('transactions: a second BEGIN with the same id', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('BEGIN', { transaction: 't' });
    await alice.request('BEGIN', { transaction: 't' });
  }),
  alone('transactions: BEGIN without an id', 'BEGIN', {}),
  alone('transactions: COMMIT of an unknown transaction', 'COMMIT', { transaction: 'nothing' }),
  alone('transactions: ABORT of an unknown transaction', 'ABORT', { transaction: 'nothing' }),
  scenario('transactions: SEND in an unknown transaction', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SEND', { destination: `/topic/${stage.name()}`, transaction: 'nothing' }, 'x');
  }),
  scenario('transactions: ACK in an unknown transaction', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/queue/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination, ack: 'client' });
    alice.send('SEND', { destination }, 'x');
    await alice.request('ACK', { ...alice.ackOf(await alice.message()), transaction: 'nothing' });
  }),
  scenario('transactions: one of two SENDs goes to a missing exchange', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('BEGIN', { transaction: 't' });
    alice.send('SEND', { destination: `/topic/${stage.name()}`, transaction: 't' }, 'x');
    alice.send('SEND', { destination: `/exchange/${stage.name('missing')}`, transaction: 't' }, 'x');
    alice.send('COMMIT', { transaction: 't' });
    await alice.refusal();
  }),
];
