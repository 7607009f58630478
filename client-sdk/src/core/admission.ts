/** Whether the relay takes connections of this page, as it says over HTTP: of a handshake that was refused, a browser shows nothing. */

/** Empty where that is not known: it does not answer, is no stomp-relay, or there is no page. */
export interface Admission {
  readonly originAllowed?: boolean;
  readonly error?: string;
  /** A sentence for people. */
  readonly message?: string;
}

/** `url` is that of the WebSocket. */
export async function askAdmission(url: string, timeoutMs: number): Promise<Admission> {
  try {
    const { fetch, origin } = globalThis as Partial<typeof globalThis>;
    if (!fetch || !origin) return {};
    const { protocol, host, pathname } = new URL(url);
    const path = `${pathname.replace(/\/$/, '')}/info?origin=${encodeURIComponent(origin)}`; // asking its own host, a browser names none
    const answer = await fetch(`${protocol.replace('ws', 'http')}//${host}${path}`, {
      credentials: 'omit',
      signal: AbortSignal.timeout(timeoutMs),
    });
    return { ...((await answer.json()) as Admission | null) };
  } catch {
    return {};
  }
}
