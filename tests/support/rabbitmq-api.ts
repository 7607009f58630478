/** Requests to RabbitMQ's management API, with the credentials of the AMQP url. */

export interface RabbitUrls {
  /** `amqp://user:password@host:port`, with or without a vhost. */
  readonly amqpUrl: string;
  /** `http://host:port`, without credentials. */
  readonly managementUrl: string;
  /** `ws://host:port/ws`: RabbitMQ's own Web STOMP plugin. */
  readonly webStompUrl: string;
  /** RabbitMQ's own STOMP plugin over TCP, on the host of `amqpUrl`. */
  readonly stompPort: number;
}

interface Overview {
  readonly rabbitmq_version: string;
  readonly listeners: readonly { readonly protocol: string }[];
}

/** Throws with RabbitMQ's text unless the answer is 2xx. Resolves with the parsed body, if any. */
export async function callManagement(urls: RabbitUrls, method: string, path: string, body?: unknown): Promise<unknown> {
  const { username, password } = new URL(urls.amqpUrl);
  const credentials = `${decodeURIComponent(username || 'guest')}:${decodeURIComponent(password || 'guest')}`;
  const response = await fetch(`${urls.managementUrl}/api${path}`, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from(credentials).toString('base64')}`,
      'content-type': 'application/json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(15_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`RabbitMQ answered ${method} ${path} with ${response.status}: ${text}`);
  return text === '' ? undefined : (JSON.parse(text) as unknown);
}

/** The version of a node that serves AMQP, STOMP and Web STOMP; undefined until then. */
export async function versionWhenReady(urls: RabbitUrls): Promise<string | undefined> {
  try {
    const overview = (await callManagement(urls, 'GET', '/overview')) as Overview;
    const protocols = new Set(overview.listeners.map((listener) => listener.protocol));
    const ready = ['amqp', 'stomp', 'http/web-stomp'].every((protocol) => protocols.has(protocol));
    return ready ? overview.rabbitmq_version : undefined;
  } catch {
    return undefined;
  }
}
