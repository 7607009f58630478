/** docs/compatibility.md as text: what is the same as at RabbitMQ, and every deliberate difference with its reason. */
import type { Difference } from './deliberate.js';

export function compatibilityPage(differences: readonly Difference[], scenarioCount: number): string {
  const different = new Set(differences.flatMap(({ scenarios }) => scenarios)).size;
  return `# Compatibility with RabbitMQ's STOMP plugins

stomp-relay uses the destinations and headers of RabbitMQ's STOMP plugin (\`/topic\`, \`/queue\`, \`/exchange\`, \`/amq/queue\`,
\`/temp-queue\`, \`/reply-queue\`, queue headers, AMQP properties), so a client that talks to RabbitMQ Web STOMP today can talk
to the relay instead. Where the plugin departs from the STOMP specification, the relay follows the specification.

${scenarioCount} scenarios are played against RabbitMQ's own Web STOMP and against the relay on the same RabbitMQ
(\`tests/integration/differential\`), and what the clients see is compared line by line. ${scenarioCount - different} are the same to the letter.
In the other ${different} (and in the headers \`user\` and \`session\` of all messages) every line that differs is explained by one of the ${differences.length} differences below. This page is made from the
table that the test checks against; a difference that no longer exists fails the test.

Addresses of Spring's STOMP work, too: \`<path>/\` and \`<path>/websocket\`, the plain WebSocket of a SockJS endpoint, are the same as
\`<path>\` (\`/ws\`). SockJS itself is not there: sockjs-client gets 404 from \`<path>/info\`, with a sentence that names the address to use.

Not compared, because each server has its own words: the texts of ERROR, \`message-id\` and \`ack\`, \`session\` and \`server\`.

${differences.map(section).join('\n')}`;
}

function section({ title, rabbitmqDoes, relayDoes, reason, scenarios, alsoIn }: Difference): string {
  const places = [...(alsoIn === undefined ? [] : [alsoIn]), ...scenarios.map((name) => `\`${name}\``)];
  return `## ${title}

- **RabbitMQ** ${rabbitmqDoes}.
- **stomp-relay** ${relayDoes}.
- **Why**: ${reason}
- Seen in: ${places.join(', ')}
`;
}
