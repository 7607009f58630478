/**
 * TLS to the broker, for `amqps://` addresses. The broker's certificate is always verified, and by name: what cannot be
 * verified is given an authority (`caFile`) or a name (`serverName`), there is no way around it. Files are read for each
 * connection, so that new ones are used without a restart.
 */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import type { ConnectionOptions, PeerCertificate } from 'node:tls';

export interface BrokerTlsOptions {
  /** PEM: who signs the broker's certificate, where that is nobody whom Node knows. */
  readonly caFile?: string | undefined;
  /** PEM: a certificate of the relay's own, and its key, where the broker asks for one. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** The name in the broker's certificate, where the relay connects by another one. */
  readonly serverName?: string | undefined;
}

/** For `tls.connect`. Throws where a file cannot be read or used. */
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
  // named, as the environment (NODE_TLS_REJECT_UNAUTHORIZED) would decide otherwise
  return { ...files, rejectUnauthorized: true, ...(serverName === undefined ? {} : { servername: serverName }) };
}

const UNKNOWN_SIGNER =
  'its certificate is signed by nobody whom the relay trusts: name the authority in rabbitmq.tls.caFile';

/** By Node's codes; those of OpenSSL's verification are among them. */
const PROBLEMS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed: if it is the right one, give it in rabbitmq.tls.caFile',
  CERT_SIGNATURE_FAILURE: UNKNOWN_SIGNER, // an authority of the same name, with another key
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_SIGNER,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_SIGNER,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_SIGNER,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_SIGNER,
  CERT_HAS_EXPIRED: 'its certificate has expired',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS on this port',
};

/** Words for the log; undefined where the error is not of TLS. */
export function tlsProblem({ code = '', ...error }: NodeJS.ErrnoException): string | undefined {
  if (code !== 'ERR_TLS_CERT_ALTNAME_INVALID') return PROBLEMS[code];
  const names = (error as { cert?: PeerCertificate }).cert?.subjectaltname ?? 'none';
  return `its certificate is for other names (${names}): connect by one of them, or give it in rabbitmq.tls.serverName`;
}
