import type { Broker, Message, PublishOptions } from '../brokers/broker.js';
import type { Destination } from '../destinations/destination.js';

/** Only messages of one user keep their order. */
const USER = 'contract';

/** Publishes as a session does: waits until the broker is ready for the message, then for its confirm. */
export async function publishTo(
  broker: Pick<Broker, 'publication'>,
  destination: Destination,
  message: Message,
  options: PublishOptions = { mandatory: false },
): Promise<void> {
  const publication = broker.publication(destination, message, { user: USER, ...options });
  if (publication.ready) await publication.ready;
  await publication.send();
}

/** Publishes without waiting for readiness, like a session whose checks have passed. */
export function publishNow(
  broker: Pick<Broker, 'publication'>,
  destination: Destination,
  message: Message,
  options: PublishOptions = { mandatory: false },
): Promise<void> {
  const publication = broker.publication(destination, message, { user: USER, ...options });
  publication.ready?.catch(() => undefined);
  return publication.send();
}
