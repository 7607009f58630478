/**
 * The library: a relay inside your own process.
 *
 *   const relay = createRelay({ broker: 'amqp://localhost' }, { authenticator, policy });
 *   await relay.attach(server); // an http.Server of yours; or relay.start() for listeners of its own
 */
import { type ConfigInput, createConfig } from './config.js';
import { createRelay as composeRelay, type Relay, type RelayHooks } from './relay.js';

export type { Action, Authenticator, Credentials, Policy, Principal } from './auth/auth.js';
export type * from './brokers/broker.js';
export { BrokerError } from './brokers/broker.js';
export { type Config, ConfigError, type ConfigInput } from './config.js';
export type { Destination } from './destinations/destination.js';
export type { Listening, Relay, RelayHooks } from './relay.js';

/** @throws ConfigError that names every wrong option */
export function createRelay(options: ConfigInput = {}, hooks: RelayHooks = {}): Relay {
  return composeRelay(createConfig(options), hooks);
}
