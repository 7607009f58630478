/** The text of docs/compatibility.md: the comparison with RabbitMQ, and every deliberate difference with its reason. */
import * as markdown from 'prettier/plugins/markdown';
import { format } from 'prettier/standalone';
import type { Difference } from './deliberate.js';

/** Resolves with the page, folded like all documents. */
export function compatibilityPage(differences: readonly Difference[], scenarioCount: number): Promise<string> {
  const text = unfoldedPage(differences, scenarioCount);
  return format(text, { parser: 'markdown', plugins: [markdown], proseWrap: 'always', printWidth: 120 });
}

function unfoldedPage(differences: readonly Difference[], scenarioCount: number): string {
  const different = new Set(differences.flatMap(({ scenarios }) => scenarios)).size;
  return `# Compatibility with RabbitMQ's STOMP plugins

stomp-relay has the destinations and headers of RabbitMQ's STOMP plugin (\`/topic\`, \`/queue\`, \`/exchange\`, \`/amq/queue\`,
\`/temp-queue\`, \`/reply-queue\`, queue headers, AMQP properties), so a client of RabbitMQ Web STOMP can use the relay
instead. If the plugin departs from the STOMP specification, the relay follows the specification.

The tests (\`tests/integration/differential\`) play ${scenarioCount} scenarios against RabbitMQ's own Web STOMP and against the relay
on the same RabbitMQ, and compare line by line what the clients receive. ${scenarioCount - different} scenarios are identical. In the other ${different}
(and in the headers \`user\` and \`session\` of all messages) one of the ${differences.length} differences below explains every line that differs.
This page is generated from the table of the tests; a difference that no longer exists fails them.

Addresses of Spring's STOMP work too: \`<path>/\` and \`<path>/websocket\`, the plain WebSocket of a SockJS endpoint, are
the same as \`<path>\` (\`/ws\`). The relay does not implement SockJS: sockjs-client gets 404 from \`<path>/info\`, with a
sentence that names the address to use.

The comparison leaves out values that each server chooses: the texts of ERROR, \`message-id\` and \`ack\`, \`session\` and
\`server\`.

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
