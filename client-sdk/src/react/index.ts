'use client';
/**
 * The public surface of the React hooks. They run in the browser. On a server they render the state before the first
 * message.
 */
export { RelayProvider, useClient } from './relay-provider.js';
export type { RelayProviderProps } from './relay-provider.js';
export { useConnection } from './use-connection.js';
export { useLatest } from './use-latest.js';
export type { LatestOptions, LatestResult } from './use-latest.js';
export { useMessages } from './use-messages.js';
export type { MessagesOptions, MessagesResult } from './use-messages.js';
export { usePublish } from './use-publish.js';
export type { PublishResult } from './use-publish.js';
export { useRequest } from './use-request.js';
export type { RequestResult, UseRequestOptions } from './use-request.js';
export { useSubscription } from './use-subscription.js';
export type { UseSubscriptionOptions } from './use-subscription.js';
export type { FeedState } from './feed.js';
