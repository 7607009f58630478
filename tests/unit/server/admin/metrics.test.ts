import { expect, test } from '@jest/globals';
import { createMetrics } from '../../../../server/src/admin/metrics.js';
import type { MetricSources } from '../../../../server/src/admin/metrics.js';

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
      unknownUnsubscribes: 0,
      dropped: { 'drop-oldest': 0, latest: 9 },
      messagesTooLarge: 0,
      slowMembers: 1,
      sendBytesWaiting: 3_000,
    },
    http: { counters: { messages: { confirmed: 3, refused: 1 }, streamEvents: 7 }, streams: { size: 2 } },
    load: { lagMs: 120, isOverloaded: true, overloads: 2 },
    memory: { usedBytes: () => 500, maxBytes: 1_000, paused: 3, pauses: 5, endings: 2 },
    admissionQueue: { waiting: 4, rejected: 6 },
    broker: {
      isUp: true,
      gauges: {
        unconfirmed: 5,
        pendingBindings: 2,
        gaps: 1,
        silentQueues: 1,
        queueRepairs: 4,
        lanes: { messages: 41, batches: 7, unreadable: 1 },
        history: {
          recovered: 11,
          refused: { 'too-old': 2, busy: 1 },
          interrupted: { 'too-old': 3 },
          replayed: 400,
          gaps: 6,
          readers: 1,
          ringBytes: 5_000,
        },
      },
      alarm: { reason: 'low on memory', count: 3 },
    },
    limits: {
      all: () => [
        {
          limit: 'memory.queuesMax',
          used: 3,
          allowed: 10,
          refused: { pot: 1, share: 2 },
          share: { used: 2, allowed: 3 },
        },
        { limit: 'sessionsMax', used: 7, allowed: 50, refused: { pot: 0 } },
      ],
    },
    droppedLogLines: () => 8,
  } satisfies MetricSources;
}

test('a scrape reads the current numbers', async () => {
  const numbers = sources();
  const metrics = createMetrics(numbers);
  const first = await metrics.text();
  for (const line of [
    'stomp_relay_sessions 3',
    'stomp_relay_messages_dropped_total{policy="latest"} 9',
    'stomp_relay_http_messages_total{result="confirmed"} 3',
    'stomp_relay_log_lines_dropped_total 8',
    'stomp_relay_streams 2',
    'stomp_relay_stream_events_total 7',
    'stomp_relay_laggards 1',
    'stomp_relay_sends_waiting_bytes 3000',
    'stomp_relay_connections{transport="websocket"} 2',
    'stomp_relay_connections{transport="tcp"} 1',
    'stomp_relay_frames_received_total{command="SEND"} 7',
    'stomp_relay_errors_total{code="missing-header"} 1',
    'stomp_relay_messages_delivered_total 14',
    'stomp_relay_event_loop_lag_seconds 0.12',
    'stomp_relay_overloaded 1',
    'stomp_relay_overloads_total 2',
    'stomp_relay_connections_waiting 4',
    'stomp_relay_connections_turned_away_total 6',
    'stomp_relay_memory_used_bytes 500',
    'stomp_relay_memory_allowed_bytes 1000',
    'stomp_relay_memory_paused 3',
    'stomp_relay_memory_pauses_total 5',
    'stomp_relay_memory_ended_total 2',
    'stomp_relay_broker_up 1',
    'stomp_relay_broker_unconfirmed 5',
    'stomp_relay_broker_bindings_pending 2',
    'stomp_relay_broker_gaps_total 1',
    'stomp_relay_broker_blocked 1',
    'stomp_relay_broker_alarms_total 3',
    'stomp_relay_broker_silent_queues 1',
    'stomp_relay_broker_queue_repairs_total 4',
    'stomp_relay_recoveries_total{result="recovered",reason=""} 11',
    'stomp_relay_recoveries_total{result="refused",reason="too-old"} 2',
    'stomp_relay_recoveries_total{result="refused",reason="busy"} 1',
    'stomp_relay_recoveries_total{result="interrupted",reason="too-old"} 3',
    'stomp_relay_replayed_total 400',
    'stomp_relay_history_gaps_total 6',
    'stomp_relay_history_readers 1',
    'stomp_relay_lane_messages_total 41',
    'stomp_relay_lane_batches_total 7',
    'stomp_relay_lane_unreadable_total 1',
    'stomp_relay_history_ring_bytes 5000',
    'stomp_relay_limit_used{limit="memory.queuesMax"} 3',
    'stomp_relay_limit_allowed{limit="memory.queuesMax"} 10',
    'stomp_relay_limit_share_used{limit="memory.queuesMax"} 2',
    'stomp_relay_limit_share_allowed{limit="memory.queuesMax"} 3',
    'stomp_relay_limit_refused_total{limit="memory.queuesMax",bound="pot"} 1',
    'stomp_relay_limit_refused_total{limit="memory.queuesMax",bound="share"} 2',
    'stomp_relay_limit_used{limit="sessionsMax"} 7',
  ]) {
    expect(first).toContain(`${line}\n`);
  }
  expect(first).toMatch(/^stomp_relay_event_loop_active_seconds_total \d/m);
  expect(first).toMatch(/^stomp_relay_event_loop_ticks_total \d/m);
  for (const name of ['nodejs_eventloop_lag_max_seconds', 'nodejs_gc_duration_seconds', 'process_start_time_seconds']) {
    expect(first).toContain(name);
  }

  numbers.counters.messagesOut = 20;
  expect(await metrics.text()).toContain('stomp_relay_messages_delivered_total 20\n');
});

test('two relays in one process have separate metrics', async () => {
  const other = { ...sources(), sessions: () => 99 };
  const [one, two] = [createMetrics(sources()), createMetrics(other)];
  expect(await one.text()).toContain('stomp_relay_sessions 3\n');
  expect(await two.text()).toContain('stomp_relay_sessions 99\n');
});
