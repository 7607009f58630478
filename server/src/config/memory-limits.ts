/**
 * The memory budget of a process, and the limits that are parts of it. On a machine with little memory the defaults of
 * these limits shrink with the budget; a value that the configuration gives stays as it is.
 */
import { totalmem } from 'node:os';
import { MIB } from './option-kinds.js';

export const MEMORY_MIN_BYTES = 32 * MIB;

/** The default budget, as a part of the memory. The rest is for Node itself, the network and garbage. */
const BUDGET = 0.6;
/** At this part of the memory, the process is in danger. */
const DANGER = 0.85;

/** The parts of the budget that these limits have by default, at most. */
const PARTS: Readonly<Record<string, number>> = {
  'session.sendQueuesMaxBytes': 1 / 4,
  'memory.messagesMaxBytes': 1 / 4,
  'memory.queueMaxBytes': 1 / 16,
  'http.bodiesMaxBytes': 1 / 8, // a body weighs several times its bytes while its JSON is parsed
  'rabbitmq.unconfirmedMaxBytes': 1 / 8,
  'rabbitmq.instanceInFlightMaxBytes': 1 / 16,
};

/**
 * The memory of the container, or of the machine. `constrained` is what Node reports; without a limit it is 0, or more
 * than any machine has.
 */
export function availableMemory(constrained: number, total = totalmem()): number {
  return constrained > 0 && constrained < total ? constrained : total;
}

export interface MemoryLimits {
  readonly memoryMaxBytes: number;
  readonly processMaxBytes: number;
}

/** The limits of one of `workers` processes. */
export function memoryLimits(given: number | undefined, workers: number, available: number): MemoryLimits {
  const byDefault = Math.max(MEMORY_MIN_BYTES, Math.floor((BUDGET * available) / workers));
  return { memoryMaxBytes: given ?? byDefault, processMaxBytes: Math.floor((DANGER * available) / workers) };
}

/** Replaces the defaults that do not fit into the budget. `isDefault` is false for a limit that was configured. */
export function fitParts<T extends object>(
  sections: T,
  memoryMaxBytes: number,
  isDefault: (path: readonly string[]) => boolean,
): T {
  const fitted = { ...sections } as Record<string, Record<string, number>>;
  for (const [name, part] of Object.entries(PARTS)) {
    const [section = '', option = ''] = name.split('.');
    const values = fitted[section];
    if (values === undefined || !isDefault([section, option])) continue;
    fitted[section] = { ...values, [option]: Math.min(values[option] ?? 0, Math.floor(part * memoryMaxBytes)) };
  }
  return fitted as T;
}
