/** The meaning of a RECEIPT, and the receipt-id of an ERROR. */
import { scenario } from '../stage.js';
import type { Scenario } from '../stage.js';

export const scenarios: readonly Scenario[] = [
  scenario('receipts: a SEND to a topic without subscribers', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SEND', { destination: `/topic/${stage.name()}` }, 'x');
  }),
  scenario('receipts: fifty SENDs', async (stage) => {
    const alice = await stage.connect('alice');
    const ids = Array.from({ length: 50 }, (_, n) => `receipt-${n}`);
    for (const receipt of ids) alice.send('SEND', { destination: `/queue/${stage.name()}`, receipt }, 'x');
    for (const id of ids) await alice.receipt(id);
  }),
  scenario('receipts: only SENDs with a receipt header', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    const destination = `/queue/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination });
    bob.send('SEND', { destination, receipt: 'a' }, 'first');
    bob.send('SEND', { destination }, 'second');
    bob.send('SEND', { destination, receipt: 'b' }, 'third');
    await bob.receipt('a');
    await bob.receipt('b');
    await alice.messages(3);
  }),
  scenario('receipts: a receipt id with a colon', async (stage) => {
    const alice = await stage.connect('alice');
    alice.send('SEND', { destination: `/topic/${stage.name()}`, receipt: 'a\\cb' }, 'x');
    await alice.receipt('a:b');
  }),
  scenario('receipts: every other command', async (stage) => {
    const alice = await stage.connect('alice');
    const destination = `/queue/${stage.name()}`;
    await alice.request('SUBSCRIBE', { id: 's', destination, ack: 'client' });
    alice.send('SEND', { destination }, 'x');
    await alice.request('NACK', alice.ackOf(await alice.message()));
    await alice.request('ACK', alice.ackOf(await alice.message()));
    await alice.request('BEGIN', { transaction: 't' });
    await alice.request('ABORT', { transaction: 't' });
    await alice.request('BEGIN', { transaction: 't' });
    await alice.request('COMMIT', { transaction: 't' });
    await alice.request('UNSUBSCRIBE', { id: 's' });
    await alice.request('DISCONNECT');
    await alice.end();
  }),
  scenario('receipts: a refused SEND', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SEND', { destination: '/no-such-kind/x' }, 'x');
  }),
  scenario('receipts: a SEND to a missing exchange', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SEND', { destination: `/exchange/${stage.name()}/k` }, 'x');
  }),
  scenario('receipts: a SUBSCRIBE to a missing exchange', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/exchange/${stage.name()}/k` });
  }),
  scenario('receipts: a SEND that reaches no queue', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SEND', { destination: `/exchange/amq.direct/${stage.name()}` }, 'x');
  }),
  scenario('receipts: a SEND to a missing /amq/queue', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SEND', { destination: `/amq/queue/${stage.name()}` }, 'x');
  }),
  scenario('receipts: a mandatory SEND that reaches no queue', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SEND', { destination: `/exchange/amq.direct/${stage.name()}`, mandatory: 'true' }, 'x');
  }),
  scenario('receipts: a SEND that the queue rejects', async (stage) => {
    const channel = await stage.backEnd();
    await channel.assertQueue(stage.name(), { arguments: { 'x-max-length': 0, 'x-overflow': 'reject-publish' } });
    const alice = await stage.connect('alice');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name('marker')}` });
    alice.send('SEND', { destination: `/amq/queue/${stage.name()}`, receipt: 'refused' }, 'x');
    // The relay tries again for some seconds, as a quorum queue without a leader rejects messages, too
    await stage.later(stage.name('marker'), 8_000);
    await alice.body();
  }),
  scenario('receipts: no message is lost after the RECEIPT of SUBSCRIBE', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    for (let n = 0; n < 10; n++) {
      await alice.request('SUBSCRIBE', { id: `s${n}`, destination: `/topic/${stage.name(`${n}`)}` });
      bob.send('SEND', { destination: `/topic/${stage.name(`${n}`)}` }, String(n));
      await alice.message();
    }
  }),
];
