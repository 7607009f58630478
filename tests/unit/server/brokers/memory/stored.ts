import { ExchangeMessage } from '../../../../../server/src/brokers/exchange-message.js';
import { DeathHistory } from '../../../../../server/src/brokers/memory/death-history.js';
import type { StoredMessage } from '../../../../../server/src/brokers/memory/stored-message.js';

/** A message of four bytes in a queue. */
export const stored = (position: number, rest: Partial<StoredMessage> = {}): StoredMessage => ({
  message: new ExchangeMessage({ headers: new Map(), body: Buffer.from('four') }, '', 'q', 'amq.topic'),
  bytes: 100,
  payer: undefined,
  priority: 0,
  expiresAt: Infinity,
  position,
  deaths: DeathHistory.empty,
  redelivered: false,
  returns: 0,
  ...rest,
});
