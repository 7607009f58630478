/** IP addresses: loopback, IPv4 within IPv6, and the network of a client. */

/** Undoes the mapping of IPv4 into IPv6, which listeners on `::` show. */
export function unmapped(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice('::ffff:'.length) : address;
}

/** True if a host name or IP address is loopback. */
export function isLoopback(host: string): boolean {
  const plain = unmapped(host);
  return plain === 'localhost' || plain === '::1' || plain === '[::1]' || /^127(\.\d{1,3}){3}$/.test(plain);
}

/** The addresses that one client may have: an IPv4 address, or the first 64 bits of an IPv6 address. */
export function networkOf(mapped: string): string {
  const address = unmapped(mapped);
  if (!address.includes(':')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':').filter(Boolean);
  const after = tail?.split(':').filter(Boolean) ?? [];
  const zeros = tail === undefined ? [] : Array<string>(8 - groups.length - after.length).fill('0');
  return [...groups, ...zeros, ...after].slice(0, 4).join(':');
}
