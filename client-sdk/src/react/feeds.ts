/** State that all components of one client share, in any tree. It lives as long as the client. */
import type { Decode } from '../core/index.js';
import { createFeed } from './feed.js';
import type { AnyClient, Feed } from './feed.js';
import { perFrame } from './frames.js';
import { lease } from './lease.js';

export interface Feeds {
  /** Calls `render` in the next animation frame. */
  readonly nextFrame: (render: () => void) => void;
  /** Keeps the client connected until the returned function is called. The client's state shows the outcome. */
  readonly connect: () => () => void;
  readonly find: (destination: string, decode: Decode<unknown> | undefined) => Feed | undefined;
  /** Changes the results of `find`, so call it in effects only. */
  readonly open: (destination: string, decode: Decode<unknown> | undefined) => Feed;
}

const ofClient = new WeakMap<AnyClient, Feeds>();

export function feedsOf(client: AnyClient): Feeds {
  let feeds = ofClient.get(client);
  if (!feeds) ofClient.set(client, (feeds = createFeeds(client)));
  return feeds;
}

function createFeeds(client: AnyClient): Feeds {
  const nextFrame = perFrame();
  /** By decoder, because messages hold the decoded data; then by destination. */
  const feeds = new Map<Decode<unknown> | undefined, Map<string, Feed>>();
  const find: Feeds['find'] = (destination, decode) => feeds.get(decode)?.get(destination);
  return {
    nextFrame,
    connect: lease(
      () => void client.connect().catch(() => {}),
      () => void client.close().catch(() => {}),
    ).hold,
    find,
    open(destination, decode) {
      const siblings = feeds.get(decode) ?? new Map<string, Feed>();
      const forget = (): void => {
        siblings.delete(destination);
        if (siblings.size === 0) feeds.delete(decode);
      };
      const feed = find(destination, decode) ?? createFeed(client, nextFrame, destination, { decode }, forget);
      feeds.set(decode, siblings.set(destination, feed));
      return feed;
    },
  };
}
