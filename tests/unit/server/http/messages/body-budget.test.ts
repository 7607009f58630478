import { EventEmitter } from 'node:events';
import { expect, test } from '@jest/globals';
import type { Request, Response } from 'express';
import { BodyBudget } from '../../../../../server/src/http/messages/body-budget.js';
import { SharedPots } from '../../../../../server/src/load/shared-pots.js';

function setUp(max = 100) {
  const pot = new SharedPots().create({ limit: 'http.bodiesMaxBytes', max, things: 'bytes', wayOut: 'wait' });
  const budget = new BodyBudget(pot, 60);
  const begin = (account: string) => {
    const request = Object.assign(new EventEmitter(), { destroy: () => undefined });
    const answers: number[] = [];
    const response = Object.assign(new EventEmitter(), {
      locals: { caller: { account } },
      headersSent: false,
      set: () => response,
      status: (status: number) => {
        answers.push(status);
        response.headersSent = true;
        return response;
      },
      type: () => response,
      send: () => response,
      json: () => response,
    });
    budget.count(request as unknown as Request, response as unknown as Response, () => undefined);
    return {
      answers,
      add: (bytes: number) => request.emit('data', Buffer.alloc(bytes)),
      close: () => response.emit('close'),
    };
  };
  return { pot, begin };
}

test('counts a body until the answer, at most the size of a body', () => {
  const { pot, begin } = setUp(1_000);
  const request = begin('user:a');
  for (let i = 0; i < 4; i++) request.add(20);
  expect(pot.used).toBe(60);
  request.close();
  expect(pot.used).toBe(0);
});

test('refuses a request once, and another account has room', () => {
  const { pot, begin } = setUp();
  const requests = [begin('user:a'), begin('user:a'), begin('user:a')];
  for (const request of requests) request.add(25);
  for (const request of requests) request.add(1);
  const other = begin('user:b');
  other.add(25);
  expect(requests.map(({ answers }) => answers)).toEqual([[503], [503], [503]]);
  expect(other.answers).toEqual([]);
  for (const request of [...requests, other]) request.close();
  expect(pot.used).toBe(0);
});
