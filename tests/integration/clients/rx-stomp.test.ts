/** The unmodified library @stomp/rx-stomp: observables that survive reconnects, and RPC over temporary queues. */
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { RxStomp, RxStompRPC } from '@stomp/rx-stomp';
import type { RxStompConfig } from '@stomp/rx-stomp';
import type { IMessage } from '@stomp/stompjs';
import { filter, firstValueFrom, take, timeout, toArray } from 'rxjs';
import { WebSocket } from 'ws';
import { Inbox } from '../../../server/src/contract/test-inbox.js';
import { withDeadline } from '../../support/deadline.js';
import { BROKERS, createBroker, startRelay } from '../../support/relay.js';
import type { TestBroker, TestRelay } from '../../support/relay.js';

Object.assign(global, { WebSocket });

const WAIT_MS = 10_000;
const name = () => `rx-${randomUUID()}`;

describe.each(BROKERS)('rx-stomp, %s', (kind) => {
  let broker: TestBroker;
  let relay: TestRelay;
  const started: RxStomp[] = [];

  beforeAll(async () => {
    broker = await createBroker(kind);
    relay = await startRelay(broker.url);
  });
  afterEach(async () => {
    for (const rx of started.splice(0)) await rx.deactivate({ force: true });
  });
  afterAll(async () => {
    await relay?.stop();
    await broker?.delete();
  });

  async function start(config: RxStompConfig = {}): Promise<RxStomp> {
    const rx = new RxStomp();
    started.push(rx);
    rx.configure({ brokerURL: relay.webSocketUrl, reconnectDelay: 10, ...config });
    rx.activate();
    await firstValueFrom(rx.connected$.pipe(timeout(WAIT_MS)));
    return rx;
  }

  async function receiptOf(rx: RxStomp, send: (receipt: string) => void): Promise<void> {
    const id = randomUUID();
    const answer = withDeadline(rx.asyncReceipt(id), WAIT_MS, () => 'no RECEIPT');
    send(id);
    await answer;
  }

  /** Resolves with the receipt of the SUBSCRIBE, when the subscription is live. */
  async function watch(rx: RxStomp, destination: string, subHeaders = {}): Promise<Inbox<IMessage>> {
    const messages = new Inbox<IMessage>(destination);
    await receiptOf(rx, (receipt) =>
      rx.watch({ destination, subHeaders: { ...subHeaders, receipt } }).subscribe(messages.add),
    );
    return messages;
  }

  test('rx-stomp watches a topic and publishes with receipts', async () => {
    const rx = await start();
    const destination = `/topic/${name()}`;
    const messages = await watch(rx, destination);
    for (const body of ['one', 'two']) {
      await receiptOf(rx, (receipt) => rx.publish({ destination, body, headers: { receipt } }));
    }
    expect((await messages.take(2)).map(({ body }) => body)).toEqual(['one', 'two']);
  });

  test('rx-stomp rejects and acknowledges messages of a queue', async () => {
    const rx = await start();
    const destination = `/queue/${name()}`;
    const messages = await watch(rx, destination, { ack: 'client' });
    rx.publish({ destination, body: 'x' });
    (await messages.next()).nack();
    const again = await messages.next();
    expect(again.headers['redelivered']).toBe('true');
    again.ack();
  });

  test('rx-stomp gets one reply per RPC request, with many requests at a time', async () => {
    const server = await start();
    const client = await start();
    const destination = `/queue/${name()}`;
    const requests = await watch(server, destination);
    const rpc = new RxStompRPC(client);
    const request = (body: string) => firstValueFrom(rpc.rpc({ destination, body }).pipe(timeout(WAIT_MS)));
    const answers = ['1', '2', '3'].map(request);
    for (const { body, headers } of await requests.take(3)) {
      const { 'reply-to': replyTo = '', 'correlation-id': correlation = '' } = headers;
      server.publish({ destination: replyTo, body: `re: ${body}`, headers: { 'correlation-id': correlation } });
    }
    expect((await Promise.all(answers)).map(({ body }) => body)).toEqual(['re: 1', 're: 2', 're: 3']);
  });

  test('rx-stomp gets a stream of replies to one RPC request', async () => {
    const server = await start();
    const client = await start();
    const destination = `/queue/${name()}`;
    const requests = await watch(server, destination);
    const rpc = new RxStompRPC(client);
    const answers = firstValueFrom(
      rpc.stream({ destination, body: 'count' }).pipe(take(3), toArray(), timeout(WAIT_MS)),
    );
    const { headers } = await requests.next();
    for (const body of ['1', '2', '3']) {
      const correlation = { 'correlation-id': headers['correlation-id'] ?? '' };
      server.publish({ destination: headers['reply-to'] ?? '', body, headers: correlation });
    }
    expect((await answers).map(({ body }) => body)).toEqual(['1', '2', '3']);
  });

  test('rx-stomp continues to watch and to send RPC requests after its connection was cut', async () => {
    const rx = await start();
    const server = await start();
    const destination = `/topic/${name()}`;
    const requests = await watch(server, `/queue/${destination.slice(7)}`);
    const messages = await watch(rx, destination);
    const isOpenAgain = firstValueFrom(
      rx.connected$.pipe(
        filter((_, n) => n > 0),
        timeout(WAIT_MS),
      ),
    );
    rx.stompClient.forceDisconnect();
    await isOpenAgain;
    // it has sent its SUBSCRIBE again before this
    await receiptOf(rx, (receipt) => rx.publish({ destination: `/topic/${name()}`, headers: { receipt } }));
    server.publish({ destination, body: 'still here' });
    expect((await messages.next()).body).toBe('still here');
    const rpc = new RxStompRPC(rx).rpc({ destination: `/queue/${destination.slice(7)}`, body: 'q' });
    const answer = firstValueFrom(rpc.pipe(timeout(WAIT_MS)));
    const { headers } = await requests.next();
    const correlation = { 'correlation-id': headers['correlation-id'] ?? '' };
    server.publish({ destination: headers['reply-to'] ?? '', body: 'a', headers: correlation });
    expect((await answer).body).toBe('a');
  });
});
