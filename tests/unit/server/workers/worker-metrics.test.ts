import { expect, test } from '@jest/globals';
import { createMetrics, createPrimaryMetrics } from '../../../../server/src/admin/metrics.js';
import { addEnded, sumOfWorkers } from '../../../../server/src/workers/worker-metrics.js';

function worker(sessions: number, messagesOut: number, isUp = true, lagMs = 0) {
  const metrics = createMetrics({
    sessions: () => sessions,
    connections: () => ({ websocket: sessions, tcp: 0 }),
    counters: {
      framesIn: { SEND: messagesOut },
      errors: {},
      messagesOut,
      bytesIn: 0,
      messageBytesOut: 0,
      slowConsumers: 0,
      unknownUnsubscribes: 0,
      dropped: {},
      messagesTooLarge: 0,
      slowMembers: 0,
      sendBytesWaiting: 0,
    },
    http: { counters: { messages: { confirmed: 3, refused: 1 }, streamEvents: 7 }, streams: { size: 2 } },
    load: { lagMs, isOverloaded: lagMs > 0, overloads: 0 },
    memory: { usedBytes: () => 500, maxBytes: 1_000, paused: 3, pauses: 5, endings: 2 },
    admissionQueue: { waiting: sessions, rejected: 1 },
    broker: { isUp },
    limits: {
      all: () => [
        {
          limit: 'sessionsMax',
          used: sessions,
          allowed: 10,
          refused: { pot: 1 },
          share: { used: sessions, allowed: 3 },
        },
      ],
    },
    droppedLogLines: () => 2,
  });
  return metrics.values();
}

test('sessions and counters add up for each label; the broker is up if it is up for all workers', async () => {
  const processes = [
    { worker: '1', values: await worker(3, 10) },
    { worker: '2', values: await worker(4, 20, false) },
  ];
  const text = await sumOfWorkers(processes);
  for (const line of [
    'stomp_relay_sessions 7',
    'stomp_relay_connections{transport="websocket"} 7',
    'stomp_relay_frames_received_total{command="SEND"} 30',
    'stomp_relay_messages_delivered_total 30',
    'stomp_relay_broker_up 0',
    'stomp_relay_limit_used{limit="sessionsMax"} 7',
    'stomp_relay_limit_allowed{limit="sessionsMax"} 20',
    'stomp_relay_limit_share_used{limit="sessionsMax"} 4',
    'stomp_relay_limit_refused_total{limit="sessionsMax",bound="pot"} 2',
  ]) {
    expect(text).toContain(`${line}\n`);
  }
});

test('the lag is the largest of all workers; overloaded workers are counted', async () => {
  const lags = [100, 300, 0];
  const processes = lags.map(async (lagMs, index) => ({
    worker: String(index),
    values: await worker(1, 0, true, lagMs),
  }));
  const text = await sumOfWorkers(await Promise.all(processes));
  for (const line of [
    'stomp_relay_event_loop_lag_seconds 0.3',
    'stomp_relay_overloaded 2',
    'stomp_relay_connections_waiting 3',
    'stomp_relay_connections_turned_away_total 3',
  ]) {
    expect(text).toContain(`${line}\n`);
  }
});

test('metrics of a process stay separate', async () => {
  const handover = { limit: 'descriptors-handover', used: 4, allowed: 5, refused: { pot: 6 } };
  const limits = { all: () => [handover] };
  const primary = createPrimaryMetrics({ listening: () => 1, replaced: () => 2, limits, droppedLogLines: () => 1 });
  const text = await sumOfWorkers([
    { worker: 'primary', values: await primary.values() },
    { worker: '1', values: await worker(3, 10) },
  ]);
  expect(text).toContain('stomp_relay_workers 1\n');
  expect(text).toContain('stomp_relay_workers_replaced_total 2\n');
  expect(text).toContain('stomp_relay_log_lines_dropped_total 3\n');
  expect(text).toContain('stomp_relay_limit_refused_total{limit="descriptors-handover",bound="pot"} 6\n');
  expect(text).toMatch(/^process_resident_memory_bytes\{worker="primary"\} \d+$/m);
  expect(text).toMatch(/^process_resident_memory_bytes\{worker="1"\} \d+$/m);
  expect(text).toMatch(/^process_start_time_seconds\{worker="1"\} \d+$/m);
});

test('counters of ended workers stay in the sum, their gauges do not', async () => {
  let ended = addEnded([], await worker(3, 10));
  ended = addEnded(ended, await worker(5, 100));
  const text = await sumOfWorkers([{ worker: '1', values: await worker(2, 1) }], ended);
  expect(text).toContain('stomp_relay_messages_delivered_total 111\n');
  expect(text).toContain('stomp_relay_frames_received_total{command="SEND"} 111\n');
  expect(text).toContain('stomp_relay_sessions 2\n');
});
