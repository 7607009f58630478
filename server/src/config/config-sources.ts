/**
 * The sources of settings, by precedence: command-line flags, RELAY_* variables, the YAML file, the defaults of the
 * schema. The table below lists all flags and variables; the file can hold every option. `layer` merges the sources
 * into one plain object, and keeps the origin of each value for error messages.
 */
export interface Setting {
  /** In commander's syntax. */
  readonly flag: string;
  readonly variable: string;
  /** The option in the configuration. */
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
    description: 'Address that the relay listens on for clients.',
    read: asText,
  },
  {
    flag: '--port <port>',
    variable: 'RELAY_PORT',
    path: ['listen', 'port'],
    description: 'Port for WebSocket, the HTTP API and the demo page; 0 selects a free port.',
    read: asNumber,
  },
  {
    flag: '--path <path>',
    variable: 'RELAY_PATH',
    path: ['listen', 'path'],
    description: 'Path of the WebSocket endpoint.',
    read: asText,
  },
  {
    flag: '--broker <url>',
    variable: 'RELAY_BROKER',
    path: ['broker'],
    description:
      'Broker: memory: (embedded, the default) or amqp://user:pass@host:5672/vhost. For a cluster, several addresses ' +
      'separated by commas.',
    read: asText,
  },
  {
    flag: '--tcp-port <port>',
    variable: 'RELAY_TCP_PORT',
    path: ['listen', 'tcpPort'],
    description: 'Port for STOMP over TCP; off disables it, 0 selects a free port.',
    read: asNumber,
  },
  {
    flag: '--tls-cert <file>',
    variable: 'RELAY_TLS_CERT',
    path: ['listen', 'tls', 'certFile'],
    description:
      'PEM file with the certificate for https and wss on --port, and for TLS on --tcp-port. It is read again when it changes.',
    read: asText,
  },
  {
    flag: '--tls-key <file>',
    variable: 'RELAY_TLS_KEY',
    path: ['listen', 'tls', 'keyFile'],
    description: 'PEM file with the private key of --tls-cert, without a passphrase.',
    read: asText,
  },
  {
    flag: '--admin-port <port>',
    variable: 'RELAY_ADMIN_PORT',
    path: ['listen', 'adminPort'],
    description: 'Port for /livez, /readyz, /metrics and the admin API; off disables it, 0 selects a free port.',
    read: asNumber,
  },
  {
    flag: '--admin-host <host>',
    variable: 'RELAY_ADMIN_HOST',
    path: ['listen', 'adminHost'],
    description:
      'Address that the admin port listens on. On other addresses than loopback, the admin API needs admin.tokenHash.',
    read: asText,
  },
  {
    flag: '--workers <count>',
    variable: 'RELAY_WORKERS',
    path: ['workers'],
    description:
      'Number of relay processes behind one port, 1 to 64; auto: one for each core. More than one needs RabbitMQ.',
    read: asNumber,
  },
  {
    flag: '--lag-max <ms>',
    variable: 'RELAY_LAG_MAX',
    path: ['loadShedding', 'lagMaxMs'],
    description: 'Event-loop lag limit in ms. Load shedding starts at half of it; 0 disables it.',
    read: asNumber,
  },
  {
    flag: '--drain-rate <count>',
    variable: 'RELAY_DRAIN_RATE',
    path: ['drain', 'sessionsPerSecond'],
    description:
      'Maximum number of sessions that a stop ends per second, so that their clients do not all reconnect at once.',
    read: asNumber,
  },
  {
    flag: '--ready-delay <ms>',
    variable: 'RELAY_READY_DELAY',
    path: ['drain', 'readyDelayMs'],
    description:
      'Time in ms that a stopping relay still accepts clients after /readyz has turned to 503, for load balancers to notice.',
    read: asNumber,
  },
  {
    flag: '--stop-timeout <ms>',
    variable: 'RELAY_STOP_TIMEOUT',
    path: ['stopTimeoutMs'],
    description: 'Maximum duration of a stop in ms, from the signal to the end of the process.',
    read: asNumber,
  },
  {
    flag: '--allow-origin <origins>',
    variable: 'RELAY_ALLOW_ORIGIN',
    path: ['websocket', 'allowedOrigins'],
    description: 'Origins of web pages that may connect, separated by commas; same: pages of this host, *: any page.',
    read: (text) => (text === 'same' || text === '*' ? text : asList(text)),
  },
  {
    flag: '--allow-host <hosts>',
    variable: 'RELAY_ALLOW_HOST',
    path: ['websocket', 'allowedHosts'],
    description:
      'Host names that the relay answers to, separated by commas; *: any name. Default: on loopback the names of loopback, ' +
      'elsewhere any name.',
    read: asList,
  },
  {
    flag: '--allow-anonymous',
    variable: 'RELAY_ALLOW_ANONYMOUS',
    path: ['auth', 'allowAnonymous'],
    description: 'Accept clients with any login or none, even if other machines can connect.',
    read: asBoolean,
  },
  {
    flag: '--log-level <level>',
    variable: 'RELAY_LOG_LEVEL',
    path: ['log', 'level'],
    description: 'Lowest level of log lines that are written: trace, debug, info, warn, error or silent.',
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

/** Flags under commander's camel-case names: `{ port: '0', allowAnonymous: true }`. */
export type Flags = Readonly<Record<string, unknown>>;
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Layered {
  readonly values: Record<string, unknown>;
  /** The source of the value at this path, such as `--port` or `relay.yaml`. */
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

/** The given flags whose value is an address with a password. `ps` shows the command line to every user. */
export function flagsWithPassword(flags: Flags): Setting[] {
  return SETTINGS.filter(({ flag }) => {
    const given = flags[camelCase(flag.split(' ', 1)[0] ?? flag)];
    return typeof given === 'string' && asList(given).some(hasPassword);
  });
}

/** RabbitMQ's own login for the same machine is no secret. */
function hasPassword(address: string): boolean {
  if (!URL.canParse(address)) return false;
  const { username, password } = new URL(address);
  return password !== '' && !(username === 'guest' && password === 'guest');
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
