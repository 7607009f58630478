/** Damage to the exchanges and bindings of relays, done by the management API as an operator might do it. */
import type { Vhost } from '../support/rabbitmq.js';

const USERS = 'exchanges/stomp-relay.user';
const TOPICS = 'amq.topic';

interface Binding {
  readonly source: string;
  readonly destination: string;
  readonly destination_type: string;
  readonly properties_key: string;
}

/** Its bindings are gone with it. */
export async function deleteUsersExchange(vhost: Vhost): Promise<void> {
  await remove(vhost, USERS);
}

/** A relay may have declared it already. */
export async function declareUsersExchange(vhost: Vhost): Promise<void> {
  await vhost.api('PUT', USERS, { type: 'topic', durable: true });
}

/** Removes all bindings of the exchange for topics, those of canaries included. */
export async function unbindTopics(vhost: Vhost): Promise<void> {
  const bindings = (await vhost.api('GET', 'bindings')) as Binding[];
  const ofTopics = bindings.filter((each) => each.source === TOPICS && each.destination_type === 'queue');
  await Promise.all(
    ofTopics.map(({ destination, properties_key: key }) =>
      remove(vhost, `bindings/e/${TOPICS}/q/${encodeURIComponent(destination)}/${encodeURIComponent(key)}`),
    ),
  );
}

/** A relay may remove the same thing at the same time. */
async function remove(vhost: Vhost, resource: string): Promise<void> {
  await vhost.api('DELETE', resource).catch((error: Error) => {
    if (!error.message.includes(' with 404')) throw error;
  });
}
