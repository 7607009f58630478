/** Whether a host name or IP address is this machine talking to itself. */
export function isLoopback(host: string): boolean {
  const plain = host.replace(/^::ffff:/, ''); // IPv4 may come mapped into IPv6
  return plain === 'localhost' || plain === '::1' || plain === '[::1]' || /^127(\.\d{1,3}){3}$/.test(plain);
}
