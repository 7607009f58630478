/** The addresses and networks of `listen.trustedProxies`, such as `10.0.0.0/8`. */
import { BlockList, isIP, isIPv6 } from 'node:net';

/** `address` may be any text; only addresses can be trusted. */
export type IsTrustedProxy = (address: string) => boolean;

export function createProxyCheck(trustedProxies: readonly string[]): IsTrustedProxy {
  const trusted = new BlockList();
  for (const proxy of trustedProxies) {
    const [address = '', bits] = proxy.split('/');
    trusted.addSubnet(address, Number(bits ?? (isIPv6(address) ? 128 : 32)), familyOf(address));
  }
  return (address) => isIP(address) !== 0 && trusted.check(address, familyOf(address));
}

const familyOf = (address: string): 'ipv4' | 'ipv6' => (isIPv6(address) ? 'ipv6' : 'ipv4');
