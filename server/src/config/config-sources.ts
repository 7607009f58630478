/**
 * Where settings come from: command-line flags, then RELAY_* variables, then the YAML file, then the defaults of the
 * schema. The table below is all that can be given as a flag or variable; the file can hold every option. Sources are
 * laid over each other into one plain object that remembers, for error messages, who said what.
 */
export interface Setting {
  /** As commander declares it. */
  readonly flag: string;
  readonly variable: string;
  /** Where it stands in the configuration. */
  readonly path: readonly string[];
  readonly description: string;
  readonly read: (text: string) => unknown;
}

const asText = (text: string): string => text;
const asNumber = (text: string): unknown => (/^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text);
const asList = (text: string): string[] => text.split(',').flatMap((item) => item.trim() || []);

function asBoolean(text: string): unknown {
  if (/^(true|1|yes|on)$/i.test(text)) return true;
  return /^(false|0|no|off)$/i.test(text) ? false : text;
}

export const SETTINGS: readonly Setting[] = [
  {
    flag: '--host <host>',
    variable: 'RELAY_HOST',
    path: ['listen', 'host'],
    description: 'address to listen on',
    read: asText,
  },
  {
    flag: '--port <port>',
    variable: 'RELAY_PORT',
    path: ['listen', 'port'],
    description: 'port for WebSocket and the demo page; 0 = a free one',
    read: asNumber,
  },
  {
    flag: '--path <path>',
    variable: 'RELAY_PATH',
    path: ['listen', 'path'],
    description: 'path of the WebSocket endpoint',
    read: asText,
  },
  {
    flag: '--broker <url>',
    variable: 'RELAY_BROKER',
    path: ['broker'],
    description:
      'memory: (embedded, the default), or amqp://user:pass@host:5672/vhost; several, comma separated, for a cluster',
    read: asText,
  },
  {
    flag: '--tcp-port <port>',
    variable: 'RELAY_TCP_PORT',
    path: ['listen', 'tcpPort'],
    description: 'port for STOMP over TCP; off = none, 0 = a free one',
    read: asNumber,
  },
  {
    flag: '--tls-cert <file>',
    variable: 'RELAY_TLS_CERT',
    path: ['listen', 'tls', 'certFile'],
    description: 'certificate (PEM): https and wss on the port, TLS on the TCP port; read again when it changes',
    read: asText,
  },
  {
    flag: '--tls-key <file>',
    variable: 'RELAY_TLS_KEY',
    path: ['listen', 'tls', 'keyFile'],
    description: 'its private key (PEM)',
    read: asText,
  },
  {
    flag: '--admin-port <port>',
    variable: 'RELAY_ADMIN_PORT',
    path: ['listen', 'adminPort'],
    description: 'port for /livez, /readyz, /metrics and the admin API; off = none, 0 = a free one',
    read: asNumber,
  },
  {
    flag: '--admin-host <host>',
    variable: 'RELAY_ADMIN_HOST',
    path: ['listen', 'adminHost'],
    description: 'address of the admin port; beyond loopback the admin API needs admin.tokenHash',
    read: asText,
  },
  {
    flag: '--workers <count>',
    variable: 'RELAY_WORKERS',
    path: ['workers'],
    description: 'worker processes behind one port, 1 to 64; auto = one for each core (needs RabbitMQ)',
    read: asNumber,
  },
  {
    flag: '--lag-max <ms>',
    variable: 'RELAY_LAG_MAX',
    path: ['loadShedding', 'lagMaxMs'],
    description: 'event-loop lag that is not to be reached: from half of it on, load is shed; 0 = never',
    read: asNumber,
  },
  {
    flag: '--drain-rate <count>',
    variable: 'RELAY_DRAIN_RATE',
    path: ['drain', 'sessionsPerSecond'],
    description: 'how many sessions a stop ends in a second at most, so that their clients do not return all at once',
    read: asNumber,
  },
  {
    flag: '--ready-delay <ms>',
    variable: 'RELAY_READY_DELAY',
    path: ['drain', 'readyDelayMs'],
    description: 'how long a stop still lets clients in after /readyz says no, for load balancers to notice',
    read: asNumber,
  },
  {
    flag: '--stop-timeout <ms>',
    variable: 'RELAY_STOP_TIMEOUT',
    path: ['stopTimeoutMs'],
    description: 'how long a stop takes at most',
    read: asNumber,
  },
  {
    flag: '--allow-origin <origins>',
    variable: 'RELAY_ALLOW_ORIGIN',
    path: ['websocket', 'allowedOrigins'],
    description: 'origins of pages that may connect, comma separated; same = pages of this host, * = any',
    read: (text) => (text === 'same' || text === '*' ? text : asList(text)),
  },
  {
    flag: '--allow-host <hosts>',
    variable: 'RELAY_ALLOW_HOST',
    path: ['websocket', 'allowedHosts'],
    description: 'names that this relay answers to, comma separated; * = any (default: loopback names on loopback)',
    read: asList,
  },
  {
    flag: '--allow-anonymous',
    variable: 'RELAY_ALLOW_ANONYMOUS',
    path: ['auth', 'allowAnonymous'],
    description: 'accept any login, and none, also on a host that is not loopback',
    read: asBoolean,
  },
  {
    flag: '--log-level <level>',
    variable: 'RELAY_LOG_LEVEL',
    path: ['log', 'level'],
    description: 'trace, debug, info, warn, error or silent',
    read: asText,
  },
  {
    flag: '--log-format <format>',
    variable: 'RELAY_LOG_FORMAT',
    path: ['log', 'format'],
    description: 'format of the log: auto (text on a terminal, JSON elsewhere), json or text',
    read: asText,
  },
];

/** Flags as given: `{ port: '0', allowAnonymous: true }`, under commander's camel-case names. */
export type Flags = Readonly<Record<string, unknown>>;
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Layered {
  readonly values: Record<string, unknown>;
  /** Who set the value at this path, such as `--port` or `relay.yaml`. */
  originOf(path: readonly PropertyKey[]): string;
}

export function layer(
  file: { readonly name: string; readonly values: Record<string, unknown> } | undefined,
  environment: Environment,
  flags: Flags,
): Layered {
  const values = structuredClone(file?.values ?? {});
  const origins = new Map<string, string>();
  for (const { flag, variable, path, read } of SETTINGS) {
    const name = flag.split(' ', 1)[0] ?? flag;
    const given = flags[camelCase(name)];
    const inEnvironment = environment[variable];
    if (given !== undefined) {
      assign(values, path, typeof given === 'string' ? read(given) : given);
      origins.set(path.join('.'), name);
    } else if (inEnvironment !== undefined && inEnvironment !== '') {
      assign(values, path, read(inEnvironment));
      origins.set(path.join('.'), variable);
    }
  }
  return {
    values,
    originOf(path) {
      for (let length = path.length; length > 0; length--) {
        const origin = origins.get(path.slice(0, length).join('.'));
        if (origin !== undefined) return origin;
      }
      return valueAt(values, path) === undefined ? 'default' : (file?.name ?? 'default');
    },
  };
}

export function valueAt(values: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[key] : undefined,
    values,
  );
}

function assign(values: Record<string, unknown>, path: readonly string[], value: unknown): void {
  const [key = '', ...rest] = path;
  if (rest.length === 0) {
    values[key] = value;
    return;
  }
  const inner = values[key];
  const section = typeof inner === 'object' && inner !== null ? (inner as Record<string, unknown>) : {};
  values[key] = section;
  assign(section, rest, value);
}

function camelCase(flag: string): string {
  return flag.replace(/^--/, '').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}
