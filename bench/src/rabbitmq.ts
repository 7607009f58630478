/** The tests' private RabbitMQ node, on the servers' core with one scheduler and with RabbitMQ's defaults. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { callManagement } from '../../tests/support/rabbitmq-api.js';
import { findServer, startPrivateNode } from '../../tests/support/rabbitmq-node.js';
import type { RabbitNode } from '../../tests/support/rabbitmq-node.js';
import { readFigures } from './generator/process-figures.js';
import { SERVER_CORE } from './processes.js';
import type { Processes } from './processes.js';

const CLEAN_SECONDS = 30;
const REST_MS = 300;
const REST_SHARE = 0.1;

export class Rabbit {
  private constructor(readonly node: RabbitNode) {}

  static async start(processes: Processes, print: (line: string) => void): Promise<Rabbit> {
    const server = findServer();
    if (server === undefined)
      throw new Error('the benchmark needs rabbitmq-server on the PATH (apt-get install rabbitmq-server)');
    const node = await startPrivateNode(pinnedServer(processes, server), 'relay-bench', print);
    // the tests collect statistics more often, which is costly with thousands of connections
    await node.ctl('eval', 'application:set_env(rabbit, collect_statistics_interval, 5000).');
    return new Rabbit(node);
  }

  get pid(): number {
    return Number(readFileSync(path.join(this.node.handle, 'pid'), 'utf8'));
  }

  get webStompPort(): number {
    return Number(new URL(this.node.webStompUrl).port);
  }

  /** Deletes the stream of a rule. */
  async deleteHistory(rule: string): Promise<void> {
    await callManagement(this.node, 'DELETE', `/queues/%2F/${historyStream(rule)}`);
  }

  /** Entries of a rule's stream that the node has sent to consumers, as of its last statistics. */
  async sentOfHistory(rule: string): Promise<number> {
    const path = `/queues/%2F/${historyStream(rule)}`;
    const queue = (await callManagement(this.node, 'GET', path)) as { message_stats?: { deliver?: number } };
    return queue.message_stats?.deliver ?? 0;
  }

  /**
   * Waits until the queues of the previous run are gone and the node is idle; cleaning up would slow the next server.
   */
  async clean(): Promise<void> {
    const deadline = Date.now() + CLEAN_SECONDS * 1_000;
    let isAtRest = false;
    while (!isAtRest && Date.now() < deadline) {
      const queues = (await callManagement(this.node, 'GET', '/queues?columns=name')) as unknown[];
      const before = readFigures([this.pid]).cpuSeconds;
      await delay(REST_MS);
      const busy = (readFigures([this.pid]).cpuSeconds - before) / (REST_MS / 1_000);
      isAtRest = queues.length === 0 && busy < REST_SHARE;
    }
  }
}

const historyStream = (rule: string): string => `stomp-relay.history.${rule}`;

/** Writes a script that replaces `rabbitmq-server`, in a folder where any user may run it. */
function pinnedServer(processes: Processes, server: string): string {
  const behind = path.join('/usr/lib/rabbitmq/bin', path.basename(server));
  const program = process.getuid?.() !== 0 && existsSync(behind) ? behind : server;
  const file = path.join(import.meta.dirname, 'rabbitmq-on-one-core');
  writeFileSync(
    file,
    '#!/bin/sh\n' +
      // for RabbitMQ's own script: Debian's `su` limits it to 1,024 files, that is 832 connections
      'echo \'ulimit -n "$(ulimit -H -n)"\' >> "$RABBITMQ_CONF_ENV_FILE"\n' +
      'export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="$RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS +S 1:1"\n' +
      `exec ${processes.pinned(SERVER_CORE, [program]).join(' ')} "$@"\n`,
  );
  chmodSync(file, 0o755);
  return file;
}
