import type { Frame } from '../../stomp/frame.js';
import type { CommandSession } from './command.js';

/** STOMP 1.2, "DISCONNECT": the RECEIPT assures the client that all previous frames have been received. */
export async function disconnect(session: CommandSession, frame: Frame): Promise<void> {
  await session.sendQueue.whenIdle();
  session.disconnect(frame);
}
