import { expect, test } from '@jest/globals';
import type { RoutedMessage } from '../../../../server/src/brokers/broker.js';
import { encodeEvent, EventEncoder } from '../../../../server/src/http/event-encoder.js';

const routed = (body: string | Buffer, headers: [string, string][] = [], resent = false): RoutedMessage => ({
  headers: new Map(headers),
  body: Buffer.from(body as string),
  exchange: 'amq.topic',
  routingKey: 'x',
  resent,
});

/** The fields of one event, as a reader of the stream cuts them out. */
function fieldsOf(event: Buffer): Record<string, string> {
  const lines = event.toString().split(/\r\n|\r|\n/);
  expect(lines.slice(-2)).toEqual(['', '']);
  expect(lines.slice(0, -2)).not.toContain('');
  return Object.fromEntries(lines.slice(0, -2).map((line) => [line.split(': ', 1)[0]!, line.replace(/^\w+: /, '')]));
}

function setUp() {
  let count = 0;
  return new EventEncoder(() => `id-${++count}`);
}

test('id, kind and JSON', () => {
  const fields = fieldsOf(setUp().encode('/topic/x', routed('grüß', [['content-type', 'text/plain']])));
  expect([fields['id'], fields['event']]).toEqual(['id-1', 'message']);
  expect(JSON.parse(fields['data']!)).toEqual({
    destination: '/topic/x',
    headers: { 'content-type': 'text/plain' },
    body: 'grüß',
  });
});

test('a message keeps its id for all that it is encoded for, the next has another', () => {
  const events = setUp();
  const message = routed('x');
  const ids = [
    events.encode('/topic/x', message),
    events.encode('/topic/*', message),
    events.encode('/topic/x', routed('x')),
  ].map((event) => fieldsOf(event)['id']);
  expect(ids).toEqual(['id-1', 'id-1', 'id-2']);
});

test('bytes that are no text, and a second sending', () => {
  const { data = '' } = fieldsOf(setUp().encode('/topic/x', routed(Buffer.from([255, 0]), [], true)));
  expect(JSON.parse(data)).toEqual({
    destination: '/topic/x',
    headers: { 'relay-resent': 'true' },
    bodyBase64: '/wA=',
  });
});

test.each(['\n\n', '\r\r', '\r\n\r\ndata: x', '\u2028', '"}\n\nevent: error\ndata: {"'])(
  '%j stays inside its event',
  (evil) => {
    const { data = '' } = fieldsOf(setUp().encode(`/topic/${evil}`, routed(evil, [[evil, evil]])));
    expect(JSON.parse(data)).toEqual({ destination: `/topic/${evil}`, headers: { [evil]: evil }, body: evil });
    expect(fieldsOf(encodeEvent('error', { detail: evil }, 1_000))['retry']).toBe('1000');
  },
);
