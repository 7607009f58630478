/** reply-to and temporary queues, between STOMP clients and with AMQP back ends. */
import { scenario } from '../stage.js';
import type { Scenario } from '../stage.js';

export const scenarios: readonly Scenario[] = [
  scenario('replies: request and reply over /temp-queue', async (stage) => {
    const server = await stage.connect('server');
    const client = await stage.connect('client');
    await server.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}` });
    client.send(
      'SEND',
      { destination: `/queue/${stage.name()}`, 'reply-to': '/temp-queue/answers', 'correlation-id': '1' },
      'q',
    );
    const { headers } = await server.message();
    server.send(
      'SEND',
      { destination: headers['reply-to'] ?? '', 'correlation-id': headers['correlation-id'] ?? '' },
      'a',
    );
    await client.message();
  }),
  scenario('replies: two requests over the same /temp-queue', async (stage) => {
    const server = await stage.connect('server');
    const client = await stage.connect('client');
    await server.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}` });
    const addresses = new Set<string>();
    for (const body of ['1', '2']) {
      client.send('SEND', { destination: `/queue/${stage.name()}`, 'reply-to': '/temp-queue/answers' }, body);
      const { headers } = await server.message();
      addresses.add(headers['reply-to'] ?? '');
      server.send('SEND', { destination: headers['reply-to'] ?? '' }, `reply to ${body}`);
      await client.message();
    }
    client.note(`${addresses.size} queue`);
  }),
  scenario('replies: two /temp-queues of one client', async (stage) => {
    const server = await stage.connect('server');
    const client = await stage.connect('client');
    await server.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}` });
    for (const queue of ['one', 'two']) {
      client.send('SEND', { destination: `/queue/${stage.name()}`, 'reply-to': `/temp-queue/${queue}` }, queue);
      const { headers } = await server.message();
      server.send('SEND', { destination: headers['reply-to'] ?? '' }, `reply to ${queue}`);
      await client.message();
    }
  }),
  scenario('replies: the same /temp-queue name of two clients', async (stage) => {
    const server = await stage.connect('server');
    await server.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}` });
    for (const name of ['one', 'two']) {
      const client = await stage.connect(name);
      client.send('SEND', { destination: `/queue/${stage.name()}`, 'reply-to': '/temp-queue/answers' }, name);
      const { headers } = await server.message();
      server.send('SEND', { destination: headers['reply-to'] ?? '' }, `reply to ${name}`);
      await client.message();
    }
  }),
  scenario('replies: reply-to names an ordinary queue', async (stage) => {
    const server = await stage.connect('server');
    const client = await stage.connect('client');
    await server.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name('known')}` });
    await client.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name('reply')}` });
    client.send(
      'SEND',
      { destination: `/queue/${stage.name('known')}`, 'reply-to': `/queue/${stage.name('reply')}` },
      'test',
    );
    const { headers } = await server.message();
    server.send('SEND', { destination: headers['reply-to'] ?? '' }, 'reply');
    await client.message();
  }),
  scenario('replies: a reply from an AMQP back end', async (stage) => {
    const channel = await stage.backEnd();
    await channel.assertQueue(stage.name());
    await channel.consume(stage.name(), (request) => {
      const { replyTo, correlationId } = request!.properties as { replyTo: string; correlationId: string };
      channel.sendToQueue(replyTo, Buffer.from(`re: ${request!.content.toString()}`), { correlationId });
    });
    const client = await stage.connect('client');
    const asking = { 'reply-to': '/temp-queue/answers', 'correlation-id': '7' };
    client.send('SEND', { destination: `/amq/queue/${stage.name()}`, ...asking }, 'question');
    await client.message();
  }),
  scenario('replies: SEND to a /reply-queue with a slash in its name', async (stage) => {
    const channel = await stage.backEnd();
    await channel.assertQueue(`${stage.name()}/a`);
    const alice = await stage.connect('alice');
    alice.send('SEND', { destination: `/reply-queue/${stage.name()}/a` }, 'x');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/amq/queue/${stage.name()}%2Fa` });
    await alice.message();
  }),
  scenario('replies: SEND to a missing /reply-queue', async (stage) => {
    const alice = await stage.connect('alice');
    await alice.request('SEND', { destination: `/reply-queue/${stage.name()}` }, 'x');
  }),
  scenario('replies: reply-to is not a destination', async (stage) => {
    const alice = await stage.connect('alice');
    const bob = await stage.connect('bob');
    await alice.request('SUBSCRIBE', { id: 's', destination: `/topic/${stage.name()}` });
    bob.send('SEND', { destination: `/topic/${stage.name()}`, 'reply-to': '/nonsense/x' }, 'x');
    await bob.finish();
    await alice.message();
  }),
  scenario('replies: the temporary queue is deleted with its client', async (stage) => {
    const server = await stage.connect('server');
    const client = await stage.connect('client');
    await server.request('SUBSCRIBE', { id: 's', destination: `/queue/${stage.name()}` });
    client.send('SEND', { destination: `/queue/${stage.name()}`, 'reply-to': '/temp-queue/answers' }, 'q');
    const { headers } = await server.message();
    await client.leave();
    await server.request('SEND', { destination: headers['reply-to'] ?? '' }, 'too late');
  }),
];
