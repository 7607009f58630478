/**
 * The messages that readers have read and clients have not taken yet, of all replays of a relay. As with the pots of the
 * relay, one account has at most a quarter while more than half is in use. A replay without room pauses. It holds one
 * message more at most, so it goes on at the pace of its client.
 */
import type { Account } from '../../load/accounts.js';

const SHARE = 1 / 4;
const FREE_PART = 1 / 2;

export class ReplayBuffers {
  private bytes = 0;
  private readonly held = new Map<string, number>();

  constructor(private readonly maxBytes: number) {}

  get heldBytes(): number {
    return this.bytes;
  }

  /** `bytes` is negative for messages that were taken. */
  hold(account: Account, bytes: number): void {
    this.bytes += bytes;
    if (account === undefined) return;
    const held = (this.held.get(account) ?? 0) + bytes;
    if (held > 0) this.held.set(account, held);
    else this.held.delete(account);
  }

  isFullFor(account: Account): boolean {
    const { bytes, maxBytes } = this;
    if (bytes >= maxBytes) return true;
    const isShared = account !== undefined && bytes > maxBytes * FREE_PART;
    return isShared && (this.held.get(account) ?? 0) >= maxBytes * SHARE;
  }
}
