/** Where clients come in, and how their connections are kept. */
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
  'must be "same", "*", or origins such as https://app.example.com (no path, no trailing slash), with "same" or without';
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
    'PEM file with the certificate and those that lead to its authority; read again when it changes',
  ),
  keyFile: tlsFile.describe('PEM file with its private key, without a passphrase; read again when it changes'),
  minVersion: z
    .enum(['TLSv1.2', 'TLSv1.3'], { error: VERSION_RULE })
    .default('TLSv1.2')
    .describe('the oldest TLS spoken'),
});

export const listen = section({
  host: host.default('127.0.0.1').describe('address to listen on'),
  port: port.default(8080).describe('port of WebSocket, the HTTP API and the demo page; 0: a free one'),
  path: z
    .string()
    .regex(/^\/[\w\-./~]*$/, { error: 'must be a path such as /ws' })
    .default('/ws')
    .describe('where WebSocket is'),
  tcpPort: optionalPort.default('off').describe('port of STOMP over TCP, for back ends'),
  /** For the public port and the TCP port; the admin port, which the public cannot reach, stays plain. */
  tls: tls.optional(),
  adminPort: optionalPort
    .default(8081)
    .describe('port of `/livez`, `/readyz`, `/metrics` and the [admin API](admin.md), always plain HTTP'),
  adminHost: host.default('127.0.0.1').describe('address of the admin port'),
  backlog: whole(65_535, 1, 65_535).describe(
    'connections that may wait in the kernel to be accepted, at each port; the kernel allows no more than `net.core.somaxconn`',
  ),
  httpConnectionsMax: whole(10_000, 10, 1_000_000).describe(
    'connections at a time to the public HTTP port that are no sessions (yet); TLS handshakes under way at the TCP port',
  ),
  httpHeadersMaxBytes: whole(16 * KIB, 2 * KIB, MIB).describe(
    'what the line and headers of a request may have, cookies included',
  ),
  trustedProxies: z
    .array(network)
    .default([])
    .describe('addresses, or networks such as `10.0.0.0/8`, of proxies whose X-Forwarded-For is believed'),
});

export const websocket = section({
  maxPayloadBytes: whole(0, KIB, 512 * MIB)
    .unwrap()
    .optional()
    .describe('the longest WebSocket message; not given: what the largest frame needs, and as much again'),
  beforeLoginMaxPayloadBytes: whole(128 * KIB, KIB, 512 * MIB).describe(
    'the same before login, when a client needs no more than CONNECT',
  ),
  pingIntervalMs: whole(10_000, 0, DAY_MS).describe(
    'how often a client is pinged; without a sign of life since two pings it is cut off; 0: never',
  ),
  deflate: flag(false).describe('permessage-deflate: about 100 KiB, and much time, for each connection that uses it'),
  allowedOrigins: z
    .union([z.literal('same'), z.literal('*'), z.array(origin).min(1)], { error: ORIGIN_RULE })
    .default('same')
    .describe('origins of web pages that may connect; `same`: pages of this host, `*`: any'),
  allowedHosts: z
    .array(hostName)
    .min(1)
    .optional()
    .describe("names that the relay answers to; not given: loopback's names on loopback, elsewhere any"),
  closeTimeoutMs: whole(2_000, 100, 60_000).describe('how long a client may take to answer a close'),
});

export const tcp = section({
  keepAliveMs: whole(30_000, 1_000, DAY_MS).describe('after how long without traffic the kernel probes a client'),
});
