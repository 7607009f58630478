/** Checks the declared capabilities that no other test needs. */
import type { BrokerCapabilities } from '../brokers/broker.js';
import { parseDestination } from '../destinations/destination.js';
import { messageOf, unique } from './broker-desk.js';
import type { Suite } from './suite.js';

export function capabilityTests({ describe, expect, needing, test, capabilities, desks }: Suite): void {
  describe('capabilities', () => {
    const declared = (given: BrokerCapabilities) => Object.entries(given).filter(([, isOffered]) => isOffered);

    test('match the capabilities that selected the tests', () => {
      for (const { broker } of [desks.here, desks.there]) {
        expect(Object.fromEntries(declared(broker.capabilities))).toEqual(Object.fromEntries(declared(capabilities)));
      }
    });

    needing('shared').test('shared: there is more than one instance', () => {
      expect(desks.there.broker).not.toBe(desks.here.broker);
    });

    needing('deliversInSend').test('deliversInSend: a listener has the message when send() returns', async () => {
      const to = `/topic/${unique('at-once')}`;
      const { inbox } = await desks.here.listen(to);
      const publication = desks.here.broker.publication(parseDestination(to, 'send'), messageOf('x'), {
        mandatory: false,
      });
      await publication.ready;
      const confirmed = publication.send();
      expect(inbox.all).toHaveLength(1);
      await confirmed;
    });

    needing('streams', 'queues', 'acks').test('streams: each consumer reads from its requested offset', async () => {
      const queue = `/queue/${unique('stream')}`;
      const from = (offset: string) => ({
        headers: { 'x-queue-type': 'stream', 'prefetch-count': '10', 'x-stream-offset': offset },
      });
      const first = await desks.here.channel().consume(queue, from('first'));
      for (const body of ['0', '1', '2']) await desks.there.send(queue, body);
      expect(await first.bodies(3)).toEqual(['0', '1', '2']);
      const second = await desks.here.channel().consume(queue, from('offset=1'));
      expect(await second.bodies(2)).toEqual(['1', '2']);
    });
  });
}
