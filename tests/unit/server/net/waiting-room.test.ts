import { describe, expect, test } from '@jest/globals';
import { WaitingRoom } from '../../../../server/src/net/waiting-room.js';

function openRoom(max: number) {
  const evicted: string[] = [];
  const clock = { now: 0 };
  const options = {
    limit: 'clientsMax',
    max,
    evict: (client: string) => void evicted.push(client),
    now: () => clock.now,
  };
  const room = new WaitingRoom<string>(options);
  /** The first letter is the network. */
  const enter = (...clients: string[]) => clients.map((client) => room.enter(client, client.slice(0, 1)));
  return { room, evicted, clock, enter };
}

describe('a room of waiting clients', () => {
  test('evicts the oldest client of the largest network for one of a smaller network', () => {
    const { room, evicted, enter } = openRoom(3);
    enter('a1', 'a2', 'a3');
    expect(enter('b1', 'c1', 'd1')).toEqual([true, true, false]);
    expect(evicted).toEqual(['a1', 'a2']);
    expect([...room.clients()]).toEqual(['a3', 'b1', 'c1']);
    expect(room).toMatchObject({ limit: 'clientsMax', size: 3, max: 3, turnedAway: 3 });
  });

  test('refuses a client of the largest network until its oldest has waited for a second', () => {
    const { room, evicted, clock, enter } = openRoom(2);
    enter('a1', 'a2');
    clock.now = 999;
    expect(enter('a3')).toEqual([false]);
    clock.now = 1_000;
    expect(room.makeRoom('a', true)).toBe(false);
    expect(enter('a4', 'a5', 'a6')).toEqual([true, true, false]);
    expect(evicted).toEqual(['a1', 'a2']);
  });

  test('does not keep out a new network when every network has one client that has waited for long', () => {
    const { evicted, clock, enter } = openRoom(2);
    enter('a1', 'b1');
    expect(enter('c1')).toEqual([false]);
    clock.now = 1_000;
    expect(enter('c1')).toEqual([true]);
    expect(evicted).toEqual(['a1']);
  });

  test('has a place for a client when another has left', () => {
    const { room, evicted, enter } = openRoom(1);
    enter('a1');
    room.leave('a1');
    room.leave('a1');
    expect(enter('a2')).toEqual([true]);
    expect(evicted).toEqual([]);
  });
});

describe('the clients that leave a room', () => {
  test('are the oldest of each network in turn', () => {
    const { room, evicted, enter } = openRoom(5);
    enter('a1', 'a2', 'a3', 'b1');
    expect([room.next(), room.next(), room.next(), room.next(), room.next()]).toEqual([
      'a1',
      'b1',
      'a2',
      'a3',
      undefined,
    ]);
    expect(room).toMatchObject({ size: 0, turnedAway: 0 });
    expect([...room.clients()]).toEqual([]);
    expect(evicted).toEqual([]);
  });

  test('are evicted and counted when they have waited too long', () => {
    const { room, evicted, clock, enter } = openRoom(5);
    enter('a1', 'b1');
    clock.now = 10;
    enter('a2');
    room.evictOlderThan(10);
    expect(evicted).toEqual(['a1', 'b1']);
    expect(room).toMatchObject({ size: 1, turnedAway: 2 });
  });
});
