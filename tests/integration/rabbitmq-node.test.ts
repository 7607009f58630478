/** The RabbitMQ of the tests: it answers, all projects of a run share it, and it leaves nothing behind. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import amqp from 'amqplib';
import { eventually } from '../support/deadline.js';
import { createVhost, privateNode, rabbitmq } from '../support/rabbitmq.js';
import type { RabbitNode, Vhost } from '../support/rabbitmq.js';

const WATCHDOG = path.join(__dirname, '../support/watchdog-program.js');

describe('the shared node', () => {
  let vhost: Vhost;
  beforeAll(async () => {
    vhost = await createVhost();
  });
  afterAll(() => vhost.delete());

  test('carries a message in a separate virtual host', async () => {
    const connection = await amqp.connect(vhost.amqpUrl);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('q', { durable: true });
    channel.sendToQueue('q', Buffer.from('hello'));
    await channel.waitForConfirms();
    const message = await channel.get('q', { noAck: true });
    expect(message && message.content.toString()).toBe('hello');
    expect(await vhost.api('GET', 'queues')).toMatchObject([{ name: 'q' }]);
    await connection.close();
  });

  test('reports its version and offers Web STOMP', async () => {
    expect(rabbitmq().version).toMatch(/^\d+\.\d+\.\d+/);
    const plain = rabbitmq().webStompUrl.replace('ws:', 'http:');
    expect((await fetch(plain)).status).toBe(426);
  });
});

describe('a private node', () => {
  let node: RabbitNode | undefined;
  afterAll(() => node?.stop(), 60_000);

  test('can be stopped, killed and started with its data, and leaves nothing after stop()', async () => {
    const own = (node = await privateNode());
    const before = await amqp.connect(own.amqpUrl);
    before.on('error', () => undefined);
    const channel = await before.createChannel();
    channel.on('error', () => undefined);
    await channel.assertQueue('kept', { durable: true });
    const closed = new Promise((resolve) => before.once('close', resolve));
    await own.kill('SIGTERM');
    await closed;
    await own.start();
    expect(await own.ctl('list_queues', '--quiet', 'name')).toContain('kept');
    await own.kill();
    await expect(fetch(own.managementUrl)).rejects.toThrow();
    await own.start();
    await own.stop();
    node = undefined;
    await expect(fetch(own.managementUrl)).rejects.toThrow();
    expect(existsSync(own.handle)).toBe(false);
  }, 300_000);
});

describe('the watchdog', () => {
  // Simulates a test process: starts a watchdog and a marked process in a separate process group, then waits forever
  const parent = `
    const { spawn } = require('node:child_process');
    const [watchdog, id] = process.argv.slice(1);
    const guard = spawn(process.execPath, [watchdog, 'guard', id, ''], { detached: true, stdio: ['pipe', 'pipe', 'inherit'] });
    guard.stdout.once('data', () => {
      const node = spawn('/bin/sh', ['-c', 'sleep 3600 & wait'], { detached: true, env: { RELAY_TEST_NODE: id, PATH: process.env.PATH } });
      node.once('spawn', () => console.log('up'));
    });
    setInterval(() => undefined, 1000);
  `;
  const processesOf = async (id: string): Promise<string> => {
    const list = spawn(process.execPath, [WATCHDOG, 'list', id], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    list.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await once(list, 'close');
    return output;
  };

  test.each(['SIGINT', 'SIGTERM', 'SIGKILL'] as const)(
    'ends all processes after %s to the tests',
    async (signal) => {
      const id = `watchdog-${process.pid}-${signal}`;
      const tests = spawn(process.execPath, ['-e', parent, WATCHDOG, id], { stdio: ['ignore', 'pipe', 'inherit'] });
      await once(tests.stdout, 'data');
      expect(await processesOf(id)).toContain('sleep');
      tests.kill(signal);
      const nothing = async () => ((await processesOf(id)) === '' ? true : undefined);
      expect(await eventually(nothing, 15_000, () => 'marked processes are still running')).toBe(true);
    },
    30_000,
  );
});
