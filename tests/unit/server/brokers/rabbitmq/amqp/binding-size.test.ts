import { describe, expect, test } from '@jest/globals';
import { checkBindingSize } from '../../../../../../server/src/brokers/rabbitmq/amqp/binding-size.js';

const FRAME_MAX = 131_072;

describe('the size of a binding', () => {
  const binding = (bytes: number) => ({
    exchange: 'e',
    key: 'k',
    arguments: { 'x-match': 'all', a: 'x'.repeat(bytes) },
  });

  test('fits into a frame, or is refused', () => {
    expect(() => checkBindingSize(binding(60_000), FRAME_MAX)).not.toThrow();
    expect(() => checkBindingSize(binding(65_000), FRAME_MAX)).toThrow(/arg-NAME.*fit into a frame/);
    expect(() => checkBindingSize(binding(8_000), 8_192)).toThrow(expect.objectContaining({ code: 'invalid-header' }));
  });
});
