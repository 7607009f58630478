import { openGate } from '../../../../server/src/net/client-gate.js';
import { TlsPort } from '../../../../server/src/net/tls-port.js';
import type { TlsPortOptions } from '../../../../server/src/net/tls-port.js';
import type { TestAuthority } from '../../../support/certificates.js';

const LOG = { info: () => undefined, warn: () => undefined };

/** A port with a certificate for this machine. */
export async function openTlsPort(authority: TestAuthority, options: Partial<TlsPortOptions> = {}): Promise<TlsPort> {
  const files = await authority.issueFiles();
  const bounds = { handshakeTimeoutMs: 10_000, unfinishedMax: 100, gate: openGate() };
  return new TlsPort({ ...files, minVersion: 'TLSv1.2', ...bounds, ...options }, LOG);
}
