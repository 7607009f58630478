/** Queues for replies: private, and deleted with their session. */
import { messageOf, textOf, unique } from './broker-desk.js';
import { publishNow, publishTo } from './publish-to.js';
import type { Suite } from './suite.js';
import { eventually } from './test-deadline.js';
import { Inbox } from './test-inbox.js';

export function replyQueueTests({ desks, expect, needing }: Suite): void {
  const { describe, test } = needing('replies');

  describe('replies', () => {
    needing('queues', 'mandatory').test('reach the requesting session through a private queue', async () => {
      const requests = `/queue/${unique('requests')}`;
      const replies = new Inbox<string>('replies');
      const channel = desks.here.channel();
      const address = await channel.channel.openReplyQueue((message) => replies.add(textOf(message)));
      const server = await desks.there.channel().consume(requests, { ack: 'auto' });
      await desks.here.send(requests, 'ping', { 'reply-to': address });
      const replyTo = (await server.inbox.next()).message.headers.get('reply-to')!;
      expect(replyTo).toBe(`/reply-queue/${address}`);
      await desks.there.send(replyTo, 'pong', {}, true);
      expect(await replies.next()).toBe('pong');
      await channel.close();
      await eventually(
        () =>
          desks.there.send(replyTo, 'late', {}, true).then(
            () => undefined,
            (error: { code: string }) => error.code,
          ),
        10_000,
        () => 'the reply queue still exists',
      );
    });

    test('have unique and unguessable queue names', async () => {
      const channel = desks.here.channel();
      const names = [await channel.channel.openReplyQueue(() => {}), await channel.channel.openReplyQueue(() => {})];
      expect(names[0]).not.toBe(names[1]);
      for (const name of names) expect(name).toMatch(/[\w-]{20,}$/);
    });

    needing('mandatory').test('can outnumber the prefetch count', async () => {
      const replies = new Inbox<string>('replies');
      const address = await desks.here.channel().channel.openReplyQueue((message) => replies.add(textOf(message)));
      const message = messageOf('x');
      const to = { kind: 'reply-queue', text: `/reply-queue/${address}`, queue: address } as const;
      await publishTo(desks.there.broker, to, message);
      await Promise.all(
        Array.from({ length: 499 }, () => publishNow(desks.there.broker, to, message, { mandatory: true })),
      );
      expect(await replies.take(500)).toHaveLength(500);
    });
  });
}
