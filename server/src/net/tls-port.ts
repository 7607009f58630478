/**
 * TLS for the relay's listeners: certificate and key from files that may be replaced while it runs (new connections get the
 * new ones), and a bound on connections that have not come through the door yet. Half of a handshake costs a client nothing
 * and the relay tens of kilobytes: so it has a deadline, and so many may be under way.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { SecureContextOptions, Server, TLSSocket, TlsOptions } from 'node:tls';
import { WatchedFile } from './watched-file.js';
import type { Log } from '../process/log.js';

export interface TlsPortOptions {
  /** PEM: the relay's certificate, and those between it and the authority's. */
  readonly certFile: string;
  /** PEM, without a passphrase. */
  readonly keyFile: string;
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3';
  /** How long a client may take for its handshake. */
  readonly handshakeTimeoutMs: number;
  /** Connections at a time, of each listener, that are not through the door; who comes beyond is cut off without a word. */
  readonly unfinishedMax: number;
}

/** What makes of a connection somebody else's to bound: a session's begin on TCP, or the upgrade to WebSocket on HTTP. */
export type HandshakeDone = 'secureConnection' | 'upgrade';

export class TlsPort {
  private readonly files: WatchedFile<SecureContextOptions>;
  private readonly servers = new Map<Server, Set<Socket>>();

  /** Throws where the files cannot be read or do not fit. `pollMs`: how often the files are looked at. */
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
        const context = { cert, key, minVersion };
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

  /** For `tls.createServer` and `https.createServer`. */
  get serverOptions(): TlsOptions {
    return { ...this.files.value, handshakeTimeout: this.options.handshakeTimeoutMs };
  }

  /** Keeps the certificate of a server up to date, and its doorway bounded. */
  guard(server: Server, door: HandshakeDone): void {
    const open = new Set<Socket>();
    let insideCount = 0;
    this.servers.set(server, open);
    // one function of each kind for all sockets
    function onClose(this: Socket): void {
      open.delete(this);
    }
    function onInsideClose(): void {
      insideCount--;
    }
    server.on('connection', (socket: Socket) => {
      if (open.size - insideCount >= this.options.unfinishedMax) {
        socket.destroy();
        return;
      }
      open.add(socket);
      socket.on('close', onClose);
    });
    server.on(door, (...args: unknown[]) => {
      const socket = args.at(door === 'upgrade' ? 1 : 0) as TLSSocket;
      if (socket.closed) return;
      insideCount++;
      socket.on('close', onInsideClose);
    });
    server.on('tlsClientError', (_error, socket: TLSSocket) => socket.destroy());
  }

  /** Ends the connections that are left, which are those in the doorway. */
  close(): void {
    this.files.close();
    for (const open of this.servers.values()) for (const socket of open) socket.destroy();
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
  createSecureContext(pair); // what else TLS minds, such as a key that is too short
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
