import { describe, expect, test } from '@jest/globals';
import { Handover } from '../../../client-sdk/src/core/handover.js';
import type { LinkMessage } from '../../../client-sdk/src/core/message.js';
import { fc } from '../../support/properties.js';

const OLD = { isUp: true };
const NEXT = { isUp: true };

function message(body: string, headers: Record<string, string> = {}): LinkMessage {
  return { headers: { destination: '/topic/a', ...headers }, body, binaryBody: new Uint8Array(), ack() {}, nack() {} };
}

function start() {
  const bodies: string[] = [];
  const handover = new Handover(NEXT, ({ body }) => bodies.push(body));
  return {
    handover,
    bodies,
    take: (link: typeof OLD, ...all: LinkMessage[]) => all.forEach((m) => handover.take(m, link)),
  };
}

interface Arrival {
  readonly body: string;
  readonly link: typeof OLD;
}

/** Each of the two streams keeps its order; `turns` selects the stream of the next message. */
function interleave(old: readonly string[], next: readonly string[], turns: readonly boolean[]): Arrival[] {
  const rest = { old: [...old], next: [...next] };
  const all = turns.flatMap((isOld) => {
    const body = (isOld ? rest.old : rest.next).shift();
    return body === undefined ? [] : [{ body, link: isOld ? OLD : NEXT }];
  });
  return [...all, ...rest.old.map((body) => ({ body, link: OLD })), ...rest.next.map((body) => ({ body, link: NEXT }))];
}

const words = fc.array(fc.constantFrom('tick', 'tock', 'x'), { maxLength: 40 });
const turnsOf = fc.array(fc.boolean(), { maxLength: 80 });

describe('two links with the same messages', () => {
  test('each message is delivered once, in order, for any speeds, any last message of the old link, and equal messages', () => {
    fc.assert(
      fc.property(words, words, fc.nat(), turnsOf, (both, later, cut, turns) => {
        const { handover, bodies } = start();
        const sent = [...both, ...later];
        const ofOld = sent.slice(0, both.length + (cut % (later.length + 1)));
        let left = ofOld.length;
        const leave = (): void => void (left === 0 && handover.release());
        leave();
        for (const { body, link } of interleave(ofOld, sent, turns)) {
          handover.take(message(body), link);
          if (link === OLD) left--;
          if (link === OLD) leave();
        }
        expect(bodies).toEqual(sent);
      }),
    );
  });

  test('messages that the old link brought before the other was up are delivered once too', () => {
    fc.assert(
      fc.property(words, words, turnsOf, (before, sent, turns) => {
        const { handover, bodies } = start();
        const numbered = sent.map((body, n) => `${body} ${n}`);
        const all = interleave([...before, ...numbered], numbered, turns);
        for (const { body, link } of all) handover.take(message(body), link);
        handover.release();
        expect(bodies).toEqual([...before, ...numbered]);
      }),
    );
  });

  test('both links may bring new messages once nothing is held any more', () => {
    fc.assert(
      fc.property(words, turnsOf, (sent, turns) => {
        const { handover, bodies } = start();
        handover.release();
        for (const { body, link } of interleave(sent, sent, turns)) handover.take(message(body), link);
        expect(bodies).toEqual(sent);
      }),
    );
  });
});

test('copies may differ in the headers that each relay makes, and in no other', () => {
  const { bodies, handover, take } = start();
  const made = { 'message-id': '1', subscription: 's', ack: '1', 'relay-dropped': '2' };
  take(OLD, message('x', { a: '1', b: '2', ...made }));
  handover.release();
  take(NEXT, message('x', { 'message-id': '7', subscription: 't', b: '2', a: '1' }));
  expect(bodies).toEqual(['x']);
  const others = [{ destination: '/topic/b' }, { 'idempotency-key': '2' }, { acknowledged: '1' }, {}];
  take(NEXT, ...others.map((headers) => message('x', headers)));
  expect(bodies).toHaveLength(5);
});

test('with too many held messages nothing is held any more, and still no copy is delivered', () => {
  const { bodies, take } = start();
  const large = 'x'.repeat(1_000_000);
  for (let n = 1; n <= 7; n++) take(NEXT, message(`${n}${large}`));
  expect(bodies).toEqual([]);
  take(NEXT, message(`8${large}`));
  expect(bodies.map((body) => body[0]).join('')).toBe('12345678');
  take(OLD, message(`8${large}`), message('new'));
  take(NEXT, message('new'));
  expect(bodies.slice(8).map((body) => body.slice(0, 3))).toEqual(['new']);
});

test('a copy that comes after thousands of messages is delivered again, and a later one is not', () => {
  const { bodies, handover, take } = start();
  for (let n = 0; n < 20_000; n++) take(OLD, message(String(n)));
  handover.release();
  take(NEXT, message('19999'), message('10000'), message('0'));
  expect(bodies.slice(20_000)).toEqual(['0']);
});
