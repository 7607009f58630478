/** A minimal test runner for tests of tests: records titles and reports failures. */
import { expect } from '@jest/globals';
import type { TestHarness } from 'stomp-relay/contract';

interface Collected {
  readonly title: string;
  readonly body: () => Promise<void>;
}

export class RecordedRun implements TestHarness {
  readonly expect = expect;
  /** `group > test`, in the order in which they were registered. */
  readonly titles: string[] = [];
  private readonly tests: Collected[] = [];
  private readonly open: string[] = [];

  readonly describe = (title: string, body: () => void): void => {
    this.open.push(title);
    body();
    this.open.pop();
  };

  readonly test = (title: string, body: () => Promise<void>): void => {
    const path = [...this.open.slice(1), title].join(' > ');
    this.titles.push(path);
    this.tests.push({ title: path, body });
  };

  /** The titles of the tests that fail. */
  async failures(): Promise<string[]> {
    const failed: string[] = [];
    for (const { title, body } of this.tests) {
      try {
        await body();
      } catch {
        failed.push(title);
      }
    }
    return failed;
  }
}
