import { expect, test } from '@jest/globals';
import type { RoutedMessage } from '../../../../../server/src/brokers/broker.js';
import { encodeEvent, EventEncoder } from '../../../../../server/src/http/streams/event-encoder.js';

const routed = (body: string | Buffer, headers: [string, string][] = [], resent = false): RoutedMessage => ({
  headers: new Map(headers),
  body: Buffer.from(body as string),
  origin: { kind: 'topic', key: 'x' },
  resent,
});

/** Parses the fields of one event like a reader of the stream. */
function fieldsOf(event: readonly Buffer[] | undefined): Record<string, string> {
  const lines = Buffer.concat(event ?? [])
    .toString()
    .split(/\r\n|\r|\n/);
  expect(lines.slice(-2)).toEqual(['', '']);
  expect(lines.slice(0, -2)).not.toContain('');
  return Object.fromEntries(lines.slice(0, -2).map((line) => [line.split(': ', 1)[0]!, line.replace(/^\w+: /, '')]));
}

function setUp() {
  let count = 0;
  return new EventEncoder(
    () => `id-${++count}`,
    10_000,
    ({ text }) => text,
  );
}

test('an event has an id, a type and JSON', () => {
  const fields = fieldsOf(setUp().encode('/topic/x', routed('grüß', [['content-type', 'text/plain']])));
  expect([fields['id'], fields['event']]).toEqual(['id-1', 'message']);
  expect(JSON.parse(fields['data']!)).toEqual({
    destination: '/topic/x',
    headers: { 'content-type': 'text/plain' },
    body: 'grüß',
  });
});

test('a message has the same id for all destinations; the next message has another', () => {
  const events = setUp();
  const message = routed('x');
  const ids = [
    events.encode('/topic/x', message),
    events.encode('/topic/*', message),
    events.encode('/topic/x', routed('x')),
  ].map((event) => fieldsOf(event)['id']);
  expect(ids).toEqual(['id-1', 'id-1', 'id-2']);
});

test('a binary body becomes base64, and a resent message is marked', () => {
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
    expect(fieldsOf([encodeEvent('error', { detail: evil }, 1_000)])['retry']).toBe('1000');
  },
);

test('the shared part of an event is one Buffer for all destinations', () => {
  const events = setUp();
  const message = routed('x');
  expect(events.encode('/topic/x', message)?.[1]).toBe(events.encode('/topic/*', message)?.[1]);
});

test('a header counts the dropped messages before an event', () => {
  const destination = { kind: 'topic', text: '/topic/x', key: 'x', spelling: 'dots' } as const;
  const output = setUp().outputFor({ destination, headers: new Map() });
  const single = output.encodeSingle(routed('x', [['colour', 'red']]), 'x')!;
  const headersOf = (dropped: number) =>
    (JSON.parse(fieldsOf([single.toBytes(dropped)])['data']!) as { headers: object }).headers;
  expect(headersOf(3)).toEqual({ 'relay-dropped': '3', colour: 'red' });
  expect(headersOf(0)).toEqual({ colour: 'red' });
});

test('an event beyond the limit is refused, regardless of the part that makes it too long', () => {
  const events = setUp();
  const fits = events.encode('/topic/x', routed('x'.repeat(9_900)));
  expect(Buffer.concat(fits ?? []).length).toBeGreaterThan(9_900);
  expect(events.encode('/topic/x', routed('x'.repeat(10_000)))).toBeUndefined();
  expect(events.encode('/topic/x', routed('"'.repeat(5_000)))).toBeUndefined();
  expect(events.encode('/topic/x', routed(Buffer.alloc(8_000, 255)))).toBeUndefined();
  expect(events.encode('/topic/x', routed('x', [['colour', 'x'.repeat(10_000)]]))).toBeUndefined();
});
