/**
 * The service at RabbitMQ itself. Questions come from the queue behind `/queue/chatbot`, stops over the exchange behind
 * `/topic`, and answers go to the exchange behind `/user`, with the routing key of the user's destination and a header
 * `session` for the one session that has asked.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { connect } from 'amqplib';

const QUEUE = 'chatbot';
const STOPS = { exchange: 'amq.topic', key: 'chatbot.stop' };
const USERS = 'stomp-relay.user';
const REPLIES = 'replies';
const RETRY_MS = 1_000;
/** AMQP's replies to what would be refused again: credentials or permissions, a queue with other properties, the vhost. */
const REFUSALS = [403, 406, 530];

/**
 * Serves until `signal` is aborted, through lost connections; `onReady` is called each time it can be asked. Rejects where
 * RabbitMQ refuses it: that does not pass by itself.
 */
export async function serveAmqp(url, chatbot, { prefetch, signal, onReady }) {
  let lastSaid;
  const isReady = () => {
    lastSaid = undefined;
    onReady();
  };
  while (!signal.aborted) {
    try {
      await serveOnce(url, chatbot, { prefetch, signal, onReady: isReady });
    } catch (error) {
      const refusal = refusalIn(error);
      if (refusal) throw new Error(`RabbitMQ: ${refusal}`, { cause: error });
      if (error.message !== lastSaid) console.error(`RabbitMQ: ${error.message}; trying again`);
      lastSaid = error.message;
    }
    await pause(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** While connecting, amqplib has AMQP's reply in its sentence, or not at all. Codes in words are of certificates and addresses. */
function refusalIn({ code, message }) {
  if (message.includes('got <ConnectionClose')) return 'the vhost does not exist, or this user may not use it';
  const reply = typeof code === 'number' ? code : Number(/^Handshake terminated by server: (\d+)/.exec(message)?.[1]);
  return REFUSALS.includes(reply) || /CERT|SIGNATURE|SSL|INVALID_URL/.test(code) ? message : undefined;
}

/** Rejects with what has ended it, where that is known. */
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
    await channel.checkExchange(USERS); // the relay declares it, and a service has no right to
    await channel.assertQueue(QUEUE, { durable: true }); // as the relay declares /queue/chatbot
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

/** Who has sent it, as the relay has stamped it. */
function senderOf({ properties: { headers = {}, correlationId } }) {
  return { user: headers.user, session: headers.session, id: correlationId };
}

/** A name as part of a routing key: encodeURIComponent leaves asterisks, which are wildcards in a binding. */
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
      const headers = session ? { session, ...about } : about; // a question that came over HTTP has none: all of the user's
      const options = { headers, correlationId: id, contentType: 'text/plain' };
      await new Promise((resolve, reject) => {
        const confirmed = (error) => (error ? reject(error) : resolve());
        channel.publish(USERS, routingKey, Buffer.from(text), options, confirmed);
      });
    },
    done: () => channel.ack(message),
  };
}
