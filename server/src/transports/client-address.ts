/**
 * Whose connection it is where proxies of one's own stand in between: each adds, at the end of X-Forwarded-For, the address
 * that it was reached from. So read from the end, the first that is no trusted proxy's is the client's; what stands before
 * it the client may have made up.
 */
import { BlockList, isIP, isIPv6 } from 'node:net';

/** Each hop is compared with the proxies, and a client can make up thousands of them: no chain of proxies is so long. */
const HOPS_MAX = 32;
/** IPv6 with a zone and a few spaces. */
const ADDRESS_MAX_LENGTH = 100;

export type ClientAddress = (peerAddress: string, forwardedFor: string | undefined) => string;

/** `trustedProxies` are addresses, or networks such as `10.0.0.0/8`. */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddress {
  const trusted = new BlockList();
  for (const proxy of trustedProxies) {
    const [address = '', bits] = proxy.split('/');
    trusted.addSubnet(address, Number(bits ?? (isIPv6(address) ? 128 : 32)), familyOf(address));
  }
  return (peerAddress, forwardedFor = '') => {
    let client = plain(peerAddress);
    for (const hop of forwardedFor.split(',').slice(-HOPS_MAX).reverse()) {
      const address = hop.length > ADDRESS_MAX_LENGTH ? '' : plain(hop.trim());
      if (isIP(address) === 0 || !trusted.check(client, familyOf(client))) break;
      client = address;
    }
    return client;
  };
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIPv6(address) ? 'ipv6' : 'ipv4');

/** IPv4 may come mapped into IPv6. */
function plain(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address;
}
