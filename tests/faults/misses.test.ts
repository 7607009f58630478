/** The rules about messages to topics and users find planted violations, and report none in valid histories. */
import { describe, expect, test } from '@jest/globals';
import type { Effect } from './faults.js';
import { LOSS_AFTERMATH_MS } from './misses.js';
import { Script, TOPIC } from './script.js';

describe('after the faults every listener gets every message', () => {
  const listening = (): Script =>
    new Script()
      .fault(0, 'loses messages')
      .subscribe('s#1', 's#2')
      .send(1, TOPIC)
      .confirm(1, TOPIC)
      .add({ kind: 'calm' })
      .send(2, TOPIC)
      .confirm(2, TOPIC)
      .deliver(2, { destination: TOPIC });
  test('a listener without its message is found', () => {
    expect(listening().broken).toEqual(['after the faults every listener gets every message']);
  });
  test('messages may be missed before the calm, and by closed sessions', () => {
    expect(listening().deliver(2, { destination: TOPIC, to: 's#2' }).broken).toEqual([]);
    expect(listening().fault(0, 'ends sessions').close('s#2').broken).toEqual([]);
  });
});

describe('a cut link loses nothing', () => {
  const missing = (...effects: Effect[]): Script =>
    new Script()
      .connect('s#1')
      .subscribe('s#1')
      .fault(9, ...effects)
      .send(1, TOPIC)
      .confirm(1, TOPIC);
  test('a message that a connected listener misses is found, even of a relay that is not ready', () => {
    expect(missing('hides RabbitMQ').broken).toEqual(['a cut link loses nothing']);
    expect(missing('hides RabbitMQ').ready(false).broken).toEqual(['a cut link loses nothing']);
    expect(missing().broken).toEqual(['a cut link loses nothing']);
  });
  test('a listener misses messages from before its subscription, without a RECEIPT, and of its last connection', () => {
    expect(new Script().send(1, TOPIC).subscribe('s#1').confirm(1, TOPIC).broken).toEqual([]);
    expect(
      missing('hides RabbitMQ').deliver(1, { destination: TOPIC }).send(2, TOPIC).close('p#1', true).broken,
    ).toEqual([]);
    expect(missing('ends sessions').close('s#1').broken).toEqual([]);
  });
});

describe('a loss ends with its fault', () => {
  const rule = 'a loss ends with its fault';
  const listening = (): Script => new Script().connect('s#1').subscribe('s#1');
  const miss = (script: Script): Script => script.send(1, TOPIC).confirm(1, TOPIC);

  test('a message that a ready relay misses later is found', () => {
    const late = listening()
      .fault(9, 'loses messages')
      .wait(LOSS_AFTERMATH_MS + 9);
    expect(miss(late).broken).toEqual([rule]);
  });
  test('a message from before the fault is found', () => {
    expect(miss(listening()).fault(9, 'loses messages').broken).toEqual([rule]);
  });
  test('the fault and its aftermath excuse it', () => {
    expect(miss(listening().fault(9, 'loses messages')).broken).toEqual([]);
    expect(
      miss(
        listening()
          .fault(9, 'loses messages')
          .wait(LOSS_AFTERMATH_MS / 2),
      ).broken,
    ).toEqual([]);
  });
  test('later, a relay that is not ready excuses it', () => {
    const unready = listening()
      .fault(9, 'loses messages')
      .ready(false)
      .wait(2 * LOSS_AFTERMATH_MS);
    expect(miss(unready).ready(true).broken).toEqual([]);
    const readyAgain = listening()
      .fault(9, 'loses messages')
      .ready(false)
      .ready(true)
      .wait(2 * LOSS_AFTERMATH_MS);
    expect(miss(readyAgain).broken).toEqual([rule]);
  });
  test('a message that waited for a cut link may be lost by the next fault', () => {
    const waiting = miss(listening().fault(500, 'hides RabbitMQ')).wait(490);
    expect(waiting.fault(600, 'loses messages').broken).toEqual([]);
  });
});
