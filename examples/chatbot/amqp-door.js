/**
 * The service as an AMQP client of RabbitMQ. Questions come from the queue behind `/queue/chatbot`, and stops from the
 * exchange behind `/topic`. Answers go to the exchange behind `/user`, with the routing key of the user's destination
 * and a header `session` for the session of the question.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'amqplib';

const QUEUE = 'chatbot';
const STOPS = { exchange: 'amq.topic', key: 'chatbot.stop' };
const USERS = 'stomp-relay.user';
const REPLIES = 'replies';
const RETRY_MS = 1_000;
/** AMQP reply codes of permanent refusals: credentials or permissions, a queue with other properties, the vhost. */
const REFUSALS = [403, 406, 530];

/**
 * Serves until `signal` is aborted, and reconnects after lost connections. `onReady` is called whenever the service
 * accepts questions. Rejects if RabbitMQ refuses the service, because that does not pass by itself.
 */
export async function serveAmqp(url, chatbot, { prefetch, signal, onReady }) {
  let lastMessage;
  const isReady = () => {
    lastMessage = undefined;
    onReady();
  };
  while (!signal.aborted) {
    try {
      await serveOnce(url, chatbot, { prefetch, signal, onReady: isReady });
    } catch (error) {
      const refusal = refusalIn(error);
      if (refusal) throw new Error(`RabbitMQ: ${refusal}`, { cause: error });
      if (error.message !== lastMessage) console.error(`RabbitMQ: ${error.message}; trying again`);
      lastMessage = error.message;
    }
    await pause(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/**
 * While connecting, amqplib has AMQP's reply code only in its message, or not at all. Codes in words concern
 * certificates and addresses.
 */
function refusalIn({ code, message }) {
  if (message.includes('got <ConnectionClose')) return 'the vhost does not exist, or this user may not use it';
  const reply = typeof code === 'number' ? code : Number(/^Handshake terminated by server: (\d+)/.exec(message)?.[1]);
  return REFUSALS.includes(reply) || /CERT|SIGNATURE|SSL|INVALID_URL/.test(code) ? message : undefined;
}

/** Rejects with the reason for the end of the connection, if it is known. */
async function serveOnce(url, chatbot, { prefetch, signal, onReady }) {
  const connection = await connect(url, { clientProperties: { connection_name: 'chatbot' } });
  let problem;
  const noteProblem = (error) => (problem ??= error);
  const lost = new Promise((resolve) => connection.once('close', resolve));
  connection.on('error', noteProblem);
  const leave = () => void connection.close().catch(() => undefined);
  signal.addEventListener('abort', leave, { once: true });
  try {
    const channel = await connection.createConfirmChannel();
    channel.on('error', noteProblem).on('close', leave);
    await channel.checkExchange(USERS); // the relay declares it; a service has no permission to
    await channel.assertQueue(QUEUE, { durable: true }); // the same properties as the relay's /queue/chatbot
    const { queue: stops } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(stops, STOPS.exchange, STOPS.key);
    await channel.prefetch(prefetch);
    await channel.consume(stops, (message) => message && chatbot.stop(senderOf(message)), { noAck: true });
    await channel.consume(QUEUE, (message) => message && void chatbot.ask(questionOf(channel, message)));
    onReady();
    await lost;
    if (problem) throw problem;
  } catch (error) {
    throw problem ?? error;
  } finally {
    signal.removeEventListener('abort', leave);
    chatbot.lost();
    leave();
  }
}

/** The sender, from the headers that the relay sets. */
function senderOf({ properties: { headers = {}, correlationId } }) {
  return { user: headers.user, session: headers.session, id: correlationId };
}

/** A name as part of a routing key. encodeURIComponent keeps asterisks, which are wildcards in a binding. */
function keyPart(name) {
  return encodeURIComponent(name).replaceAll('*', '%2A');
}

function questionOf(channel, message) {
  const { user, session, id } = senderOf(message);
  return {
    user,
    session,
    id,
    text: message.content.toString(),
    isRedelivered: message.fields.redelivered,
    async reply({ text, ...about }) {
      const routingKey = `${REPLIES}.${keyPart(user)}`;
      const headers = session ? { session, ...about } : about; // a question over HTTP has no session
      const options = { headers, correlationId: id, contentType: 'text/plain' };
      await new Promise((resolve, reject) => {
        const confirmed = (error) => (error ? reject(error) : resolve());
        channel.publish(USERS, routingKey, Buffer.from(text), options, confirmed);
      });
    },
    done: () => channel.ack(message),
  };
}
