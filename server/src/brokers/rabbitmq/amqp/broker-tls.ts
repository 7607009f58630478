/**
 * TLS to the broker, for `amqps://` addresses. The relay always verifies the broker's certificate and its name, and no
 * option turns that off. `caFile` adds an authority and `serverName` sets another name. Files are read for each
 * connection, so new files take effect without a restart.
 */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { ConnectionOptions, PeerCertificate } from 'node:tls';
import { TLS_CIPHERS } from '../../../net/tls-ciphers.js';

export interface BrokerTlsOptions {
  /** PEM: the authority that signed the broker's certificate, if Node does not trust it already. */
  readonly caFile?: string | undefined;
  /** PEM: the relay's own certificate and its key, if the broker requires one. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** The name in the broker's certificate, if it differs from the name in the url. */
  readonly serverName?: string | undefined;
}

/** For `tls.connect`. Throws if a file cannot be read or used. */
export function tlsConnectOptions(options: BrokerTlsOptions = {}): ConnectionOptions {
  const { caFile, certFile, keyFile, serverName } = options;
  const files = {
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
    ...(certFile === undefined ? {} : { cert: readFileSync(certFile) }),
    ...(keyFile === undefined ? {} : { key: readFileSync(keyFile) }),
  };
  try {
    createSecureContext(files);
  } catch (cause) {
    const names = [caFile, certFile, keyFile].filter((name) => name !== undefined).join(', ');
    throw new Error(`${names} cannot be used for TLS: ${(cause as Error).message}`, { cause });
  }
  // Explicit, because NODE_TLS_REJECT_UNAUTHORIZED would override the default
  const always = { ciphers: TLS_CIPHERS, rejectUnauthorized: true };
  return { ...files, ...always, ...(serverName === undefined ? {} : { servername: serverName }) };
}

const UNKNOWN_SIGNER =
  'its certificate is signed by an authority that the relay does not trust: name that authority in rabbitmq.tls.caFile';

const NO_CIPHER =
  'it refused the handshake: it needs TLS 1.3, or TLS 1.2 with a cipher of ECDHE and AES-GCM or ChaCha20, and perhaps a ' +
  'client certificate (rabbitmq.tls.certFile)';

/** By Node's error codes, which include those of OpenSSL's verification. */
const PROBLEMS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed: if it is the right one, set rabbitmq.tls.caFile to it',
  CERT_SIGNATURE_FAILURE: UNKNOWN_SIGNER, // an authority with the same name, but another key
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_SIGNER,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_SIGNER,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_SIGNER,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_SIGNER,
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: NO_CIPHER,
  'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE': NO_CIPHER, // Node 24
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not use TLS on this port',
};

/** A text for the log; undefined if the error is not about TLS. */
export function tlsProblem({ code = '', ...error }: NodeJS.ErrnoException): string | undefined {
  if (code !== 'ERR_TLS_CERT_ALTNAME_INVALID') return PROBLEMS[code];
  const names = (error as { cert?: PeerCertificate }).cert?.subjectaltname ?? 'none';
  return `its certificate is for other names (${names}): connect to one of them, or set rabbitmq.tls.serverName to one`;
}
