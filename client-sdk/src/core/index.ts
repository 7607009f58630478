/** The client's public surface. */
export { createClient } from './client.js';
export type { Client, ClientOptions, PublishOptions } from './client.js';
export type { ConnectionState } from './connection.js';
export type { Declared, Register, RegisteredDestinations, Undeclared } from './destinations.js';
export { decodeByType } from './message.js';
export type { Decode, Headers, Message, RawMessage } from './message.js';
export type { Check, Gap, PositionStore } from './recovery.js';
export { RelayError } from './relay-error.js';
export type { RequestOptions } from './requests.js';
export type { CreateWebSocket } from './stomp-link.js';
export type { SubscribedState, SubscribeOptions, Subscription, SubscriptionState } from './subscription.js';
export type { Credentials, Token } from './token.js';
export type { Transaction } from './transaction.js';
