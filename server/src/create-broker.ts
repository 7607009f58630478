/** Creates the broker of a relay from its configuration. */
import type { Broker } from './brokers/broker.js';
import type { HistorySettings } from './brokers/history/feed-settings.js';
import { overlaps, placeOfRule } from './brokers/history/history-rules.js';
import { MemoryBroker } from './brokers/memory/memory-broker.js';
import { tlsConnectOptions } from './brokers/rabbitmq/amqp/broker-tls.js';
import { isInLane, LanePlan } from './brokers/rabbitmq/lanes/lane-plan.js';
import { RabbitMqBroker } from './brokers/rabbitmq/rabbitmq-broker.js';
import { usable } from './config/config-report.js';
import { ConfigError } from './config.js';
import type { Config } from './config.js';
import type { SharedPots } from './load/shared-pots.js';
import { isLoopback } from './net/ip-address.js';
import type { Log } from './process/log.js';

/** @throws ConfigError */
export function createBroker(config: Config, instanceId: string, log: Log, pots: SharedPots): Broker {
  const { broker, topicExchange, topics } = config;
  const shared = {
    topicExchange,
    topics,
    queueArguments: config.queues.arguments,
    history: usableHistory(config, log),
  };
  if (broker.kind === 'memory') {
    const onHistoryFileError = (error: Error): void =>
      log.error(
        { reason: error.message },
        'memory.historyFile cannot be written: a restart loses the messages from now on',
      );
    return new MemoryBroker({ ...config.memory, ...shared, onHistoryFileError }, pots);
  }
  checkBrokerTls(config, log);
  checkLanes(config, log);
  return new RabbitMqBroker({ ...config.rabbitmq, ...shared, urls: broker.urls, instanceId, log }, pots);
}

function checkBrokerTls({ broker, rabbitmq }: Config, log: Log): void {
  if (broker.kind === 'memory') return;
  const urls = broker.urls.map((url) => new URL(url));
  const plain = urls.filter(({ protocol, hostname }) => protocol === 'amqp:' && !isLoopback(hostname));
  if (plain.length > 0) {
    const hosts = plain.map(({ host }) => host);
    log.warn(
      { hosts },
      'the password and all messages go to RabbitMQ unencrypted: use amqps:// on a network that others can read',
    );
  }
  const { tls, managementUrl } = rabbitmq;
  if (managementUrl !== undefined && isPlain(managementUrl)) {
    log.warn(
      { host: new URL(managementUrl).host },
      "the password goes to RabbitMQ's management API unencrypted: use https:// on a network that others can read",
    );
  }
  if (tls === undefined) return;
  if (urls.every(({ protocol }) => protocol === 'amqp:')) {
    throw new ConfigError(['rabbitmq.tls is given, but the address of the broker (--broker) is not amqps://']);
  }
  usable('rabbitmq.tls', () => tlsConnectOptions(tls));
}

function isPlain(address: string): boolean {
  const { protocol, hostname } = new URL(address);
  return protocol === 'http:' && !isLoopback(hostname);
}

const NAME_MAX_BYTES = 240;

function checkLanes({ rabbitmq, history, topicExchange, topics }: Config, log: Log): void {
  const { lanes, lanesReadOnly, userExchange } = rabbitmq;
  if (lanes.length === 0) return;
  const long = [topicExchange, userExchange].find((name) => Buffer.byteLength(name) > NAME_MAX_BYTES);
  if (long !== undefined) {
    throw new ConfigError([`rabbitmq.lanes needs names of exchanges with at most ${NAME_MAX_BYTES} bytes: ${long}`]);
  }
  usable('rabbitmq.lanes', () => new LanePlan({ lanes, topicExchange, userExchange }, topics));
  for (const rule of history.rules) {
    const { kind, subject } = placeOfRule(rule);
    if (!isInLane(lanes, kind, subject)) continue;
    throw new ConfigError([
      `rabbitmq.lanes covers a part of history.rules "${rule.name}" (${rule.match}): messages of lanes are not kept`,
    ]);
  }
  if (lanesReadOnly) return;
  const sentence = `AMQP consumers do not get the messages that clients send to these destinations (rabbitmq.lanes)`;
  log.info({ lanes, exchanges: [topicExchange, userExchange] }, sentence);
}

/** Undefined without rules: then histories cost nothing. */
function usableHistory({ history, memory, topicExchange }: Config, log: Log): HistorySettings | undefined {
  const places = history.rules.map((rule, index) => usable(`history.rules.${index}.match`, () => placeOfRule(rule)));
  const type = memory.exchanges.find(({ name }) => name === topicExchange)?.type ?? 'topic';
  if (type !== 'topic' && places.some(({ kind }) => kind === 'topic')) {
    throw new ConfigError([
      `history.rules needs a topic exchange behind /topic, and ${topicExchange} has the type ${type}`,
    ]);
  }
  for (const sentence of overlaps(places)) log.warn({}, sentence);
  return places.length === 0 ? undefined : history;
}
