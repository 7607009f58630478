/** A client that types into netcat: STOMP 1.0, spaces after colons, no ids, no content-length, extra line ends. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { withDeadline } from '../../support/deadline.js';
import { BROKERS, createBroker, startRelay } from '../../support/relay.js';
import type { TestBroker, TestRelay } from '../../support/relay.js';

const name = () => `netcat-${randomUUID()}`;

describe.each(BROKERS)('by hand over TCP, %s', (kind) => {
  let broker: TestBroker;
  let relay: TestRelay;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    broker = await createBroker(kind);
    relay = await startRelay(broker.url);
  });
  afterEach(() => sockets.splice(0).forEach((socket) => socket.destroy()));
  afterAll(async () => {
    await relay?.stop();
    await broker?.delete();
  });

  async function netcat() {
    const { hostname, port } = new URL(relay.tcpUrl);
    const socket = connect({ host: hostname, port: Number(port) });
    sockets.push(socket);
    await once(socket, 'connect');
    let output = '';
    let look = () => {};
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      output += text;
      look();
    });
    const ended = once(socket, 'end');
    return {
      type: (text: string) => void socket.write(text),
      ended: () => withDeadline(ended, 5_000, () => `the connection stays open after:\n${output}`),
      /** The next frame, without the line ends before it. */
      read: () => {
        const frame = new Promise<string>((resolve) => {
          look = () => {
            const end = output.indexOf('\0');
            if (end < 0) return;
            resolve(output.slice(0, end).trimStart());
            output = output.slice(end + 1);
            look = () => {};
          };
          look();
        });
        return withDeadline(frame, 5_000, () => `no complete frame; output: ${JSON.stringify(output)}`);
      },
    };
  }

  test('a handwritten client connects, subscribes, sends to itself and disconnects', async () => {
    const { type, read, ended } = await netcat();
    type('CONNECT\nlogin: me\npasscode: secret\n\n\0\n');
    expect(await read()).toMatch(/^CONNECTED\n(.*\n)*session:.+\n/);
    const destination = `/topic/${name()}`;
    type(`SUBSCRIBE\ndestination: ${destination}\nack: auto\nreceipt: live\n\n\0\n\n\n`);
    expect(await read()).toMatch(/^RECEIPT\nreceipt-id:live\n/);
    type(`SEND\ndestination: ${destination}\ncolour: red\n\nhello, world\n\0`);
    const message = await read();
    expect(message).toMatch(/^MESSAGE\n/);
    expect(message).toMatch(new RegExp(`\ndestination:${destination}\n`));
    expect(message).toMatch(/\ncolour:red\n/);
    expect(message).not.toMatch(/\nsubscription:/);
    expect(message).toMatch(/\n\nhello, world\n$/);
    type(`UNSUBSCRIBE\ndestination: ${destination}\nreceipt: end\n\n\0`);
    expect(await read()).toMatch(/^RECEIPT\nreceipt-id:end\n/);
    type('DISCONNECT\n\n\0');
    await ended();
  });

  test('a handwritten client acknowledges by message-id in a transaction', async () => {
    const { type, read } = await netcat();
    const queue = `/queue/${name()}`;
    // all in one packet, as from a file
    type(`CONNECT\n\n\0\nSUBSCRIBE\ndestination: ${queue}\nack: client\n\n\0\nSEND\ndestination: ${queue}\n\nwork\0`);
    expect(await read()).toMatch(/^CONNECTED\n/);
    const id = /\nmessage-id:(.+)\n/.exec(await read())?.[1];
    type(
      `BEGIN\ntransaction: t\n\n\0ACK\nmessage-id: ${id}\ntransaction: t\n\n\0COMMIT\ntransaction: t\nreceipt: done\n\n\0`,
    );
    expect(await read()).toMatch(/^RECEIPT\nreceipt-id:done\n/);
    // it is acknowledged, so a second ACK is an error
    type(`ACK\nmessage-id: ${id}\n\n\0`);
    expect(await read()).toMatch(/^ERROR\n(.*\n)*code:unknown-ack\n/);
  });

  test('a handwritten client may send one character at a time', async () => {
    const { type, read } = await netcat();
    const destination = `/topic/${name()}`;
    const text = `CONNECT\n\n\0SUBSCRIBE\ndestination:${destination}\n\n\0SEND\ndestination:${destination}\n\nslow ü\0`;
    for (const character of text) type(character);
    expect(await read()).toMatch(/^CONNECTED\n/);
    expect(await read()).toMatch(/\n\nslow ü$/);
  });

  test('a handwritten unknown command gets an ERROR, and the connection ends', async () => {
    const { type, read, ended } = await netcat();
    type('HELO there\n\n\0');
    expect(await read()).toMatch(/^ERROR\n(.*\n)*code:unknown-command\n/);
    await ended();
  });
});
