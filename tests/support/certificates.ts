/** A certificate authority for tests, with files in a directory that is removed at the end of the test file. */
import 'reflect-metadata';
import { randomUUID, webcrypto } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as x509 from '@peculiar/x509';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: 'SHA-256',
};
const DAY_MS = 86_400_000;

export interface CertificateRequest {
  /** DNS names and IP addresses. */
  readonly names?: readonly string[];
  /** Days from now; negative for an expired certificate. */
  readonly validDays?: number;
  /** Default: P-256. */
  readonly keyType?: 'RSA';
}

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

/** As PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export class TestAuthority {
  private constructor(
    /** World-readable, because RabbitMQ may run as another user. */
    readonly directory: string,
    /** The authority's own certificate. */
    readonly caFile: string,
    private readonly root: { readonly certificate: x509.X509Certificate; readonly keys: CryptoKeyPair },
  ) {}

  static async create(): Promise<TestAuthority> {
    x509.cryptoProvider.set(webcrypto as Crypto);
    const keys = await generateKeys();
    const certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: '01',
      name: `CN=stomp-relay tests ${randomUUID()}`,
      notBefore: new Date(Date.now() - 40 * DAY_MS),
      notAfter: new Date(Date.now() + 40 * DAY_MS),
      signingAlgorithm: ALGORITHM,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 1, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      ],
    });
    const directory = mkdtempSync(path.join(process.getuid?.() === 0 ? '/tmp' : tmpdir(), 'relay-certificates-'));
    chmodSync(directory, 0o755);
    const caFile = path.join(directory, 'ca.pem');
    writeFileSync(caFile, certificate.toString('pem'));
    return new TestAuthority(directory, caFile, { certificate, keys });
  }

  get ca(): string {
    return this.root.certificate.toString('pem');
  }

  async issue(request: CertificateRequest = {}): Promise<Certificate> {
    const { names = ['localhost', '127.0.0.1'], validDays = 30, keyType } = request;
    const keys = await generateKeys(keyType === 'RSA' ? RSA : ALGORITHM);
    const end = Date.now() + validDays * DAY_MS;
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: randomUUID().replaceAll('-', '').replace(/^./, '1'),
      subject: `CN=${names[0]}`,
      issuer: this.root.certificate.subject,
      notBefore: new Date(Math.min(Date.now(), end) - DAY_MS),
      notAfter: new Date(end),
      signingKey: this.root.keys.privateKey,
      publicKey: keys.publicKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.SubjectAlternativeNameExtension(
          names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
        ),
      ],
    });
    return { cert: certificate.toString('pem'), key: await pemOf(keys.privateKey) };
  }

  /** Signed by itself. */
  async issueSelfSigned(): Promise<Certificate> {
    const keys = await generateKeys();
    const extensions = [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])];
    const generator = x509.X509CertificateGenerator;
    const certificate = await generator.createSelfSigned({
      name: 'CN=self',
      keys,
      signingAlgorithm: ALGORITHM,
      extensions,
    });
    return { cert: certificate.toString('pem'), key: await pemOf(keys.privateKey) };
  }

  /** Writes certificate and key to new files. */
  async issueFiles(request: CertificateRequest = {}): Promise<CertificateFiles> {
    const name = randomUUID();
    const files = { certFile: this.file(`${name}.cert.pem`), keyFile: this.file(`${name}.key.pem`) };
    const { cert, key } = await this.issue(request);
    writeFileSync(files.certFile, cert);
    writeFileSync(files.keyFile, key, { mode: 0o644 });
    return files;
  }

  file(name: string): string {
    return path.join(this.directory, name);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function generateKeys(algorithm: typeof ALGORITHM | typeof RSA = ALGORITHM): Promise<CryptoKeyPair> {
  return await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
}

async function pemOf(key: CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
}
