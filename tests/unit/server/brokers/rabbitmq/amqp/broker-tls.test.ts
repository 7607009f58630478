import { expect, test } from '@jest/globals';
import { tlsConnectOptions, tlsProblem } from '../../../../../../server/src/brokers/rabbitmq/amqp/broker-tls.js';
import { TLS_CIPHERS } from '../../../../../../server/src/net/tls-ciphers.js';

test('certificates are verified, whatever the environment sets, and ciphers are modern', () => {
  const always = { ciphers: TLS_CIPHERS, rejectUnauthorized: true };
  expect(tlsConnectOptions()).toEqual(always);
  expect(tlsConnectOptions({ serverName: 'rabbit.test' })).toEqual({ ...always, servername: 'rabbit.test' });
});

test('TLS problems have a text, and other problems have none', () => {
  const problem = (code: string) => tlsProblem(Object.assign(new Error('text of Node'), { code }));
  expect(problem('CERT_HAS_EXPIRED')).toBe('its certificate has expired');
  expect(problem('CERT_NOT_YET_VALID')).toBe('its certificate is not valid yet');
  expect(problem('SELF_SIGNED_CERT_IN_CHAIN')).toMatch(/rabbitmq\.tls\.caFile/);
  expect(problem('ERR_TLS_CERT_ALTNAME_INVALID')).toMatch(/for other names \(none\).*rabbitmq\.tls\.serverName/);
  expect(problem('ECONNREFUSED')).toBeUndefined();
  expect(tlsProblem(new Error('no code'))).toBeUndefined();
});
