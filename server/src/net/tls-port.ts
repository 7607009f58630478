/**
 * TLS for the relay's listeners. Certificate and key come from files that may be replaced while the relay runs; new
 * connections then get the new pair. An unfinished handshake costs a client nothing and the relay tens of kilobytes, so
 * handshakes have a deadline, and the number of unfinished connections is bounded.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { SecureContextOptions, Server, TLSSocket, TlsOptions } from 'node:tls';
import type { Log } from '../process/log.js';
import type { ClientGate } from './client-gate.js';
import { TLS_CIPHERS } from './tls-ciphers.js';
import { finishConnection, UnfinishedConnections } from './unfinished-connections.js';
import { WatchedFile } from './watched-file.js';

export interface TlsPortOptions {
  /** PEM: the relay's certificate and its intermediate certificates. */
  readonly certFile: string;
  /** PEM, without a passphrase. */
  readonly keyFile: string;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** Time limit of a handshake. */
  readonly handshakeTimeoutMs: number;
  /** Maximum number of unfinished connections of each listener. Further connections are cut off. */
  readonly unfinishedMax: number;
  readonly gate: ClientGate;
}

/** The event that finishes a connection; other limits then apply to it: the session on TCP, the upgrade on HTTP. */
export type HandshakeDone = 'secureConnection' | 'upgrade';

export class TlsPort {
  private readonly files: WatchedFile<SecureContextOptions>;
  private readonly servers = new Map<Server, UnfinishedConnections>();

  /** Throws if the files cannot be read or do not match. `pollMs` is the interval at which the files are checked. */
  constructor(
    private readonly options: TlsPortOptions,
    log: Pick<Log, 'info' | 'warn'>,
    pollMs?: number,
  ) {
    const { certFile, keyFile, minVersion } = options;
    this.files = new WatchedFile({
      paths: [certFile, keyFile],
      ...(pollMs === undefined ? {} : { pollMs }),
      parse: ([cert = Buffer.alloc(0), key = Buffer.alloc(0)]) => {
        const context = { cert, key, minVersion, ciphers: TLS_CIPHERS };
        const { validTo } = checkPair(context, options);
        if (Date.parse(validTo) < Date.now()) log.warn({ certFile, validTo }, 'the certificate has expired');
        return context;
      },
      onChange: (context) => {
        for (const server of this.servers.keys()) server.setSecureContext(context);
      },
      log,
    });
  }

  /** Options for `tls.createServer` and `https.createServer`. */
  get serverOptions(): TlsOptions {
    return { ...this.files.value, handshakeTimeout: this.options.handshakeTimeoutMs };
  }

  /** Keeps the certificate of a server up to date, and bounds its unfinished connections. */
  guard(server: Server, doneEvent: HandshakeDone): UnfinishedConnections {
    const unfinished = new UnfinishedConnections(server, { ...this.options, max: this.options.unfinishedMax });
    this.servers.set(server, unfinished);
    server.on(doneEvent, (...args: unknown[]) =>
      finishConnection(args.at(doneEvent === 'upgrade' ? 1 : 0) as TLSSocket),
    );
    server.on('tlsClientError', (_error, socket: TLSSocket) => socket.destroy());
    return unfinished;
  }

  /** Destroys the remaining connections, which are the unfinished ones. */
  close(): void {
    this.files.close();
    for (const unfinished of this.servers.values()) unfinished.destroy();
  }
}

interface Pair {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly minVersion: TlsPortOptions['minVersion'];
}

function checkPair(pair: Pair, { certFile, keyFile }: TlsPortOptions): X509Certificate {
  const certificate = readCertificate(pair.cert, certFile);
  if (!certificate.checkPrivateKey(readKey(pair.key, keyFile))) {
    throw new Error(`the key in ${keyFile} does not belong to the certificate in ${certFile}`);
  }
  createSecureContext(pair); // further checks of TLS, such as for a key that is too short
  return certificate;
}

function readCertificate(cert: Buffer, file: string): X509Certificate {
  try {
    return new X509Certificate(cert);
  } catch (cause) {
    throw new Error(`${file} holds no certificate in PEM`, { cause });
  }
}

function readKey(key: Buffer, file: string): KeyObject {
  try {
    return createPrivateKey(key);
  } catch (cause) {
    throw new Error(`${file} holds no private key in PEM without a passphrase`, { cause });
  }
}
