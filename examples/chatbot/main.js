/**
 * node main.js [URL]: ws://... or wss://... for STOMP through the relay (default ws://127.0.0.1:8080/ws), amqp://... or
 * amqps://... for RabbitMQ itself. You may start several instances: they share the questions. Exit status 1: the
 * service was refused.
 */
import { serveAmqp } from './amqp-door.js';
import { Chatbot } from './chatbot.js';
import { serveStomp } from './stomp-door.js';

const [url = 'ws://127.0.0.1:8080/ws'] = process.argv.slice(2);
const { CHATBOT_LOGIN = 'chatbot', CHATBOT_PASSCODE = '', CHATBOT_PAUSE_MS = '150' } = process.env;

const stopped = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stopped.abort());

const chatbot = new Chatbot({ pauseMs: Number(CHATBOT_PAUSE_MS) });
const serve = url.startsWith('amqp') ? serveAmqp : serveStomp;
try {
  await serve(url, chatbot, {
    prefetch: 10, // questions answered at the same time
    signal: stopped.signal,
    onReady: () => console.log('ready'),
    login: CHATBOT_LOGIN,
    passcode: CHATBOT_PASSCODE,
  });
} catch (error) {
  console.error(`refused, giving up: ${error.message}`);
  process.exit(1);
}
