/** node ask.js QUESTION...: asks the chatbot through the relay and prints its answer; Ctrl-C stops the answer. */
import { randomUUID } from 'node:crypto';
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';

const { RELAY_URL = 'ws://127.0.0.1:8080/ws', ASK_LOGIN = 'ada', ASK_PASSCODE = '' } = process.env;
const CLOSED_FOR_GOOD = [4401, 4403]; // credentials or policy: another attempt would end the same way
const id = randomUUID();
let nextPart = 1;

const client = new Client({
  webSocketFactory: () => new WebSocket(RELAY_URL, ['v12.stomp']),
  connectHeaders: { login: ASK_LOGIN, passcode: ASK_PASSCODE },
  onStompError: ({ headers, body }) => console.error(`${headers.message}: ${body}`),
  onWebSocketError({ message }) {
    console.error(message);
    if (/response: 4\d\d/.test(message)) giveUp(); // the handshake: another path, host or server
  },
  onWebSocketClose: ({ code }) => CLOSED_FOR_GOOD.includes(code) && giveUp(),
  onConnect() {
    client.subscribe('/user/queue/replies', printPart);
    if (nextPart > 1) return; // back again: the rest of the answer comes by itself
    client.publish({
      destination: '/queue/chatbot',
      headers: { 'correlation-id': id, 'content-type': 'text/plain' },
      body: process.argv.slice(2).join(' '),
    });
  },
});

function giveUp() {
  process.exitCode = 1;
  void client.deactivate();
}

function printPart({ headers, body }) {
  const part = Number(headers.part);
  if (headers['correlation-id'] !== id || part < nextPart) return; // of another question, or once more
  nextPart = part + 1;
  process.stdout.write(headers.final ? `${body}\n(${headers.outcome})\n` : `${body} `);
  if (headers.final) void client.deactivate();
}

process.once('SIGINT', () => {
  client.publish({ destination: '/topic/chatbot.stop', headers: { 'correlation-id': id } });
});
client.activate();
