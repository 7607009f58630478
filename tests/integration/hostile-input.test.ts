/** Attacks by compressed messages, by text for the log, and by names of internal exchanges and queues. */
import { once } from 'node:events';
import { afterEach, expect, test } from '@jest/globals';
import WebSocket from 'ws';
import { createLog } from '../../server/src/process/json-log.js';
import { startRelay } from '../support/relay.js';
import type { TestRelay } from '../support/relay.js';
import { connectStomp, frame, openStomp } from '../support/stomp-client.js';

const relays: TestRelay[] = [];

async function start(...options: Parameters<typeof startRelay>): Promise<TestRelay> {
  const relay = await startRelay(...options);
  relays.push(relay);
  return relay;
}

afterEach(async () => {
  await Promise.all(relays.splice(0).map((relay) => relay.stop()));
});

test('a compressed message beyond the limit ends its own session before it is fully inflated', async () => {
  const { webSocketUrl } = await start('memory:', { websocket: { deflate: true } });
  const other = await connectStomp(webSocketUrl);
  const bomb = new WebSocket(webSocketUrl, { perMessageDeflate: true });
  await once(bomb, 'open');
  const answer = once(bomb, 'message');
  bomb.send(frame('CONNECT', { 'accept-version': '1.2' }).toString());
  expect(String((await answer)[0])).toMatch(/^CONNECTED/);
  expect(bomb.extensions).toContain('permessage-deflate');
  const closed = once(bomb, 'close');
  bomb.send(frame('SEND', { destination: '/topic/x' }, Buffer.alloc(64 * 1024 * 1024, 'x')));
  expect((await closed)[0]).toBe(1009);
  await other.receipt('SUBSCRIBE', { id: 's', destination: '/topic/x' });
  other.destroy();
});

test('before login, a compressed message beyond the limit for CONNECT is refused', async () => {
  const { webSocketUrl } = await start('memory:', { websocket: { deflate: true } });
  const bomb = new WebSocket(webSocketUrl, { perMessageDeflate: true });
  await once(bomb, 'open');
  const closed = once(bomb, 'close');
  bomb.send(frame('CONNECT', { 'accept-version': '1.2', pad: 'x'.repeat(4 * 1024 * 1024) }).toString());
  expect((await closed)[0]).toBe(1009);
});

test('text of a client does not become a line of the log', async () => {
  const lines: string[] = [];
  const log = createLog({ level: 'trace' }, { write: (line) => void lines.push(line) });
  const { tcpUrl } = await start('memory:', {}, { log });
  const forged = '{"level":"error","msg":"forged"}';
  const evil = `x\n${forged}\r\n\u001b[2J`;
  const client = await openStomp(tcpUrl);
  client.sendFrame('CONNECT', { 'accept-version': '1.2', login: evil });
  await client.expectError();
  const named = await connectStomp(tcpUrl, { login: forged });
  named.sendFrame('SUBSCRIBE', { id: evil, destination: evil });
  await named.expectError();
  const text = lines.join('');
  expect(text).toContain('forged');
  for (const line of text.trimEnd().split('\n')) {
    expect(JSON.parse(line)).not.toHaveProperty('msg', 'forged');
    expect(line).not.toMatch(/\p{Cc}/u);
  }
});

test.each([
  ['SEND', '/exchange/stomp-relay.user/x.ann'],
  ['SUBSCRIBE', '/exchange/stomp-relay.user/%23'],
  ['SUBSCRIBE', '/exchange/stomp-relay.user/x.*'],
  ['SUBSCRIBE', '/exchange/stomp-relay.user'],
  ['SUBSCRIBE', '/exchange/stomp%2Drelay%2Euser/%23'],
  ['SUBSCRIBE', '/exchange/%73tomp-relay.user/stomp-relay.control'],
  ['SEND', '/exchange/stomp-relay.user/stomp-relay.control'],
  ['SUBSCRIBE', '/queue/stomp-relay.durable.x'],
  ['SUBSCRIBE', '/amq/queue/stomp-relay.reply.x'],
  ['SUBSCRIBE', '/exchange/amq.rabbitmq.trace/%23'],
  ['SEND', '/exchange/amq.rabbitmq.trace/x'],
  ['SEND', '/reply-queue/amq.rabbitmq.x'],
])('internal exchanges and queues of the relay and RabbitMQ are refused: %s %s', async (command, destination) => {
  const { tcpUrl } = await start();
  const client = await connectStomp(tcpUrl);
  client.sendFrame(command, { id: 's', destination });
  await client.expectError({ code: 'invalid-destination' });
});
