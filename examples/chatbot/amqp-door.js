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
const RETRY_MS = 1_000;

/** Serves until `signal` is aborted, through lost connections; `onReady` is called each time it can be asked. */
export async function serveAmqp(url, chatbot, { prefetch, signal, onReady }) {
  while (!signal.aborted) {
    try {
      await serveOnce(url, chatbot, { prefetch, signal, onReady });
    } catch (error) {
      console.error(`RabbitMQ: ${error.message}`);
    }
    await pause(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function serveOnce(url, chatbot, { prefetch, signal, onReady }) {
  const connection = await connect(url, { clientProperties: { connection_name: 'chatbot' } });
  const lost = new Promise((resolve) => connection.once('close', resolve));
  connection.on('error', (error) => console.error(`RabbitMQ: ${error.message}`));
  const leave = () => void connection.close().catch(() => undefined);
  signal.addEventListener('abort', leave, { once: true });
  try {
    const channel = await connection.createConfirmChannel();
    channel.on('error', (error) => console.error(`RabbitMQ: ${error.message}`)).on('close', leave);
    await channel.assertExchange(USERS, 'direct', { durable: true }); // as the relay declares it
    await channel.assertQueue(QUEUE, { durable: true }); // as the relay declares /queue/chatbot
    const { queue: stops } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(stops, STOPS.exchange, STOPS.key);
    await channel.prefetch(prefetch);
    await channel.consume(stops, (message) => message && chatbot.stop(senderOf(message)), { noAck: true });
    await channel.consume(QUEUE, (message) => message && void chatbot.ask(questionOf(channel, message)));
    onReady();
    await lost;
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

function questionOf(channel, message) {
  const { user, session, id } = senderOf(message);
  return {
    user,
    session,
    id,
    text: message.content.toString(),
    isRedelivered: message.fields.redelivered,
    async reply({ text, ...about }) {
      const routingKey = `${encodeURIComponent(user)}/queue/replies`;
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
