/** node ask.js QUESTION...: asks the chatbot through the relay, and prints the answer. Ctrl-C stops the answer. */
import { randomUUID } from 'node:crypto';
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';

const { RELAY_URL = 'ws://127.0.0.1:8080/ws', ASK_LOGIN = 'ada', ASK_PASSCODE = '' } = process.env;
const FINAL_CODES = [4401, 4403]; // credentials or policy: a retry would fail the same way
const id = randomUUID();
let nextPart = 1;

const client = new Client({
  webSocketFactory: () => new WebSocket(RELAY_URL, ['v12.stomp']),
  connectHeaders: { login: ASK_LOGIN, passcode: ASK_PASSCODE },
  onStompError: ({ headers, body }) => console.error(`${headers.message}: ${body}`),
  onWebSocketError({ message }) {
    console.error(message);
    if (/response: 4\d\d/.test(message)) giveUp(); // a refused handshake: wrong path, host or server
  },
  onWebSocketClose: ({ code }) => FINAL_CODES.includes(code) && giveUp(),
  onConnect() {
    client.subscribe('/user/queue/replies', printPart);
    if (nextPart > 1) return; // reconnected: the rest of the answer arrives by itself
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
  if (headers['correlation-id'] !== id || part < nextPart) return; // another question's part, or a repetition
  nextPart = part + 1;
  process.stdout.write(headers.final ? `${body}\n(${headers.outcome})\n` : `${body} `);
  if (headers.final) void client.deactivate();
}

process.once('SIGINT', () => {
  client.publish({ destination: '/topic/chatbot.stop', headers: { 'correlation-id': id } });
});
client.activate();
