/** Runs the service of examples/chatbot in a separate process. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { Inbox } from '../../server/src/contract/test-inbox.js';

export const CHATBOT_FOLDER = path.resolve(import.meta.dirname, '../../examples/chatbot');
/** With a pause of 200 ms its answer takes a minute, long enough to stop a relay in between on a busy machine. */
export const LONG_QUESTION = Array.from({ length: 300 }, () => 'word').join(' ');

export interface ChatbotService {
  readonly child: ChildProcess;
  /** Prints `ready` each time the service can take questions. */
  readonly lines: Inbox<string>;
}

/** For a service that ends by itself. Returns its exit status and its stderr. */
export async function runChatbot(
  url: string,
  cleanUp: Pick<(() => unknown)[], 'push'>,
): Promise<{ status: number | null; said: string }> {
  const child = spawn(process.execPath, [path.join(CHATBOT_FOLDER, 'main.js'), url], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  cleanUp.push(() => child.kill('SIGKILL'));
  const [said, [status]] = await Promise.all([text(child.stderr), once(child, 'exit') as Promise<[number | null]>]);
  return { status, said };
}

/** Resolves when the service can take questions. `cleanUp` gets the function that ends it. */
export async function startChatbot(
  url: string,
  pauseMs: number,
  cleanUp: Pick<(() => Promise<void>)[], 'push'>,
): Promise<ChatbotService> {
  const child = spawn(process.execPath, [path.join(CHATBOT_FOLDER, 'main.js'), url], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, CHATBOT_PAUSE_MS: String(pauseMs) },
  });
  cleanUp.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  const lines = new Inbox<string>('lines of the chatbot');
  createInterface(child.stdout).on('line', lines.add);
  await lines.next();
  return { child, lines };
}
