import { expect, test } from '@jest/globals';
import type { ConnectionListener } from '../../../../../../server/src/brokers/rabbitmq/amqp/amqp-connection.js';
import { Alarm } from '../../../../../../server/src/brokers/rabbitmq/publish/alarm.js';

test('an alarm begins with the first blocked connection and ends with the last', () => {
  const connections: ConnectionListener[] = [];
  const connection = () => ({ listen: (listener: ConnectionListener) => connections.push(listener) });
  const alarm = new Alarm([connection(), connection()]);
  const [a, b] = connections as [ConnectionListener, ConnectionListener];
  const changes: (string | undefined)[] = [];
  alarm.listen((reason) => changes.push(reason));
  expect(alarm.reason).toBeUndefined();
  a.blocked?.('low on memory');
  b.blocked?.('low on disk');
  expect(alarm.reason).toBe('low on memory');
  a.blocked?.(undefined);
  expect(alarm.reason).toBe('low on disk');
  b.blocked?.(undefined);
  b.blocked?.(undefined);
  expect(changes).toEqual(['low on memory', undefined]);
  b.blocked?.('low on disk');
  expect([alarm.count, changes.at(-1)]).toEqual([2, 'low on disk']);
});
