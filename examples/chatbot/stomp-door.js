/**
 * The service as a STOMP client of the relay, over WebSocket: it needs nothing but the relay, which may have its embedded
 * broker. Answers are SENDs to the user's destination, with a header `session` for the one session that has asked.
 */
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';

const RETRY_MS = 1_000;
const REPLY_MS = 30_000;
/** Of a WebSocket: credentials, and what the policy does not allow. */
const REFUSED = [4401, 4403];

/**
 * Serves until `signal` is aborted, through lost connections; `onReady` is called each time it can be asked. Rejects where
 * the relay refuses it: that does not pass by itself.
 */
export async function serveStomp(url, chatbot, { prefetch, signal, onReady, login, passcode }) {
  let lastSaid;
  let refuse;
  const refused = new Promise((_, reject) => (refuse = (sentence) => reject(new Error(`relay: ${sentence}`))));
  const say = (sentence) => {
    if (sentence !== lastSaid) console.error(`relay: ${sentence}`);
    lastSaid = sentence;
  };
  const client = new Client({
    webSocketFactory: () => new WebSocket(url, ['v12.stomp']),
    connectHeaders: { login, passcode },
    reconnectDelay: RETRY_MS,
    onStompError({ headers, body }) {
      say(`${headers.message}: ${body}`);
      if (headers.code === 'queue-conflict') refuse(lastSaid);
    },
    onWebSocketError({ message }) {
      say(message);
      if (/response: 4\d\d/.test(message)) refuse(lastSaid); // the handshake: another path, host or server
    },
    onWebSocketClose({ code }) {
      chatbot.lost();
      if (REFUSED.includes(code)) refuse(lastSaid);
    },
    onConnect() {
      client.subscribe('/topic/chatbot.stop', ({ headers }) => chatbot.stop(senderOf(headers)));
      client.watchForReceipt('ready', () => {
        lastSaid = undefined;
        onReady();
      });
      client.subscribe('/queue/chatbot', (message) => void chatbot.ask(questionOf(client, message)), {
        ack: 'client-individual',
        'prefetch-count': String(prefetch),
        receipt: 'ready',
      });
    },
  });
  client.activate();
  const stopped = new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
  try {
    await Promise.race([stopped, refused]);
  } finally {
    await client.deactivate();
  }
}

/** Who has sent it, as the relay has stamped it. */
function senderOf(headers) {
  return { user: headers.user, session: headers.session, id: headers['correlation-id'] };
}

let receipts = 0;

function questionOf(client, message) {
  const { user, session, id } = senderOf(message.headers);
  return {
    user,
    session,
    id,
    text: message.body,
    isRedelivered: message.headers.redelivered === 'true',
    async reply({ text, part, final, outcome }) {
      const headers = { part: String(part), 'content-type': 'text/plain' };
      if (session) headers.session = session; // a question that came over HTTP has none: all of the user's get the answer
      if (id) headers['correlation-id'] = id;
      if (final) Object.assign(headers, { final: 'true', outcome });
      const receipt = `reply-${++receipts}`;
      const taken = new Promise((resolve, reject) => {
        client.watchForReceipt(receipt, resolve);
        setTimeout(() => reject(new Error('the relay has not taken a part of the answer')), REPLY_MS).unref();
      });
      const destination = `/user/${encodeURIComponent(user)}/queue/replies`;
      client.publish({ destination, headers: { ...headers, receipt }, body: text });
      await taken;
    },
    done: () => message.ack(),
  };
}
