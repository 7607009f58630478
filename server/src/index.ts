/**
 * The library: a relay inside your own process.
 *
 *   const relay = createRelay({ broker: 'amqp://localhost' }, { authenticator, policy });
 *   await relay.attach(server); // your http.Server; or relay.start() for the relay's own listeners
 */
import type { RelayHooks } from './components.js';
import { ConfigError, createConfig } from './config.js';
import type { ConfigInput } from './config.js';
import { createRelay as composeRelay } from './relay.js';
import type { Relay } from './relay.js';

export type { Action, Authenticator, Credentials, Policy, Principal } from './auth/auth.js';
export { AuthenticationError } from './auth/auth.js';
export { createPolicy, PolicyError, type PolicyOptions, type PolicyRule } from './auth/policy/policy.js';
export type * from './brokers/broker.js';
export { BrokerError } from './brokers/broker.js';
// For custom brokers, in addition to `stomp-relay/contract`: docs/brokers.md
export { Fanout } from './brokers/fanout.js';
export { checkMessage, shownHeaders } from './brokers/message-checks.js';
export { keyOfUser } from './brokers/queue-plan.js';
export { checkPattern, type KeyLimits } from './destinations/key-limits.js';
export type { Origin } from './destinations/shown-destination.js';
export { type Config, ConfigError, type ConfigInput } from './config.js';
export type { Destination } from './destinations/destination.js';
export type { RelayHooks } from './components.js';
export type { RevokeResult } from './admin/operations.js';
export type { Listening, Relay, RelaySessions, StopOptions } from './relay.js';
export type { Page } from './admin/keyset-page.js';
export type { SessionDetails, SessionQuery, SessionSummary } from './admin/session-directory.js';

/** @throws ConfigError that names every wrong option */
export function createRelay(options: ConfigInput = {}, hooks: RelayHooks = {}): Relay {
  const config = createConfig(options);
  if (config.workers !== 1) throw new ConfigError([NO_WORKERS]);
  return composeRelay(config, hooks);
}

const NO_WORKERS =
  'workers must be 1 in a program, because only the command line starts processes; start your program several times';
