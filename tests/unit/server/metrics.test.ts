import { expect, test } from '@jest/globals';
import { createMetrics } from '../../../server/src/metrics.js';
import type { MetricSources } from '../../../server/src/metrics.js';

function sources() {
  return {
    sessions: () => 3,
    connections: () => ({ websocket: 2, tcp: 1 }),
    counters: {
      framesIn: { SEND: 7, SUBSCRIBE: 2 },
      errors: { 'missing-header': 1 },
      messagesOut: 14,
      bytesIn: 1_000,
      messageBytesOut: 2_000,
      slowConsumers: 0,
    },
    broker: { isUp: true, gauges: { unconfirmed: 5, pendingBindings: 2 } },
  } satisfies MetricSources;
}

test('a scrape reads the numbers as they are', async () => {
  const numbers = sources();
  const metrics = createMetrics(numbers);
  const first = await metrics.text();
  for (const line of [
    'stomp_relay_sessions 3',
    'stomp_relay_connections{transport="websocket"} 2',
    'stomp_relay_connections{transport="tcp"} 1',
    'stomp_relay_frames_received_total{command="SEND"} 7',
    'stomp_relay_errors_total{code="missing-header"} 1',
    'stomp_relay_messages_delivered_total 14',
    'stomp_relay_broker_up 1',
    'stomp_relay_broker_unconfirmed 5',
    'stomp_relay_broker_bindings_pending 2',
  ]) {
    expect(first).toContain(`${line}\n`);
  }
  expect(first).toContain('nodejs_eventloop_lag_seconds');

  numbers.counters.messagesOut = 20;
  expect(await metrics.text()).toContain('stomp_relay_messages_delivered_total 20\n');
});

test('two relays in one process have metrics of their own', async () => {
  const other = { ...sources(), sessions: () => 99 };
  const [one, two] = [createMetrics(sources()), createMetrics(other)];
  expect(await one.text()).toContain('stomp_relay_sessions 3\n');
  expect(await two.text()).toContain('stomp_relay_sessions 99\n');
});
