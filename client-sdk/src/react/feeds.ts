/** What the components below one client share, whichever tree they are in: it lives and dies with the client. */
import type { Decode } from '../core/index.js';
import { createFeed } from './feed.js';
import type { AnyClient, Feed } from './feed.js';
import { perFrame } from './frames.js';
import { lease } from './lease.js';

export interface Feeds {
  /** Calls it in the next animation frame. */
  readonly nextFrame: (render: () => void) => void;
  /** Connected while somebody holds it. What comes of it is in the client's state. */
  readonly connect: () => () => void;
  readonly find: (destination: string, decode: Decode<unknown> | undefined) => Feed | undefined;
  /** Changes what `find` sees, so: in effects only. */
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
  /** By decoder, as its messages carry what it made of them; then by destination. */
  const feeds = new Map<Decode<unknown> | undefined, Map<string, Feed>>();
  const find: Feeds['find'] = (destination, decode) => feeds.get(decode)?.get(destination);
  return {
    nextFrame,
    connect: lease(
      () => void client.connect().catch(() => {}),
      () => void client.close().catch(() => {}),
    ),
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
