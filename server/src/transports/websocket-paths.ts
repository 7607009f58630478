/**
 * The paths of the WebSocket endpoint: first the configured path, then the path with a trailing slash, and
 * `<path>/websocket`, where Spring has the plain WebSocket of a SockJS endpoint.
 */
export function websocketPaths(path: string): readonly [string, ...string[]] {
  const base = path.replace(/\/$/, '');
  const all = [path, base, `${base}/`, `${base}/websocket`];
  return [path, ...new Set(all.slice(1).filter((each) => each !== path && each !== ''))];
}
