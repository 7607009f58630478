/**
 * Asks the relay over HTTP whether it accepts connections from this page. A browser does not show the page why a
 * handshake was refused.
 */

/** Empty if unknown: no answer, not a stomp-relay, or no page. */
export interface Admission {
  readonly originAllowed?: boolean;
  readonly error?: string;
  /** A sentence for people. */
  readonly message?: string;
}

/** `url` is the address of the WebSocket. */
export async function askAdmission(url: string, timeoutMs: number): Promise<Admission> {
  try {
    const { fetch, origin } = globalThis as Partial<typeof globalThis>;
    if (!fetch || !origin) return {};
    const { protocol, host, pathname } = new URL(url);
    const path = `${pathname.replace(/\/$/, '')}/info?origin=${encodeURIComponent(origin)}`; // same-origin requests omit Origin
    const answer = await fetch(`${protocol.replace('ws', 'http')}//${host}${path}`, {
      credentials: 'omit',
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { ...((await answer.json()) as Admission | null) };
  } catch {
    return {};
  }
}
