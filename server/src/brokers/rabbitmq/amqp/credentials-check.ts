/**
 * Whether RabbitMQ lets somebody in with these credentials: a connection of its own to the relay's virtual host is opened
 * with them, and closed. Nothing is done on it.
 */
import { credentials } from 'amqplib';
import type { ChannelModel } from 'amqplib';
import { destroy, isLoginRefused, isVhostRefused, openModel, type OpenOptions, shuffled } from './open-model.js';
import { answeredWithin } from './wait-deadline.js';

const CLOSE_TIMEOUT_MS = 1_000;

export interface CredentialsCheckOptions extends OpenOptions {
  readonly urls: readonly string[];
  readonly instanceId: string;
  /** Whether the relay itself can use the virtual host: then one that is refused is refused to this user. */
  isUp(): boolean;
}

/**
 * False where the password is wrong, or the user may not use the virtual host. Rejects where no node gave an answer. Nodes
 * are tried in random order until one does, or `signal` says that nobody waits any more.
 */
export async function checkCredentials(
  login: string,
  passcode: string,
  signal: AbortSignal,
  options: CredentialsCheckOptions,
): Promise<boolean> {
  let problem = new Error('RabbitMQ could not be asked');
  for (const url of shuffled(options.urls)) {
    signal.throwIfAborted();
    try {
      const model = await openModel(url, `${options.instanceId} login`, options, credentials.plain(login, passcode));
      await close(model);
      return true;
    } catch (error) {
      problem = error as Error;
      if (isLoginRefused(problem)) return false;
      // A virtual host that is not there, or only just starts, is refused in the same way
      if (isVhostRefused(problem) && options.isUp()) return false;
    }
  }
  throw problem;
}

async function close(model: ChannelModel): Promise<void> {
  model.on('error', () => undefined); // one that nobody hears ends the process
  await answeredWithin(model.close(), CLOSE_TIMEOUT_MS, 'did not answer connection.close').catch(() => undefined);
  destroy(model);
}
