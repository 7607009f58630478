/** TLS between relay and RabbitMQ: verification of certificates, and the errors when it fails. */
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { ConfigError, ConfigInput } from '../../server/src/index.js';
import { createRelay } from '../../server/src/index.js';
import { TestAuthority } from '../support/certificates.js';
import type { CertificateRequest } from '../support/certificates.js';
import { privateNode, rabbitmq } from '../support/rabbitmq.js';
import type { RabbitNode } from '../support/rabbitmq.js';
import { startRelay } from '../support/relay.js';
import { connectStomp } from '../support/stomp-client.js';

jest.setTimeout(60_000); // starts processes and waits for failing connections

let authority: TestAuthority;
let stranger: TestAuthority;
const cleanUp: (() => unknown)[] = [];

beforeAll(async () => {
  authority = await TestAuthority.create();
  stranger = await TestAuthority.create();
});
afterEach(async () => {
  for (const clean of cleanUp.splice(0).reverse()) await clean();
});
afterAll(() => {
  authority.remove();
  stranger.remove();
});

const QUICK = { connectTimeoutMs: 1_500, reconnectMinMs: 50, reconnectMaxMs: 100 };

/** Collects the log lines as text. */
function recordedLog() {
  const lines: string[] = [];
  const add = (details: object, message: string): void => void lines.push(`${message} ${JSON.stringify(details)}`);
  return { lines, log: { trace: add, debug: add, info: add, warn: add, error: add } as never };
}

/** The error with which the start of a relay fails. */
async function startProblem(url: string, tls: NonNullable<ConfigInput['rabbitmq']>['tls']): Promise<string> {
  const { lines, log } = recordedLog();
  const listen = { host: '127.0.0.1', port: 0, adminPort: 0 };
  const relay = createRelay({ broker: url, listen, rabbitmq: { ...QUICK, tls } }, { log });
  const { message } = await relay.start().then(
    () => ({ message: 'it started' }),
    (error: Error) => error,
  );
  await relay.stop();
  for (const text of [message, ...lines]) expect(text).not.toContain('s3cret');
  expect(lines.join('\n')).toContain(/\((.*)\)/s.exec(message)?.[1] ?? message);
  return message;
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** The address of a TLS server with such a certificate and no protocol behind it. */
async function addressOf(request: CertificateRequest, signer = authority): Promise<string> {
  const server = createTlsServer(await signer.issue(request));
  server.on('tlsClientError', () => undefined).on('secureConnection', (socket) => socket.on('error', () => undefined));
  return `amqps://user:s3cret@127.0.0.1:${await listening(server)}`;
}

describe('a certificate that cannot be verified', () => {
  test('the start fails for a certificate signed by an unknown authority', async () => {
    const url = await addressOf({}, stranger);
    expect(await startProblem(url, { caFile: authority.caFile })).toMatch(
      /signed by an authority that the relay does not trust/,
    );
    expect(await startProblem(url, undefined)).toMatch(/signed by an authority that the relay does not trust/);
  });

  test('the start fails for an expired certificate', async () => {
    const url = await addressOf({ validDays: -1 });
    expect(await startProblem(url, { caFile: authority.caFile })).toMatch(/its certificate has expired/);
  });

  test('the start fails for a certificate with another name', async () => {
    const url = await addressOf({ names: ['rabbit.test'] });
    expect(await startProblem(url, { caFile: authority.caFile })).toMatch(
      /is for other names .*rabbit\.test.*rabbitmq\.tls\.serverName/,
    );
  });

  test('the start fails for a self-signed certificate', async () => {
    const server = createTlsServer(await authority.issueSelfSigned());
    server.on('tlsClientError', () => undefined);
    const url = `amqps://user:s3cret@127.0.0.1:${await listening(server)}`;
    expect(await startProblem(url, { caFile: authority.caFile })).toMatch(/its certificate is self-signed/);
  });

  test('the start fails for a server whose ciphers have no forward secrecy', async () => {
    const certificate = await authority.issue({ keyType: 'RSA' });
    const server = createTlsServer({ ...certificate, ciphers: 'AES128-GCM-SHA256', maxVersion: 'TLSv1.2' });
    server.on('tlsClientError', () => undefined);
    const url = `amqps://user:s3cret@127.0.0.1:${await listening(server)}`;
    expect(await startProblem(url, { caFile: authority.caFile })).toMatch(
      /TLS 1\.2 with a cipher of ECDHE and AES-GCM/,
    );
  });

  test('the start fails for a port without TLS', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).end('AMQP\0\0\x09\x01'));
    const url = `amqps://user:s3cret@127.0.0.1:${await listening(server)}`;
    expect(await startProblem(url, undefined)).toMatch(/it does not use TLS on this port/);
  });
});

describe('invalid configurations', () => {
  const problemOf = (config: ConfigInput): readonly string[] => {
    try {
      createRelay({ ...config, log: { level: 'silent' } });
    } catch (error) {
      return (error as ConfigError).problems;
    }
    return [];
  };
  const broker = 'amqps://guest:guest@127.0.0.1:5671';

  test('a missing certificate file is a configuration error', () => {
    const caFile = authority.file('none.pem');
    expect(problemOf({ broker, rabbitmq: { tls: { caFile } } })).toEqual([
      expect.stringMatching(/^rabbitmq\.tls cannot be used: ENOENT.*none\.pem/),
    ]);
  });

  test('a certificate without its key, or with another key, is a configuration error', async () => {
    const { certFile } = await authority.issueFiles();
    const { keyFile } = await authority.issueFiles();
    expect(problemOf({ broker, rabbitmq: { tls: { certFile } } })).toEqual([
      expect.stringMatching(/^rabbitmq\.tls is .*must have certFile and keyFile, or neither/),
    ]);
    expect(problemOf({ broker, rabbitmq: { tls: { certFile, keyFile } } })).toEqual([
      expect.stringMatching(/^rabbitmq\.tls cannot be used: .*key values mismatch/),
    ]);
  });

  test('TLS options for an amqp:// address are a configuration error', () => {
    expect(problemOf({ broker: 'amqp://127.0.0.1', rabbitmq: { tls: { caFile: authority.caFile } } })).toEqual([
      'rabbitmq.tls is given, but the address of the broker (--broker) is not amqps://',
    ]);
  });
});

test('unencrypted credentials for another machine give one warning, which does not contain them', () => {
  const warningsFor = (broker: string, managementUrl?: string): string[] => {
    const { lines, log } = recordedLog();
    createRelay({ broker, rabbitmq: { managementUrl } }, { log });
    return lines.filter((line) => line.includes('unencrypted'));
  };
  expect(warningsFor('amqp://user:s3cret@rabbit.test:5672/vhost, amqp://user:s3cret@other.test')).toEqual([
    expect.stringMatching(/unencrypted: use amqps.*\["rabbit\.test:5672","other\.test"\]/),
  ]);
  expect(warningsFor('amqps://user:s3cret@rabbit.test')).toEqual([]);
  expect(warningsFor('amqps://user:s3cret@rabbit.test', 'http://user:s3cret@rabbit.test:15672')).toEqual([
    expect.stringMatching(/management API unencrypted: use https.*"rabbit\.test:15672"/),
  ]);
  expect(warningsFor('amqps://user:s3cret@rabbit.test', 'https://rabbit.test:15671')).toEqual([]);
  expect(warningsFor('amqp://user:s3cret@127.0.0.1:5672')).toEqual([]);
});

describe('a real RabbitMQ', () => {
  let node: RabbitNode;
  let nodeAuthority: TestAuthority;
  beforeAll(async () => {
    nodeAuthority = await TestAuthority.create();
    node = await privateNode({ tls: await nodeAuthority.issueFiles({ names: ['rabbit.test'] }) });
  }, 180_000);
  afterAll(async () => {
    await node?.stop();
    nodeAuthority.remove();
  });

  test('a relay connects to RabbitMQ over TLS by the name in its certificate, for topics and queues', async () => {
    const tls = { caFile: nodeAuthority.caFile, serverName: 'rabbit.test' };
    const relay = await startRelay(node.amqpsUrl, { rabbitmq: { tls } });
    cleanUp.push(() => relay.stop());
    const client = await connectStomp(relay.tcpUrl);
    cleanUp.push(() => client.destroy());
    for (const destination of ['/topic/over-tls', '/queue/over-tls']) {
      await client.receipt('SUBSCRIBE', { id: destination, destination });
      await client.receipt('SEND', { destination }, 'hello');
      expect((await client.expectFrame('MESSAGE', { subscription: destination })).body.toString()).toBe('hello');
    }
    const connections = (await node.ctl('list_connections', 'ssl', '--silent')).trim().split('\n');
    expect([...new Set(connections)]).toEqual(['true']);
  });

  test('the authenticator rabbitmq checks logins over TLS', async () => {
    const tls = { caFile: nodeAuthority.caFile, serverName: 'rabbit.test' };
    const auth = { authenticators: [{ kind: 'rabbitmq' as const }] };
    await node.ctl('add_user', 'ada', 'right');
    await node.ctl('set_permissions', 'ada', '^$', '^$', '^$');
    const relay = await startRelay(node.amqpsUrl, { rabbitmq: { tls }, auth });
    cleanUp.push(() => relay.stop());
    const client = await connectStomp(relay.tcpUrl, { login: 'ada', passcode: 'right' });
    client.destroy();
    await expect(connectStomp(relay.tcpUrl, { login: 'ada', passcode: 'wrong' })).rejects.toThrow(
      'authentication-failed',
    );
  });

  test('the start fails if the certificate of RabbitMQ has another name', async () => {
    expect(await startProblem(node.amqpsUrl, { caFile: nodeAuthority.caFile })).toMatch(/is for other names/);
  });

  test('a corrected authority file is used at the next connection attempt', async () => {
    const caFile = nodeAuthority.file('changed.pem');
    copyFileSync(stranger.caFile, caFile);
    const { lines, log } = recordedLog();
    const tls = { caFile, serverName: 'rabbit.test' };
    const options = {
      broker: node.amqpsUrl,
      listen: { port: 0, adminPort: 0 },
      rabbitmq: { ...QUICK, connectTimeoutMs: 20_000, tls },
    };
    const relay = createRelay(options, {
      log: {
        ...(log as object),
        warn: (details: object, message: string) => {
          lines.push(`${message} ${JSON.stringify(details)}`);
          if (message === 'cannot reach RabbitMQ') copyFileSync(nodeAuthority.caFile, caFile);
        },
      } as never,
    });
    cleanUp.push(() => relay.stop());
    await relay.start();
    expect(lines.some((line) => line.includes('signed by an authority that the relay does not trust'))).toBe(true);
  });
});

test('the start fails with a clear reason for an amqps:// address without TLS', async () => {
  const url = rabbitmq().amqpUrl.replace('amqp:', 'amqps:');
  expect(await startProblem(url, undefined)).toMatch(/it does not use TLS on this port|RabbitMQ could not be reached/);
});
