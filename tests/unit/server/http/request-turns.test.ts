import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { expect, test } from '@jest/globals';
import type { Request, Response } from 'express';
import { RequestTurns } from '../../../../server/src/http/request-turns.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function stage() {
  let nowMs = 0;
  const served: string[] = [];
  const turns = new RequestTurns(
    (request: IncomingMessage) => request.headers['x-from'] as string,
    () => nowMs,
  );
  const request = (from: string, name: string, costMs: number): EventEmitter => {
    const response = new EventEmitter();
    void turns.wait({ headers: { 'x-from': from } } as unknown as Request, response as unknown as Response, () => {
      served.push(name);
      nowMs += costMs;
    });
    return response;
  };
  return { served, request };
}

test('requests share the time of a turn, and the networks of their clients alternate', async () => {
  const { served, request } = stage();
  for (const name of ['flood 1', 'flood 2', 'flood 3']) request('192.0.2.1', name, 10);
  request('192.0.2.2', 'other', 10);
  await turn();
  expect(served).toEqual(['flood 1']);
  await turn();
  await turn();
  expect(served.slice(1)).toEqual(['other', 'flood 2']);
});

test('small requests of one turn do not wait for the next', async () => {
  const { served, request } = stage();
  for (const name of ['a', 'b', 'c']) request('192.0.2.1', name, 0.5);
  await turn();
  expect(served).toEqual(['a', 'b', 'c']);
});

test('a request whose client has gone is not handled', async () => {
  const { served, request } = stage();
  request('192.0.2.1', 'gone', 0).emit('close');
  const response = request('192.0.2.1', 'here', 0);
  await turn();
  expect(served).toEqual(['here']);
  expect(response.listenerCount('close')).toBe(0);
});
