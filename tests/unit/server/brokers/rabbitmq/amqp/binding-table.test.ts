import { describe, expect, test } from '@jest/globals';
import { bindingTable, checkBindingSize } from '../../../../../../server/src/brokers/rabbitmq/amqp/binding-table.js';

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

test('a typed argument becomes a value of that type for amqplib', () => {
  const given = {
    text: '1',
    yes: true,
    int: { type: 'int', digits: '1' },
    long: { type: 'long', digits: '9007199254740993' },
    double: { type: 'double', digits: '1.5' },
  } as const;
  expect(bindingTable({ exchange: 'e', key: 'k', arguments: given })).toEqual({
    text: '1',
    yes: true,
    int: { '!': 'int', value: 1 },
    long: { '!': 'long', value: 9_007_199_254_740_993n },
    double: { '!': 'double', value: 1.5 },
  });
});
