/**
 * The client's address behind trusted proxies. Each proxy appends the address of its own client to X-Forwarded-For. So
 * the last address that does not belong to a trusted proxy is the client's; the client may have forged the addresses
 * before it.
 */
import { isIP } from 'node:net';
import { unmapped } from '../net/ip-address.js';
import { createProxyCheck } from '../net/trusted-proxies.js';

/**
 * Bounds the cost of comparing hops with the proxies: a client can forge thousands. No chain of proxies is this long.
 */
const HOPS_MAX = 32;
/** Room for IPv6 with a zone and a few spaces. */
const ADDRESS_MAX_LENGTH = 100;

export type ClientAddress = (peerAddress: string, forwardedFor: string | undefined) => string;

/** `trustedProxies` are addresses, or networks such as `10.0.0.0/8`. */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddress {
  const isTrusted = createProxyCheck(trustedProxies);
  return (peerAddress, forwardedFor = '') => {
    let client = unmapped(peerAddress);
    for (const hop of forwardedFor.split(',').slice(-HOPS_MAX).reverse()) {
      const address = hop.length > ADDRESS_MAX_LENGTH ? '' : unmapped(hop.trim());
      if (isIP(address) === 0 || !isTrusted(client)) break;
      client = address;
    }
    return client;
  };
}
