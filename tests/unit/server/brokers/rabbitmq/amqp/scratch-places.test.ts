import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ScratchPlaces } from '../../../../../../server/src/brokers/rabbitmq/amqp/scratch-places.js';

/** Places, and the requests that have one, in the order in which they got it. */
class Requests {
  readonly begun: string[] = [];
  readonly running: string[] = [];
  readonly places: ScratchPlaces;

  constructor(max: number, eachMax: number) {
    this.places = new ScratchPlaces(max, eachMax);
  }

  async enter(account: string): Promise<void> {
    await this.places.take(account);
    this.begun.push(account);
    this.running.push(account);
  }

  /** Ends the request that has begun first, and lets the next one begin. */
  async end(): Promise<void> {
    await settled();
    this.places.release(this.running.shift()!);
    await settled();
  }
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('places', () => {
  test('of one account are bounded, and another account gets one at once', async () => {
    const requests = new Requests(3, 2);
    for (let i = 0; i < 5; i++) void requests.enter('a');
    await requests.enter('b');
    expect(requests.running).toEqual(['a', 'a', 'b']);
  });

  test('go to the accounts in turns', async () => {
    const requests = new Requests(3, 2);
    for (const account of 'aaaaabbbcc') void requests.enter(account);
    while (requests.begun.length < 10) await requests.end();
    expect(requests.begun.join('')).toBe('aabbcacbaa');
  });

  test('that are free again can all be taken', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 40 }), async (accounts) => {
        const requests = new Requests(3, 2);
        const entered = accounts.map((account) => requests.enter(account));
        for (let i = 0; i < accounts.length; i++) await requests.end();
        await Promise.all(entered);
        expect(requests.begun.toSorted()).toEqual(accounts.toSorted());
        expect(['a', 'a', 'b', 'c'].map((account) => requests.places.take(account))).toEqual([
          undefined,
          undefined,
          undefined,
          expect.any(Promise),
        ]);
      }),
    );
  });

  test('are given away by late requests, a bounded number for each account and in all', async () => {
    const { places } = new Requests(3, 2);
    const givesAway = async (account: string): Promise<boolean> => {
      await places.take(account);
      return places.giveAway(account);
    };
    for (const account of ['a', 'b', 'c', 'd']) {
      for (let i = 0; i < 64; i++) expect(await givesAway(account)).toBe(true);
    }
    expect(await givesAway('a')).toBe(false);
    places.release('a');
    expect(await givesAway('e')).toBe(false);
    places.end('b');
    expect(places.giveAway('e')).toBe(true);
    expect(['a', 'a', 'e'].map((account) => places.take(account))).toEqual([undefined, undefined, undefined]);
  });
});
