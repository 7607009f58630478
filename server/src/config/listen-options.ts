/** The ports and origins that clients connect to and from, and the limits of their connections. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { DAY_MS, flag, KIB, MIB, section, whole } from './option-kinds.js';

const PORT_RULE = 'must be a port from 0 to 65535 (0 = a free one)';
const port = z.int({ error: PORT_RULE }).min(0, { error: PORT_RULE }).max(65_535, { error: PORT_RULE });
const OPTIONAL_PORT_RULE = `${PORT_RULE}, or "off"`;
const optionalPort = z.union([port, z.literal('off')], { error: OPTIONAL_PORT_RULE });

const HOST_RULE = 'must be a host name or IP address';
const host = z.string({ error: HOST_RULE }).regex(/^[\w.:%-]+$/, { error: HOST_RULE });

const NETWORK_RULE = 'must be a list of IP addresses, or networks such as 10.0.0.0/8';
const network = z.string({ error: NETWORK_RULE }).refine((text) => {
  const [address = '', bits, ...rest] = text.split('/');
  const bitsMax = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1;
  return (
    bitsMax > 0 && rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= bitsMax))
  );
}, NETWORK_RULE);

const ORIGIN_RULE =
  'must be "same", "*", or a list of origins such as https://app.example.com (no path, no trailing slash) and "same"';
const origin = z
  .string()
  .toLowerCase()
  .refine(
    (text) => text === 'same' || text === 'null' || (URL.canParse(text) && /^[\w+.-]+:\/\/[^/?#]+$/.test(text)),
    ORIGIN_RULE,
  );

const NAME_RULE = 'must be a host name, with or without a port, or "*"';
const hostName = z.string().regex(/^(\*|[\w.-]+(:\d+)?|\[[\da-f:.]+\](:\d+)?)$/i, { error: NAME_RULE });

const VERSION_RULE = 'must be TLSv1.2 or TLSv1.3';
const TLS_RULE = 'must be the name of a file: a certificate (--tls-cert) and its key (--tls-key) belong together';
const tlsFile = z.string({ error: TLS_RULE }).min(1, { error: TLS_RULE });
const tls = z.strictObject({
  certFile: tlsFile.describe(
    'PEM file with the certificate and its intermediate certificates. It is read again when it changes.',
  ),
  keyFile: tlsFile.describe(
    'PEM file with the private key of `certFile`, without a passphrase. It is read again when it changes.',
  ),
  minVersion: z
    .enum(['TLSv1.2', 'TLSv1.3'], { error: VERSION_RULE })
    .default('TLSv1.2')
    .describe('Oldest TLS version that the relay accepts.'),
});

export const listen = section({
  host: host.default('127.0.0.1').describe('Address that the relay listens on for clients.'),
  port: port.default(8080).describe('Port for WebSocket, the HTTP API and the demo page; 0 selects a free port.'),
  path: z
    .string()
    .regex(/^\/[\w\-./~]*$/, { error: 'must be a path such as /ws' })
    .default('/ws')
    .describe('Path of the WebSocket endpoint.'),
  tcpPort: optionalPort
    .default('off')
    .describe('Port for STOMP over TCP, for back ends; `off` disables it, 0 selects a free port.'),
  /** For the public port and the TCP port. The admin port, which the public cannot reach, stays plain. */
  tls: tls.optional(),
  adminPort: optionalPort
    .default(8081)
    .describe(
      'Port for `/livez`, `/readyz`, `/metrics` and the [admin API](admin.md), always plain HTTP; `off` disables it, 0 selects a free port.',
    ),
  adminHost: host.default('127.0.0.1').describe('Address that the admin port listens on.'),
  backlog: whole(65_535, 1, 65_535).describe(
    'Maximum number of connections at each port that wait in the kernel to be accepted. The kernel allows no more than `net.core.somaxconn`.',
  ),
  httpConnectionsMax: whole(10_000, 10, 1_000_000).describe(
    'Maximum number of connections to the public HTTP port that are no sessions or streams (yet). At the TCP port it limits TLS handshakes in progress. At the limit the network with the most of them loses its oldest.',
  ),
  httpHeadersMaxBytes: whole(16 * KIB, 2 * KIB, MIB).describe(
    'Maximum size in bytes of the request line and headers of an HTTP request, cookies included.',
  ),
  trustedProxies: z
    .array(network)
    .default([])
    .describe('Addresses, or networks such as `10.0.0.0/8`, of the proxies whose X-Forwarded-For is trusted.'),
});

export const websocket = section({
  maxPayloadBytes: whole(0, KIB, 512 * MIB)
    .unwrap()
    .optional()
    .describe(
      'Maximum size in bytes of a WebSocket message. Without this option it is twice the size of the largest frame.',
    ),
  beforeLoginMaxPayloadBytes: whole(128 * KIB, KIB, 512 * MIB).describe(
    'Maximum size in bytes of a WebSocket message before login, when a client needs to send only CONNECT.',
  ),
  pingIntervalMs: whole(10_000, 0, DAY_MS).describe(
    'Interval in ms of WebSocket pings; 0 disables them. A client without a sign of life since two pings is cut off.',
  ),
  deflate: flag(false).describe(
    'Offer permessage-deflate. Each connection that uses it costs about 100 KiB of memory and much CPU time.',
  ),
  allowedOrigins: z
    .union([z.literal('same'), z.literal('*'), z.array(origin).min(1)], { error: ORIGIN_RULE })
    .default('same')
    .describe('Origins of web pages that may connect; `same`: pages of this host, `*`: any page.'),
  allowedHosts: z
    .array(hostName)
    .min(1)
    .optional()
    .describe(
      'Host names that the relay answers to. Without this option: on loopback the names of loopback, elsewhere any name.',
    ),
  closeTimeoutMs: whole(2_000, 100, 60_000).describe(
    'Time in ms that a client has to answer when the relay closes its connection.',
  ),
});

export const tcp = section({
  keepAliveMs: whole(30_000, 1_000, DAY_MS).describe('Idle time in ms after which the kernel probes a TCP client.'),
});
