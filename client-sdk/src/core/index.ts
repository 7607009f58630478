/** The client's public surface. */
export { createClient } from './client.js';
export type { Client, ClientOptions, ClientState, PublishOptions, StateListener } from './client.js';
export { RelayError } from './relay-error.js';
export type { Body, Headers } from './stomp-link.js';
export type { Message, MessageListener, SubscribeOptions, Subscription } from './subscription.js';
