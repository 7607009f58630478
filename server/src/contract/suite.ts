/**
 * Collects the tests of the contract first, and registers them with the runner afterwards. Skips and notes tests and
 * groups that need a capability which the broker does not declare.
 */
import { format } from 'node:util';
import type { BrokerCapabilities, Capability } from '../brokers/broker.js';
import type { Expect, TestHarness } from './harness.js';
import type { BrokerUnderTest, Desks } from './stage.js';

type Body<Values extends readonly unknown[] = []> = (...values: Values) => Promise<void> | void;
/** A row with several values becomes several arguments. */
type Row = string | readonly [unknown, ...unknown[]];
type ValuesOf<R extends Row> = R extends readonly unknown[] ? R : [R];

/** The functions that collect tests. */
export interface Registering {
  readonly describe: (title: string, body: () => void) => void;
  readonly test: (title: string, body: Body) => void;
  /**
   * Adds a test for each row and replaces `%s` by the row's values. `needs` returns the capabilities that a row needs.
   */
  readonly each: <R extends Row>(
    rows: readonly R[],
    needs?: (...values: ValuesOf<R>) => readonly Capability[],
  ) => (title: string, body: Body<ValuesOf<R>>) => void;
}

/** The argument of each test file. */
export interface Suite extends Registering {
  readonly expect: Expect;
  readonly desks: Desks;
  readonly capabilities: BrokerCapabilities;
  /** A separate broker, for a test that closes it. */
  readonly makeBroker: () => Promise<BrokerUnderTest>;
  /** The same functions, for tests that need all of these capabilities. */
  readonly needing: (...needed: readonly Capability[]) => Registering;
  /** For a part of a test that needs these capabilities. */
  readonly offers: (...needed: readonly Capability[]) => boolean;
}

interface Test {
  readonly title: string;
  readonly body: Body;
}

interface Group {
  readonly title: string;
  readonly entries: (Test | Group)[];
}

/** `expect` and the tested broker. */
export type SuiteSubject = Pick<Suite, 'expect' | 'desks' | 'capabilities' | 'makeBroker'>;

export class Collection {
  /** `group > test (needs queues, acks)`. */
  readonly leftOut: string[] = [];
  readonly suite: Suite;
  private readonly root: Group = { title: '', entries: [] };
  /** The open groups, outermost first. */
  private readonly open: Group[] = [this.root];

  constructor(subject: SuiteSubject) {
    const offers: Suite['offers'] = (...needed) => needed.every((each) => subject.capabilities[each]);
    const needing: Suite['needing'] = (...needed) => (offers(...needed) ? all : this.leavingOut(needed));
    const all: Registering = {
      describe: (title, body) => this.describe(title, body),
      test: (title, body) => this.add({ title, body }),
      each:
        (rows, needs = () => []) =>
        (title, body) => {
          for (const row of rows) {
            const values = (typeof row === 'string' ? [row] : row) as ValuesOf<typeof row>;
            needing(...needs(...values)).test(titleOf(title, values), () => body(...values));
          }
        },
    };
    this.suite = { ...subject, ...all, needing, offers };
  }

  private add(entry: Test | Group): void {
    this.open.at(-1)!.entries.push(entry);
  }

  private describe(title: string, body: () => void): void {
    const group: Group = { title, entries: [] };
    this.add(group);
    this.open.push(group);
    body();
    this.open.pop();
  }

  private leavingOut(needed: readonly Capability[]): Registering {
    const note = (title: string): void => {
      const path = [...this.open.slice(1).map((group) => group.title), title].join(' > ');
      this.leftOut.push(`${path} (needs ${needed.join(', ')})`);
    };
    return { describe: note, test: note, each: () => note };
  }

  /** Registers everything with the runner; `run` runs a test. */
  register({ describe, test }: TestHarness, run: (body: Body) => Promise<void>, timeoutMs: number): void {
    const hand = (entry: Test | Group): void => {
      if ('body' in entry) test(entry.title, () => run(entry.body), timeoutMs);
      else if (entry.entries.length > 0) describe(entry.title, () => entry.entries.forEach(hand));
    };
    this.root.entries.forEach(hand);
  }
}

function titleOf(title: string, values: readonly unknown[]): string {
  const places = title.split('%s').length - 1;
  return format(title, ...values.slice(0, places));
}

/** The capabilities that a destination needs. */
export function capabilitiesFor(destination: string): readonly Capability[] {
  if (destination.startsWith('/exchange')) return ['exchanges'];
  if (destination.startsWith('/queue') || destination.startsWith('/amq/queue')) return ['queues'];
  return destination.startsWith('/reply-queue') ? ['replies'] : [];
}
