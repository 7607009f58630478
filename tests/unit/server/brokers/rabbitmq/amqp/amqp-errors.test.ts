import { expect, test } from '@jest/globals';
import { BrokerError } from '../../../../../../server/src/brokers/broker.js';
import { isNodeAway, toBrokerError } from '../../../../../../server/src/brokers/rabbitmq/amqp/amqp-errors.js';

const NAMES: Record<number, string> = { 404: 'NOT_FOUND', 406: 'PRECONDITION_FAILED', 541: 'INTERNAL_ERROR' };
const refused = (code: number, text: string): Error => {
  const message = `Operation failed: QueueDeclare; ${code} (NOT-FOUND) with message "${NAMES[code]} - ${text}"`;
  return Object.assign(new Error(message), { code });
};
const codeOf = (error: Error) => toBrokerError(error, { kind: 'queue', name: 'q' }).code;

// The texts of RabbitMQ 3.10.8 and 4.0.5
test.each([
  [404, "home node 'rabbit@b' of durable queue 'q' in vhost '/' is down or inaccessible"],
  [404, "queue 'q' in vhost '/' process is stopped by supervisor"],
  [404, "queue 'q' in vhost '/' has crashed and failed to restart"],
  [404, "failed to perform operation on queue 'q' in vhost '/' due to timeout"],
  [404, "failed to perform operation on queue 'q' in vhost '/': its leader <1.2.3> may be stopping or being demoted"],
  [541, "queue 'q' in vhost '/' timeout occurred during consume operation"],
  [541, "Cannot declare a queue 'queue 'q' in vhost '/'' on node 'rabbit@b': {nodedown,rabbit@b}"],
  [
    541,
    "Could not declare quorum queue 'q' in vhost '/' on node 'rabbit@b' because the metadata store operation timed out",
  ],
  [404, `home node 'rabbit@b' of durable queue '${'q'.repeat(200)}...`],
])('a node is down: %d %s', (code, text) => {
  const error = refused(code, text);
  expect(isNodeAway(error)).toBe(true);
  expect(codeOf(error)).toBe('broker-unavailable');
  expect(isNodeAway(toBrokerError(error, { kind: 'queue', name: 'q' }))).toBe(true);
});

test.each([
  [404, "no queue 'q' in vhost '/'", 'queue-not-found'],
  [404, "no queue 'home node 'x' of durable queue is down or inaccessible' in vhost '/'", 'queue-not-found'],
  [404, `no queue 'q" with message "NOT_FOUND - home node ' in vhost '/'`, 'queue-not-found'],
  [406, "queue 'q' in vhost '/' is not what it was", 'queue-conflict'],
])('no node is down: %d %s', (code, text, expected) => {
  const error = refused(code, text);
  expect(isNodeAway(error)).toBe(false);
  expect(codeOf(error)).toBe(expected);
});

test('errors without a reply code are no answer about a node', () => {
  expect(isNodeAway(new Error('queue gone'))).toBe(false);
  expect(isNodeAway(new BrokerError('queue-not-found', 'queue gone'))).toBe(false);
});
