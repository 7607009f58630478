/**
 * The relay and the user of this tab. Other settings need another client: the provider closes the old client and
 * connects the new one, and every hook below it resubscribes.
 */
import { createContext, useCallback, useContext, useMemo, useState } from 'react';
import type { ReactNode } from 'react';
import { createClient } from 'stomp-relay-client';
import { RelayProvider } from 'stomp-relay-client/react';

export interface Settings {
  readonly url: string;
  /** Empty for an anonymous user. */
  readonly login: string;
  /** A passcode, or a token if there is no login. It is not stored. */
  readonly secret: string;
}

interface SessionValue {
  readonly settings: Settings;
  readonly connectWith: (changes: Partial<Settings>) => void;
}

const LOGIN_KEY = 'stomp-relay.login';
const SessionContext = createContext<SessionValue | undefined>(undefined);

interface SessionProps {
  /** The path of the relay's WebSocket on the page's host. */
  readonly path: string;
  readonly children: ReactNode;
}

export function Session({ path, children }: SessionProps) {
  const [settings, setSettings] = useState<Settings>(() => ({
    url: new URL(path, location.href.replace(/^http/, 'ws')).href,
    login: sessionStorage.getItem(LOGIN_KEY) ?? '',
    secret: '',
  }));
  const client = useMemo(() => clientFor(settings), [settings]);

  const connectWith = useCallback((changes: Partial<Settings>) => {
    if (changes.login !== undefined) sessionStorage.setItem(LOGIN_KEY, changes.login);
    setSettings((before) => ({ ...before, ...changes }));
  }, []);
  const value = useMemo(() => ({ settings, connectWith }), [settings, connectWith]);

  return (
    <SessionContext value={value}>
      <RelayProvider client={client}>{children}</RelayProvider>
    </SessionContext>
  );
}

export function useSession(): SessionValue {
  const value = useContext(SessionContext);
  if (value === undefined) throw new Error('There is no <Session> around this component.');
  return value;
}

function clientFor({ url, login, secret }: Settings) {
  if (login !== '') return createClient({ url, login, passcode: secret });
  return createClient(secret === '' ? { url } : { url, token: secret });
}
