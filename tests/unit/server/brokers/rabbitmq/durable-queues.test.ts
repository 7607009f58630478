import { describe, expect, test } from '@jest/globals';
import { durablePrefixOf } from '../../../../../server/src/brokers/durable-names.js';
import { DurableQueues } from '../../../../../server/src/brokers/rabbitmq/durable-queues.js';

const PAGE = 3;
const name = (digit: number): string => `stomp-relay.durable.${String(digit).padStart(43, '0')}`;

/** A broker with durable queues of these names, and the pages that were read. */
function setUp(names: readonly string[], consumers: number | undefined = 0, isDeleted = true) {
  const read: string[] = [];
  const deleted: string[] = [];
  const management = {
    queues: (pattern: string, page: number) => {
      read.push(`${page}`);
      const all = names.filter((each) => new RegExp(pattern).test(each)).sort();
      const queues = all.slice((page - 1) * PAGE, page * PAGE).map((each) => ({ name: each, arguments: {} }));
      return Promise.resolve({ queues, pageCount: Math.max(1, Math.ceil(all.length / PAGE)) });
    },
  };
  const topology = {
    consumersOf: () => Promise.resolve(consumers),
    deleteQueue: (queue: string) => {
      deleted.push(queue);
      return Promise.resolve(isDeleted);
    },
  };
  return { read, deleted, durables: new DurableQueues(topology, management), topology };
}

const listed = async (durables: DurableQueues, query: Parameters<DurableQueues['list']>[0]) => {
  const { items, isMore } = await durables.list(query);
  return { names: items.map(({ queue }) => queue), isMore };
};

describe('a list', () => {
  const names = Array.from({ length: 100 }, (_, i) => name(i));

  test('has each queue once, in the order of names, whatever the size of its pages', async () => {
    for (const limit of [1, 2, 3, 7, 100]) {
      const { durables } = setUp([...names].reverse());
      const all: string[] = [];
      let after: string | undefined;
      for (let isMore = true; isMore;) {
        const page = await listed(durables, { after, limit });
        expect(page.names.length).toBeLessThanOrEqual(limit);
        all.push(...page.names);
        after = page.names.at(-1);
        isMore = page.isMore;
      }
      expect(all).toEqual(names);
    }
  });

  test('finds its first page by halves', async () => {
    const { durables, read } = setUp(names);
    expect(await listed(durables, { after: name(90), limit: 1 })).toEqual({ names: [name(91)], isMore: true });
    expect(read.length).toBeLessThan(10);
  });

  test('has the queues of one user only, and no other queues', async () => {
    const own = `${durablePrefixOf('ann')}${'a'.repeat(43)}`;
    const others = [name(1), `${durablePrefixOf('bob')}${'a'.repeat(43)}`, 'stomp-relay.durable.short'];
    const { durables } = setUp([own, ...others]);
    expect((await listed(durables, { user: 'ann', limit: 10 })).names).toEqual([own]);
    expect((await listed(durables, { limit: 10 })).names).toEqual([own, ...others.slice(0, 2)].sort());
    expect(await listed(setUp([]).durables, { after: 'a', limit: 10 })).toEqual({ names: [], isMore: false });
  });

  test('needs the management API', async () => {
    const durables = new DurableQueues(setUp([]).topology, undefined);
    const refusal = { code: 'not-supported', message: expect.stringContaining('rabbitmq.managementUrl') };
    await expect(durables.list({ limit: 1 })).rejects.toMatchObject(refusal);
  });
});

describe('an end', () => {
  test.each([
    ['without consumers', 0, {}, 'ended'],
    ['in use', 1, {}, 'in-use'],
    ['in use, by force', 1, { evenInUse: true }, 'ended'],
    ['that is gone', undefined, { evenInUse: true }, 'missing'],
  ])('of a queue %s', async (_, consumers, options, result) => {
    const { durables, deleted } = setUp([], consumers);
    if (consumers === undefined) durables['topology'].consumersOf = () => Promise.resolve(undefined);
    expect(await durables.end(name(1), options)).toBe(result);
    expect(deleted).toEqual(result === 'ended' ? [name(1)] : []);
  });

  test('touches no queue of another name', async () => {
    const { durables, deleted } = setUp([]);
    for (const other of ['jobs', 'stomp-relay.instance.a']) expect(await durables.end(other)).toBe('missing');
    expect(deleted).toEqual([]);
  });

  test('is refused while RabbitMQ is away', async () => {
    const { durables } = setUp([], 0, false);
    await expect(durables.end(name(1))).rejects.toMatchObject({ code: 'broker-unavailable' });
  });
});
