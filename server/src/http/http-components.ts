/** Creates the parts of the HTTP API, for the public app and for an application's own server. */
import type { IncomingMessage } from 'node:http';
import express from 'express';
import type { Express, RequestHandler, Router } from 'express';
import { ApiKeys } from '../auth/api-keys.js';
import type { Authenticator, Policy } from '../auth/auth.js';
import type { Broker } from '../brokers/broker.js';
import type { Config } from '../config.js';
import type { GroupCounters } from '../delivery/delivery-counters.js';
import type { Recovery } from '../delivery/group-history.js';
import type { Subscribe } from '../delivery/group-subscribe.js';
import { Groups } from '../delivery/groups.js';
import type { MessageEncoder } from '../delivery/message-encoder.js';
import type { SubscriptionPots } from '../delivery/subscription-pots.js';
import type { Accounts } from '../load/accounts.js';
import type { AdmissionQueue } from '../load/admission-queue.js';
import type { LoadMeter } from '../load/load-meter.js';
import type { MemoryBudget } from '../load/memory-budget.js';
import type { SessionLimits } from '../load/session-limits.js';
import type { SharedPot } from '../load/shared-pot.js';
import type { SharedPots } from '../load/shared-pots.js';
import { isLoopback } from '../net/ip-address.js';
import type { Log } from '../process/log.js';
import { Drain } from '../session/drain.js';
import type { DrainOptions } from '../session/drain.js';
import type { SessionCounters } from '../session/session-counters.js';
import type { BatchTurns } from '../timing/batch-turns.js';
import type { TimerWheel } from '../timing/timer-wheel.js';
import { createHostCheck, createOriginCheck, LOOPBACK_ONLY } from '../transports/admission.js';
import { createClientAddress } from '../transports/client-address.js';
import { websocketPaths } from '../transports/websocket-paths.js';
import type { AccessChecks } from './access-checks.js';
import { createApi, Requests } from './api.js';
import { HttpCounters } from './http-counters.js';
import { inTurn } from './in-turn.js';
import { infoRoute } from './info-route.js';
import { RequestTurns } from './request-turns.js';
import { EventEncoder } from './streams/event-encoder.js';
import type { StreamGroups } from './streams/event-encoder.js';
import { Streams } from './streams/streams.js';

export interface HttpSources {
  readonly broker: Broker;
  readonly authenticator: Authenticator;
  readonly policy: Policy;
  readonly messages: MessageEncoder;
  readonly accounts: Accounts;
  readonly pots: SharedPots;
  readonly subscriptionPots: SubscriptionPots;
  /** How groups subscribe at the broker. */
  readonly subscribe: Subscribe;
  /** The services that groups with a history share. */
  readonly recovery: Recovery;
  readonly timers: TimerWheel;
  readonly turns: BatchTurns;
  readonly load: LoadMeter;
  readonly memory: MemoryBudget;
  readonly admissionQueue: AdmissionQueue;
  readonly counters: SessionCounters;
  readonly log: Log;
  readonly pacedLog: Log;
  readonly drain: DrainOptions;
  readonly sessionLimits: SessionLimits;
  /** True if the configuration has no authentication, so every client may connect. */
  readonly isOpen: boolean;
}

export class HttpComponents {
  readonly counters = new HttpCounters();
  readonly streams: Streams;
  private readonly requests = new Requests();
  readonly bodies: SharedPot;
  /** Holds each request until its client has a turn. */
  readonly waitForTurn: RequestHandler;
  private readonly addressOf: (request: IncomingMessage) => string;

  constructor(
    private readonly config: Config,
    private readonly sources: HttpSources,
  ) {
    this.streams = this.createStreams();
    const clientAddress = createClientAddress(config.listen.trustedProxies);
    this.addressOf = ({ socket, headers }) =>
      clientAddress(socket.remoteAddress ?? '', headers['x-forwarded-for'] as string | undefined);
    this.waitForTurn = new RequestTurns(this.addressOf).wait;
    this.bodies = sources.pots.create({
      limit: 'http.bodiesMaxBytes',
      max: config.http.bodiesMaxBytes,
      things: 'bytes of requests',
      wayOut: 'try again later',
      isOldBound: true,
    });
  }

  private createStreams(): Streams {
    const { http, listen, session, websocket } = this.config;
    const { broker, timers, memory, log, drain, sessionLimits, accounts, pots, subscriptionPots } = this.sources;
    const { messages, recovery, counters: sessionCounters } = this.sources;
    const events = new EventEncoder(
      () => messages.nextId(),
      messages.maxBytes,
      (...arrival) => messages.destinationFor(...arrival),
    );
    // Leaves room for other connections
    const streamsMax = Math.min(http.streamsMax, Math.floor(listen.httpConnectionsMax / 2));
    const { closeTimeoutMs } = websocket;
    const { messageMaxBytes } = session;
    return new Streams(
      { ...http, sessionLimits, streamsMax, closeTimeoutMs, messageMaxBytes },
      {
        groups: this.createGroups(events),
        downloads: { turns: recovery.turns, events },
        historyOf: (destination) => broker.historyOf?.(destination),
        subscriptions: subscriptionPots.subscriptions,
        sessionCounters,
        timers,
        accounts,
        pots,
        memory,
        createDrain: (streams) => new Drain(streams, drain, timers, log),
      },
    );
  }

  /** The policy for slow streams is `disconnect`, so they miss no messages; groups do not pause between writes. */
  private createGroups(events: EventEncoder): StreamGroups {
    const { subscribe, recovery, counters: sessionCounters } = this.sources;
    const counters: GroupCounters = {
      countOut: (count) => void (this.counters.streamEvents += count),
      countTooLarge: (members) => sessionCounters.countTooLarge(members),
    };
    return new Groups(subscribe, events, counters, { of: () => 'disconnect' }, { restShare: 0, recovery });
  }

  /** The router for `/api`. In the relay's own server the app has already checked Host. */
  api(ownsServer: boolean): Router {
    const { config, sources, counters, streams, requests, addressOf } = this;
    const { http, auth } = config;
    const { broker, authenticator, accounts, policy, load, admissionQueue, pacedLog, isOpen, turns } = sources;
    return createApi(
      {
        config,
        apiKeys: new ApiKeys(http.apiKeys),
        onlyApiKeys: isOpen && auth.authenticators.length === 0 && http.apiKeys.length > 0,
        addressOf,
        authenticator,
        accounts,
        turns,
        bodies: this.bodies,
        policy,
        broker,
        load,
        admissionQueue,
        counters,
        streams,
        requests,
        onFailed: (err) => pacedLog.error({ err }, 'an HTTP request could not be answered'),
        onRefused: (details, code) => pacedLog.warn(details, `HTTP request refused: ${code}`),
      },
      {
        checkReach: (address = '') => (ownsServer || !isOpen || isLoopback(address) ? undefined : LOOPBACK_ONLY),
        ...this.pageChecks(ownsServer),
      },
    );
  }

  /** `<path>/info`, beside the WebSocket. */
  info(ownsServer: boolean): Router {
    return infoRoute({
      websocketPaths: websocketPaths(this.config.listen.path),
      ...this.pageChecks(ownsServer),
    });
  }

  /** The same checks as for a WebSocket handshake. */
  private pageChecks(ownsServer: boolean): Pick<AccessChecks, 'checkHost' | 'checkOrigin' | 'allowedOrigins'> {
    const { listen, websocket } = this.config;
    const { allowedHosts, allowedOrigins } = websocket;
    const boundHost = ownsServer ? listen.host : this.sources.isOpen ? '127.0.0.1' : undefined;
    return {
      checkHost: createHostCheck(allowedHosts, boundHost),
      checkOrigin: createOriginCheck(allowedOrigins),
      allowedOrigins,
    };
  }

  /** The API and `<path>/info`, as a handler for connect and express. */
  handler(): Express {
    const app = express().disable('x-powered-by').use(inTurn, this.waitForTurn);
    return app.use(this.info(false)).use('/api', this.api(false));
  }

  /** Refuses new requests and streams, ends the open streams within `windowMs`, and resolves when all are done. */
  async drain(windowMs: number): Promise<void> {
    await Promise.all([this.requests.drain(), this.streams.drain(windowMs)]);
  }
}
