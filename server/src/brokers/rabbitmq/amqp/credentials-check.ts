/**
 * Checks credentials with RabbitMQ: opens a connection to the relay's virtual host with them, closes it, and does
 * nothing else.
 */
import { credentials } from 'amqplib';
import type { ChannelModel } from 'amqplib';
import { destroy, isLoginRefused, isVhostRefused, openModel, shuffled } from './open-model.js';
import type { OpenOptions } from './open-model.js';
import { answeredWithin } from './wait-deadline.js';

const CLOSE_TIMEOUT_MS = 1_000;

export interface CredentialsCheckOptions extends OpenOptions {
  readonly urls: readonly string[];
  readonly instanceId: string;
  /** Whether the relay itself can use the virtual host. If it can, a refused virtual host is refused to this user. */
  isUp(): boolean;
}

/**
 * Resolves with false if the password is wrong or the user may not use the virtual host. Rejects if no node answered.
 * Tries the nodes in random order until one answers or `signal` aborts.
 */
export async function checkCredentials(
  login: string,
  passcode: string,
  signal: AbortSignal,
  options: CredentialsCheckOptions,
): Promise<boolean> {
  let problem = new Error('RabbitMQ could not check the login');
  for (const url of shuffled(options.urls)) {
    signal.throwIfAborted();
    try {
      const model = await openModel(url, `${options.instanceId} login`, options, credentials.plain(login, passcode));
      await close(model);
      return true;
    } catch (error) {
      problem = error as Error;
      if (isLoginRefused(problem)) return false;
      // RabbitMQ refuses a missing or starting virtual host in the same way
      if (isVhostRefused(problem) && options.isUp()) return false;
    }
  }
  throw problem;
}

async function close(model: ChannelModel): Promise<void> {
  model.on('error', () => undefined); // an unhandled one would end the process
  await answeredWithin(model.close(), CLOSE_TIMEOUT_MS, 'did not answer connection.close').catch(() => undefined);
  destroy(model);
}
