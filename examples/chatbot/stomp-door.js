/**
 * The service as a STOMP client of the relay, over WebSocket. It needs only the relay, which may use its embedded
 * broker. Answers are SENDs to the user's destination, with a header `session` for the session of the question.
 */
import { Client } from '@stomp/stompjs';
import { WebSocket } from 'ws';

const RETRY_MS = 1_000;
const REPLY_MS = 30_000;
/** WebSocket close codes for refused credentials and for the policy. */
const REFUSED = [4401, 4403];

/**
 * Serves until `signal` is aborted, and reconnects after lost connections. `onReady` is called whenever the service
 * accepts questions. Rejects if the relay refuses the service, because that does not pass by itself.
 */
export async function serveStomp(url, chatbot, { prefetch, signal, onReady, login, passcode }) {
  let lastMessage;
  let refuse;
  const refused = new Promise((_, reject) => (refuse = (sentence) => reject(new Error(`relay: ${sentence}`))));
  const report = (sentence) => {
    if (sentence !== lastMessage) console.error(`relay: ${sentence}`);
    lastMessage = sentence;
  };
  const client = new Client({
    webSocketFactory: () => new WebSocket(url, ['v12.stomp']),
    connectHeaders: { login, passcode },
    reconnectDelay: RETRY_MS,
    onStompError({ headers, body }) {
      report(`${headers.message}: ${body}`);
      if (headers.code === 'queue-conflict') refuse(lastMessage);
    },
    onWebSocketError({ message }) {
      report(message);
      if (/response: 4\d\d/.test(message)) refuse(lastMessage); // a refused handshake: wrong path, host or server
    },
    onWebSocketClose({ code }) {
      chatbot.lost();
      if (REFUSED.includes(code)) refuse(lastMessage);
    },
    onConnect() {
      client.subscribe('/topic/chatbot.stop', ({ headers }) => chatbot.stop(senderOf(headers)));
      client.watchForReceipt('ready', () => {
        lastMessage = undefined;
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

/** The sender, from the headers that the relay sets. */
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
      if (session) headers.session = session; // a question over HTTP has no session: all sessions of the user get the answer
      if (id) headers['correlation-id'] = id;
      if (final) Object.assign(headers, { final: 'true', outcome });
      const receipt = `reply-${++receipts}`;
      const confirmed = new Promise((resolve, reject) => {
        client.watchForReceipt(receipt, resolve);
        setTimeout(
          () => reject(new Error(`the relay did not confirm a part of the answer within ${REPLY_MS} ms`)),
          REPLY_MS,
        ).unref();
      });
      const destination = `/user/${encodeURIComponent(user)}/queue/replies`;
      client.publish({ destination, headers: { ...headers, receipt }, body: text });
      await confirmed;
    },
    done: () => message.ack(),
  };
}
